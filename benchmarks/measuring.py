"""One run of a process, as the operating system accounts for it: the process, and what it leaves behind."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CAP = 30.0
"""Seconds after which a command, or what it left behind, is ended: nobody waits longer."""
_AGAIN = 0.1
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took, in seconds. What reached `CAP` was ended there."""

    wall: float
    """Until the process had ended."""
    cpu: float
    """Of the process and of those that it waited for: user and system."""
    left: float
    """CPU of the processes that it left behind. Only Linux tells."""
    stdout: float
    """Until nobody held its stdout any more: so long does `$(command)` take."""
    gone: float
    """Until all that it left behind had ended."""
    memory: int
    """The most that one of the processes left behind held, in KiB."""


class Failed(Exception):
    """A command that had to succeed didn't. The message is the last line of its stderr."""


def become_subreaper() -> None:
    """Have processes whose parent has ended become children of this one, so that their time can be asked for."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    folder: Path,
    *,
    cap: float = CAP,
    patience: float = CAP,
    not_ours: Sequence[int] = (),
) -> Run:
    """Run it to its end, or end it after `cap` seconds; then the same with what it left behind, and `patience`.

    `not_ours` are children of this process that belong to nobody's run. Raises `Failed` when it ended by itself and not
    with 0.
    """
    complaints = folder / "stderr"
    with complaints.open("wb") as stderr:
        begun = time.perf_counter()
        process = subprocess.Popen(
            arguments,
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        with _ending_after(cap, not_ours):
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.stdout is not None
    with _ending_after(patience, not_ours), process.stdout:
        process.stdout.read()
        stdout = time.perf_counter() - begun
        left, memory = _reap(not_ours)
        gone = time.perf_counter() - begun
    if process.returncode and wall < cap:
        raise Failed(_last_line(complaints) or f"ended with {process.returncode}")
    return Run(wall, usage.ru_utime + usage.ru_stime, left, stdout, gone, memory)


@contextmanager
def _ending_after(seconds: float, not_ours: Sequence[int]) -> Iterator[None]:
    """End every child, from then on and as long as there are any."""

    def end(_signal: int, _frame: object) -> None:
        for pid in _children(not_ours):
            os.kill(pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _reap(not_ours: Sequence[int]) -> tuple[float, int]:
    """CPU in seconds and the largest memory in KiB of what was left behind, when it has ended."""
    cpu, memory = 0.0, 0
    while pids := _children(not_ours):
        _, _, usage = os.wait4(pids[0], 0)
        cpu += usage.ru_utime + usage.ru_stime
        memory = max(memory, usage.ru_maxrss)
    return cpu, memory


def _children(not_ours: Sequence[int]) -> list[int]:
    try:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    except OSError:  # not Linux: who is left behind is nobody's child there
        return []
    return [pid for pid in map(int, children.split()) if pid not in not_ours]


def _last_line(file: Path) -> str:
    return (file.read_text(errors="replace").strip().splitlines() or [""])[-1]
