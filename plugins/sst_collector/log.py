"""What an operator reads: a line on stderr for what changed, and none for what goes on as it should.

Whoever logs sees to it that a line holds nothing of what was sent, nor of who sent it.
"""

from sst_core import say


def log(message: str) -> None:
    """Say `message`, which is one line."""
    say(f"collector: {message}")
