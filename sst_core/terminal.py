"""Whether a person is at the terminal, and telling them something. Nothing here fails where there is none."""

import sys


def say(message: str) -> None:
    """Print a line on stderr, if there is one to print it on."""
    if sys.stderr is None:  # closed by whoever started us; print would take stdout instead
        return
    try:
        print(message, file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return


def is_terminal() -> bool:
    """Whether a person is reading stderr."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed
        return False


def can_ask() -> bool:
    """Whether a person can be asked: they read stderr, and what they type is on stdin."""
    try:
        return is_terminal() and sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # closed
        return False
