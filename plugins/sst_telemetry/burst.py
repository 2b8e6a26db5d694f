"""In CI, commands that follow each other are one burst and have one sender: there may be no next command to leave a run
to.

So a sender there looks at the queue again and again. Before its last look it deletes the stamp that keeps commands from
starting another: whoever records after that starts the next, and nobody before.
"""

import time
from collections.abc import Callable
from pathlib import Path

PAUSE = 0.5
"""Seconds that a sender waits for more runs."""
LAST_LOOK = 5.0
"""Seconds of its life after which it leaves what comes to the next sender: a request may take the rest."""


class Burst:
    """The runs of a burst, as one sender takes them from the queue."""

    def __init__(self, waiting: Callable[[], list[Path]], stamp: Path, seconds: float) -> None:
        """`seconds` from now on it waits for more runs, which are what `waiting` returns."""
        self._waiting = waiting
        self._stamp = stamp
        self._last_look_at = time.monotonic() + seconds
        self._has_looked = self._has_looked_last = False

    def wait_for_runs(self) -> list[Path]:
        """What is queued, from the second time on after a pause; an empty list once the last look was taken."""
        if self._has_looked_last:
            return []
        if self._has_looked:
            time.sleep(PAUSE)
        self._has_looked = True
        if time.monotonic() < self._last_look_at and (waiting := self._waiting()):
            return waiting
        self._has_looked_last = True
        self._stamp.unlink(missing_ok=True)
        return self._waiting()
