"""What is going on, told to a person at a terminal: each step as it begins and ends, and what a wait is for. Elsewhere
nothing."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sst_core.terminal import is_terminal, say

SOON = 1.0
"""Seconds of a wait before it is said what is being waited for."""
_begun = time.monotonic()


def timed(what: str, step: Callable[[], int]) -> int:
    """Do `step` and return its exit code; on a terminal, say on stderr when it begins and how it ends."""
    if not is_terminal(sys.stderr):
        return step()
    _tell(what)
    begun = time.monotonic()
    code = step()
    how = "done" if code == 0 else f"ended with {code}"
    _tell(f"{what}: {how} after {time.monotonic() - begun:.1f} s")
    return code


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """On a terminal, say on stderr `what` is being waited for, once that has taken a second."""
    if not is_terminal(sys.stderr):
        yield
        return
    from threading import Timer  # most commands wait for nothing

    timer = Timer(SOON, say, (what,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _tell(words: str) -> None:
    say(f"[{time.monotonic() - _begun:6.1f} s] {words}")
