"""Running the tool that does the work: its output goes straight to the user, its exit code is passed on."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

from sst_core.errors import ExitCode, SstError

Process = subprocess.Popen[bytes]

SHORT = 0.2
"""Seconds that a tool runs before its orphans are adopted, so that an interrupt ends them too."""


class ToolNotFoundError(SstError):
    """The tool is not there or can't be run."""

    exit_code = ExitCode.NOT_FOUND


def run_tool(
    arguments: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None, *, to_stderr: bool = False
) -> int:
    """Run `arguments` in `folder` with this process's own standard streams, and return the exit code.

    `environ` is the tool's whole environment; None stands for this process's own.

    A signal that ended the tool becomes 128 + its number, as a shell gives it. Ctrl-C reaches the tool once, from the
    terminal; this process waits for it to end. SIGTERM and SIGHUP are handed on. What the tool started and left behind
    is ended after any of these, unless it is in a session of its own. `to_stderr` keeps stdout for the core's own.
    Raises :class:`ToolNotFoundError`.
    """
    return _ended(arguments, folder, environ, _our_stderr() if to_stderr else None, _waited)[0]


def read_tool(arguments: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run `arguments` as :func:`run_tool` does, and return the exit code and what was printed on stdout."""
    code, output = _ended(arguments, folder, environ, subprocess.PIPE, lambda process: process.communicate()[0])
    return code, (output or b"").decode(errors="replace")


def _ended(
    arguments: Sequence[str],
    folder: Path,
    environ: Mapping[str, str] | None,
    stdout: int | IO[str] | None,
    attend: Callable[[Process], bytes | None],
) -> tuple[int, bytes | None]:
    with exit_codes_kept(), _signals_left_to_the_tool() as tool:
        try:
            process = subprocess.Popen(arguments, cwd=folder, env=environ, stdout=stdout)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ToolNotFoundError(f"{arguments[0]} can't be run in {folder}: {reason}.") from None
        tool.has_started(process)
        output = attend(process)
        code = process.wait()
    return (128 - code if code < 0 else code), output


def _takes_longer(process: Process) -> bool:
    """Wait for it to end, no longer than a short run takes, and say whether it still runs; false where none can tell.

    No thread waits: the second of two signals would go to that one, and nobody would hear of it.
    """
    if not hasattr(os, "pidfd_open"):
        return False
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:  # an old kernel
        return False
    try:
        return not select.select([descriptor], [], [], SHORT)[0]
    finally:
        os.close(descriptor)


def _waited(process: Process) -> None:
    process.wait()


def _our_stderr() -> int | IO[str]:
    """Where a tool's stdout goes when ours is kept for JSON."""
    try:
        return sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):  # closed by whoever started us
        return subprocess.DEVNULL


@contextmanager
def exit_codes_kept() -> Iterator[None]:
    """Have the system keep the exit code of each child that ends until it is waited for.

    Whoever started this process may have SIGCHLD ignored, which lasts from one program to the next. Then the system
    keeps none, and `subprocess` takes each for 0. A child gets the default, under which its own children end as usual.
    """
    if not hasattr(signal, "SIGCHLD") or signal.getsignal(signal.SIGCHLD) != signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)


class _Tool:
    """Hands the signals that reach this process on to the tool, and sees to what it leaves behind."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._early: list[int] = []
        """What came before it was there."""
        self._is_interrupted = False
        self._let_go_of_orphans: Callable[[bool], None] = lambda _: None

    def has_started(self, process: Process) -> None:
        self._process = process
        for number in self._early:
            process.send_signal(number)
        if _takes_longer(process):
            from sst_core.orphans import adopt_orphans  # a short run is over before

            self._let_go_of_orphans = adopt_orphans()

    def arrived(self, number: int, _frame: FrameType | None) -> None:
        """A handler, and not SIG_IGN, which the tool would inherit. The terminal sends SIGINT to the tool by itself."""
        self._is_interrupted = True
        if self._process is None:
            self._early.append(number)
        elif number != signal.SIGINT:
            self._process.send_signal(number)

    def has_ended(self) -> None:
        self._let_go_of_orphans(self._is_interrupted)


@contextmanager
def _signals_left_to_the_tool() -> Iterator[_Tool]:
    tool = _Tool()
    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    # What was ignored from the start, as under nohup, stays ignored for both.
    before = {
        number: signal.signal(number, tool.arrived) for number in numbers if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield tool
    finally:
        tool.has_ended()
        for number, handler in before.items():
            signal.signal(number, handler)
