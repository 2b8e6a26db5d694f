"""What an operator reads: a line on stderr for what changed, and none for what goes on as it should.

Whoever logs sees to it that a line holds nothing of what was sent, nor of who sent it.
"""

from sst_core import say


def log(message: str) -> None:
    """Say `message`, which is one line."""
    say(f"collector: {message}")


class Trouble:
    """Something that may go wrong again and again, and is said once: no stranger can fill a disk with it."""

    def __init__(self, over: str) -> None:
        self._over = over
        self._what: str | None = None

    def note(self, what: str | None) -> None:
        """Say what is wrong, if it wasn't before; or, with None, that it is over."""
        if what != self._what:
            log(self._over if what is None else what)
        self._what = what
