"""What an operator reads: a line on stderr for what changed, and none for what goes on as it should.

Whoever logs sees to it that a line holds nothing of what was sent, nor of who sent it.
"""

from sst_core import SstError, reason_of, say


def log(message: str) -> None:
    """Say `message`, which is one line."""
    say(f"collector: {message}")


def in_words(error: Exception) -> str:
    """What the system or we say; of others' errors, which may quote what was sent, the name alone."""
    if isinstance(error, OSError):
        return reason_of(error)
    return f"{error}" if isinstance(error, SstError) else type(error).__name__


class Trouble:
    """Something that may go wrong again and again, and is said once: no stranger can fill a disk with it."""

    what: str | None = None
    """What is wrong; None if nothing is."""

    def __init__(self, over: str) -> None:
        self._over = over

    def note(self, what: str | None, detail: str | None = None) -> None:
        """Say what is wrong, if it wasn't before; or, with None, that it is over. `detail` is said in its place."""
        if what != self.what:
            log(self._over if what is None else detail or what)
        self.what = what
