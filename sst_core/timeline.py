"""What is going on, told to a person at a terminal: each step as it begins and ends. Elsewhere nothing."""

import time
from collections.abc import Callable

from sst_core.terminal import is_terminal, say

_begun = time.monotonic()


def timed(what: str, step: Callable[[], int]) -> int:
    """Do `step` and return its exit code; on a terminal, say on stderr when it begins and how it ends."""
    if not is_terminal():
        return step()
    _tell(what)
    begun = time.monotonic()
    code = step()
    how = "done" if code == 0 else f"ended with {code}"
    _tell(f"{what}: {how} after {time.monotonic() - begun:.1f} s")
    return code


def _tell(words: str) -> None:
    say(f"[{time.monotonic() - _begun:6.1f} s] {words}")
