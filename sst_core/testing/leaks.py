"""What a run leaks: what is there after it, and was not before.

Of a run in this process (`machine.in_process`):

- a thread that is still alive,
- a child process, running or not waited for,
- a descriptor that is still open: a socket, a file, a pipe,
- a variable of the environment, the working directory or a signal's handler that is another than before.

Of a run as a process, with whose end all of those are over:

- a process of the machine's (it has the machine's HOME) that is still running when the test is over. The detached
  sender of telemetry is none: it is meant to outlive a command, for ten seconds at most, and only under consent.

Of both: a file or folder outside the machine's own that was made or changed and is still there, or that was removed.
It is seen where Python's audit events tell of it, in this process or in any Python on the machine; not in other
programs. Python's cache of compiled modules doesn't count.

Processes and descriptors are looked for below `/proc`, so on Linux alone.
"""

import ast
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sst_core.records import Record
from sst_core.testing.auditing import touched
from sst_core.testing.machine import Machine
from sst_core.testing.probing import audit

_PROC = Path("/proc")
_SENDER = b"sst_telemetry.sender"
_ENDING_SECONDS = 2.0
"""What a process that is just ending is given."""
_listeners: list[list[tuple[str, str]]] = []
"""Where to the audit hook below writes."""


class Watch(Record):
    """Watches all runs on a machine from now on."""

    machine: Machine
    log: Path

    @classmethod
    def on(cls, machine: Machine) -> "Watch":
        """Begin."""
        log = machine.root / "touched"
        audit(machine)
        machine.environ["TOUCHED_LOG"] = str(log)
        return cls(machine, log)

    def leaks(self) -> list[str]:
        """What was leaked until now, in words, each once."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        files = _outside(self.machine.root, [ast.literal_eval(line) for line in lines])
        return list(dict.fromkeys([*self.machine.leaks, *_processes_of(self.machine), *files]))


@contextmanager
def left_behind(root: Path) -> Iterator[list[str]]:
    """Fill the list that it gives with what is left behind by what happens meanwhile in this process."""
    before, leaks = _State(), list[str]()
    with _touches() as touches:
        yield leaks
    leaks += before.changes(_State())
    if _descriptors().keys() - before.descriptors:
        gc.collect()  # what nobody refers to is closed when it is found, which may be late, and is no leak
    after = _descriptors()
    leaks += [f"{after[number]} is still open" for number in sorted(after.keys() - before.descriptors)]
    leaks += _outside(root, touches)


class _State:
    """What of a process a run might change."""

    def __init__(self) -> None:
        self.threads = set(threading.enumerate())
        self.children = _children()
        self.descriptors = set(_descriptors())
        self.environ = dict(os.environ)
        self.folder = Path.cwd()
        self.handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}

    def changes(self, after: "_State") -> Iterator[str]:
        """What is other `after`, but for the descriptors."""
        for thread in after.threads - self.threads:
            yield f"the thread {thread.name} is still alive"
        for child in after.children - self.children:
            yield f"the child process {child} was not waited for"
        for variable in sorted(self.environ.keys() | after.environ.keys()):
            if self.environ.get(variable) != after.environ.get(variable):
                yield f"the variable {variable} is another"
        if after.folder != self.folder:
            yield f"the working directory is {after.folder}"
        for number, handler in after.handlers.items():
            if handler is not self.handlers[number] and handler != self.handlers[number]:
                yield f"the handler of {signal.Signals(number).name} is another"


def _children() -> set[str]:
    here = str(os.getpid())
    # Field 4 is the parent's number; the name in field 2 may hold anything, up to the last parenthesis.
    stats = {folder.name: _read(folder / "stat").rpartition(b")")[2].split() for folder in _processes()}
    return {number for number, fields in stats.items() if len(fields) > 1 and fields[1].decode() == here}


def _descriptors() -> dict[int, str]:
    found = {}
    folder = _PROC / "self" / "fd"
    for name in os.listdir(folder) if folder.is_dir() else []:  # noqa: PTH208
        try:
            found[int(name)] = os.readlink(folder / name)  # noqa: PTH115 - it may lead to no path: socket:[123]
        except OSError:  # the one that this listing was
            continue
    return found


def _processes_of(machine: Machine) -> list[str]:
    """Who is still there after the moment that it takes to end."""
    deadline = time.monotonic() + _ENDING_SECONDS
    while (found := list(_living(f"HOME={machine.home}".encode()))) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def _living(home: bytes) -> Iterator[str]:
    for folder in _processes():
        if int(folder.name) == os.getpid() or home not in _read(folder / "environ").split(b"\0"):
            continue
        words = _read(folder / "cmdline").split(b"\0")
        if any(words) and _SENDER not in words:
            yield f"the process {b' '.join(words).decode(errors='replace').strip()} is still running"


def _processes() -> list[Path]:
    return [folder for folder in _PROC.iterdir() if folder.name.isdecimal()] if _PROC.is_dir() else []


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it has just ended, or is somebody else's
        return b""


def _outside(root: Path, touches: Iterable[tuple[str, str]]) -> list[str]:
    made, removed = set[str](), set[str]()
    for what, path in touches:
        if Path(path).is_relative_to(root) or path.startswith(("/dev/", "/proc/")) or "__pycache__" in path:
            continue
        if what == "made":
            made.add(path)
        elif path not in made:
            removed.add(path)
    words = {**dict.fromkeys(sorted(removed), "removed"), **dict.fromkeys(sorted(made), "made or changed")}
    # Whatever was made and taken away again, such as a temporary file, was not left behind.
    return [f"{path} was {what}" for path, what in words.items() if what == "removed" or os.path.lexists(path)]


@contextmanager
def _touches() -> Iterator[list[tuple[str, str]]]:
    """What is touched meanwhile in this process. An audit hook is for good: it is added once, and idle otherwise."""
    _add_hook()
    collected: list[tuple[str, str]] = []
    _listeners.append(collected)
    try:
        yield collected
    finally:
        _listeners[:] = [other for other in _listeners if other is not collected]


@cache
def _add_hook() -> None:
    sys.addaudithook(_listen)


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    for collected in _listeners:
        collected.extend(touched(event, arguments))
