"""Running the tool that does the work: its output goes straight to the user, its exit code is passed on."""

import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from sst_core.errors import ExitCode, SstError


class ToolNotFoundError(SstError):
    """The tool is not there or can't be run."""

    exit_code = ExitCode.NOT_FOUND


def run_tool(arguments: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> int:
    """Run `arguments` in `folder` with this process's own standard streams, and return the exit code.

    A signal that ended the tool becomes 128 + its number, as a shell gives it. Ctrl-C reaches the tool once, from the
    terminal; this process waits for it to end. SIGTERM and SIGHUP are handed on. Raises :class:`ToolNotFoundError`.
    """
    with _signals_left_to_the_tool() as adopt:
        try:
            process = subprocess.Popen(arguments, cwd=folder, env=environ)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ToolNotFoundError(f"{arguments[0]} can't be run in {folder}: {reason}.") from None
        adopt(process)
        code = process.wait()
    return 128 - code if code < 0 else code


@contextmanager
def _signals_left_to_the_tool() -> Iterator[Callable[["subprocess.Popen[bytes]"], None]]:
    tools: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def arrived(number: int, _frame: FrameType | None) -> None:
        # A handler, and not SIG_IGN, which the tool would inherit. The terminal sends SIGINT to the tool by itself.
        if not tools:
            early.append(number)
        elif number != signal.SIGINT:
            tools[0].send_signal(number)

    def adopt(process: "subprocess.Popen[bytes]") -> None:
        tools.append(process)
        for number in early:
            process.send_signal(number)

    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    # What was ignored from the start, as under nohup, stays ignored for both.
    before = {
        number: signal.signal(number, arrived) for number in numbers if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield adopt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
