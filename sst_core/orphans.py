"""What an interrupted tool leaves behind: its own processes, which nobody waits for any more.

On Linux a process whose parent has ended becomes a child of whoever asked for that; elsewhere they are left alone. So
is what has left our session: it was made to outlive the tool, as a build daemon is, or the sender of an `sst` inside.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE = 1.0
"""Seconds in which they may end by themselves: Ctrl-C at a terminal has reached them too."""
GRACE = 5.0
"""Seconds that they then have from SIGTERM to SIGKILL."""
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> Callable[[bool], None]:
    """Have the tool's processes that outlive it become children of this one.

    Each is waited for as it ends: a tool may leave thousands in a day, and none that ended is to stay in the list of
    processes. Returns what undoes that; called with True, it first ends the orphans and waits for them.
    """
    if sys.platform != "linux":
        return lambda _: None
    system = ctypes.CDLL(None)
    session = os.getsid(0)
    ours = _children(session)  # the tool, and what plugins have started so far: none of these is an orphan
    begun, _ = _begun()
    known = {*begun, *ours}

    def reap(*_: object) -> None:
        here, elsewhere = _begun()
        known.update(elsewhere)  # when a thread ends, what it started becomes ours: no orphan, if it was seen before
        for orphan in here - known:
            with suppress(ChildProcessError):
                os.waitpid(orphan, os.WNOHANG)

    # Where the system doesn't say, not even the tool is known. Whoever else handles the signal goes on doing so.
    reaps = bool(begun) and signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
    if reaps:
        signal.signal(signal.SIGCHLD, reap)
    system.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def let_go(interrupted: bool) -> None:
        if reaps:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if interrupted:
            _end(ours, session)
        system.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    return let_go


def _end(ours: frozenset[int], session: int) -> None:
    if sys.platform == "win32":  # it has no SIGKILL, nor WNOHANG
        return
    begun = time.monotonic()
    told: set[int] = set()
    while (orphans := _children(session) - ours) and (passed := time.monotonic() - begun) < PATIENCE + GRACE + 1:
        for orphan in orphans:
            if passed > PATIENCE + GRACE:
                _send(signal.SIGKILL, orphan)
            elif passed > PATIENCE and orphan not in told:
                told.add(orphan)
                _send(signal.SIGTERM, orphan)
            with suppress(ChildProcessError):
                os.waitpid(orphan, os.WNOHANG)
        time.sleep(0.01)


def _begun() -> tuple[frozenset[int], frozenset[int]]:
    """The children of the first thread, of whatever session, and those of the other threads.

    The first runs the tools, and orphans become its own. What another has started is for somebody else to wait for.
    """
    first = str(os.getpid())
    here, elsewhere = set[int](), set[int]()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has just ended, or the kernel doesn't say
            (here if thread.name == first else elsewhere).update(map(int, (thread / "children").read_text().split()))
    return frozenset(here), frozenset(elsewhere)


def _send(number: int, process: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, number)


def _children(session: int) -> frozenset[int]:
    """Our children that are in our session."""
    here = (os.getpid(), session)
    return frozenset(int(process.name) for process in Path("/proc").glob("[0-9]*") if _parentage(process) == here)


def _parentage(process: Path) -> tuple[int, int] | None:
    """Parent and session."""
    try:
        # The name stands in brackets, and may hold anything: the numbers begin behind the last one.
        _, parent, _, session, *_ = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return int(parent), int(session)
    except (OSError, ValueError):  # it has just ended
        return None
