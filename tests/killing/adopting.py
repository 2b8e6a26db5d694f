"""Senders outlive the commands that start them. Here this process becomes their parent instead: none is missed, and
each says how it ended.
"""

import ctypes
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sst_core.testing import PATIENCE

_PR_SET_CHILD_SUBREAPER = 36
_LOOKING_EVERY = 0.01
"""Seconds. A sender lives for thirty times as long."""


@dataclass(slots=True)
class Senders:
    """The senders that this process's commands, and their commands, have started."""

    commands: set[int] = field(default_factory=set)
    """Processes whose children are looked at too: a sender is adopted only when its command has ended."""
    strangers: frozenset[int] = frozenset()
    """Children of this process from before: the sender of an `sst` that a test ran in this process stays one."""
    on_birth: Callable[[int], None] = lambda _: None
    endings: Counter[int] = field(default_factory=Counter)
    """How many ended how: an exit code, or a signal's number below zero."""
    lifetimes: list[float] = field(default_factory=list)
    """Of those that ended by themselves, in seconds."""
    memory: list[int] = field(default_factory=list)
    """The most that each had, in KiB, in the order of their ends."""
    _alive: dict[int, float] = field(default_factory=dict)
    _unclaimed: list[int] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closed: bool = False

    @property
    def started(self) -> int:
        """How many there have been."""
        with self._changed:
            return len(self._alive) + self.endings.total()

    @property
    def alive(self) -> tuple[int, ...]:
        """Their process ids."""
        with self._changed:
            return tuple(self._alive)

    def next(self, seconds: float) -> int | None:
        """One that nobody was given yet; None if none is started in time."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._unclaimed), seconds)
            return self._unclaimed.pop() if self._unclaimed else None

    def end(self, process: int, how: signal.Signals = signal.SIGKILL) -> bool:
        """Send a signal, and say whether it was alive. Its number is not given to another: only we bury it."""
        with self._changed:
            if process in self._alive:
                os.kill(process, how)
                return True
            return False

    def wait_for_all(self) -> None:
        """Wait until none is alive."""
        self.look()
        with self._changed:
            assert self._changed.wait_for(lambda: not self._alive, 4 * PATIENCE), f"never ended: {self._alive}"

    def look(self) -> None:
        """Note who was born and who died."""
        with self._changed:
            for process in _children("self"):
                self._meet(process)
            for command in tuple(self.commands):
                for process in _children(str(command)):
                    self._meet(process)
            for process in tuple(self._alive):
                self._bury(process)

    def _meet(self, process: int) -> None:
        if process in self._alive or process in self.strangers or not _is_sender(process):
            return
        self._alive[process] = time.monotonic()
        self._unclaimed.append(process)
        self.on_birth(process)
        self._changed.notify_all()

    def _bury(self, process: int) -> None:
        try:
            ended, status, used = os.wait4(process, os.WNOHANG)
        except ChildProcessError:
            return  # its command is still there
        if ended:
            born = self._alive.pop(process)
            if process in self._unclaimed:
                self._unclaimed.remove(process)
            code = os.waitstatus_to_exitcode(status)
            self.endings[code] += 1
            self.memory.append(used.ru_maxrss)
            if code == 0:
                self.lifetimes.append(time.monotonic() - born)
            self._changed.notify_all()

    def _keep_looking(self) -> None:
        while not self._closed:
            self.look()
            time.sleep(_LOOKING_EVERY)


@contextmanager
def adopting() -> Iterator[Senders]:
    """Adopt every sender whose command ends, and kill what is left of them afterwards."""
    senders = Senders(strangers=frozenset(_children("self")))
    looking = threading.Thread(target=senders._keep_looking, daemon=True)
    _set_subreaper(True)
    looking.start()
    try:
        yield senders
    finally:
        for process in senders.alive:
            senders.end(process)
        senders.wait_for_all()
        senders._closed = True
        looking.join()
        _set_subreaper(False)
        # Tasks whose command was killed. Whoever started a process of this one's own has waited for it by now.
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _set_subreaper(on: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _children(process: str) -> Iterator[int]:
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            yield from map(int, (thread / "children").read_bytes().split())


def _is_sender(process: int) -> bool:
    """Nothing else here has a session of its own; one that has ended still has it, unlike a command line."""
    try:
        return os.getsid(process) == process
    except ProcessLookupError:
        return False
