"""A command under strace: what it and all its children asked of the system, and which of that leaves a trace."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from required_programs import absent, required_in_ci
from sst_core.testing import PATIENCE, PROGRAM, Machine

_CALL = re.compile(r"(\w+)\((.*)\)\s+= ([-?\w]+)")
_WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
_HARMLESS = ("/dev/null", "/dev/tty")

# By what they do; strace is asked for these, and for no others.
_OPENING = ("open", "openat", "openat2", "creat")
STARTING = ("clone", "clone3", "fork", "vfork")
_BECOMING = ("execve", "execveat")
WAITING = ("wait4", "waitid")
NETWORK = ("socket", "socketpair", "connect", "bind", "sendto", "sendmsg", "recvfrom", "recvmsg")
_CHANGING = (
    "%network",
    "?mkdir,?mkdirat,?mknod,?mknodat,?link,?linkat,?symlink,?symlinkat,?rename,?renameat,?renameat2",
)
_REMOVING = "?unlink,?unlinkat,?rmdir,?truncate,?ftruncate,?chmod,?fchmod,?fchmodat,?chown,?fchown,?fchownat,?utimensat"
_TRACED = ",".join([*(f"?{call}" for call in (*_OPENING, *STARTING, *_BECOMING)), *_CHANGING, _REMOVING])

PATIENT = (
    sys.executable,
    "-c",
    "import sst_core.processes; sst_core.processes.SHORT = 60.0; from sst_core.sst import main; main()",
)
"""The program where its calls are counted: of a task that takes long it adopts the orphans, and a busy machine holds up
any."""


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that was made, whether it succeeded or not."""

    process: int
    name: str
    arguments: str
    result: str

    @property
    def path(self) -> str:
        """The first string among the arguments."""
        found = re.search(r'"((?:[^"\\]|\\.)*)"', self.arguments)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Traced:
    """All calls of one command and its children."""

    calls: tuple[Call, ...]

    @property
    def programs(self) -> list[str]:
        """What was executed, as typed by whoever did, in the order of process ids."""
        return [call.arguments for call in self.calls if call.name in _BECOMING and call.result == "0"]

    @property
    def threads(self) -> list[Call]:
        """Every thread that was started."""
        return [call for call in self.calls if call.name in STARTING and "CLONE_THREAD" in call.arguments]

    @property
    def processes(self) -> list[Call]:
        """Every process that was started."""
        return [call for call in self.calls if call.name in STARTING and "CLONE_THREAD" not in call.arguments]

    @property
    def writes(self) -> list[Call]:
        """Every file that was opened for writing, or made."""
        return [
            call
            for call in self.calls
            if call.name == "creat" or (call.name in _OPENING and _WRITING.search(call.arguments))
            if call.path not in _HARMLESS
        ]

    @property
    def others(self) -> list[Call]:
        """Every socket, and every change of what is on the disk: strace was asked for nothing else."""
        known = (*_OPENING, *STARTING, *_BECOMING)
        return [call for call in self.calls if call.name not in known]

    def named(self, *names: str) -> list[Call]:
        """The calls of those names."""
        return [call for call in self.calls if call.name in names]


def can_trace() -> bool:
    """Whether a command can be traced here. Fails the test in CI if not."""
    why = _why_not()
    if why is not None:
        required_in_ci(why)
    return why is None


def required() -> None:
    """Skip the test where no command can be traced, and fail it in CI. What traces below begins with it."""
    why = _why_not()
    if why is not None:
        absent(why)


def _why_not() -> str | None:
    try:
        tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "strace is not installed"
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else None


def trace(
    machine: Machine,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    program: tuple[str, ...] = (str(PROGRAM),),
    around: tuple[str, ...] = (),
) -> Traced:
    """Run `program` under strace to the end of its last child; `around` is what strace itself is run by."""
    required()
    folder = Path(tempfile.mkdtemp(prefix="traced-", dir=machine.home.parent))
    ended = machine.sst(
        *("-ff", "-qq", "-s", "4096", "-e", f"trace={_TRACED}", "-o", str(folder / "calls"), *program, *arguments),
        # Python's own cache of what it compiled is no work of the program's.
        env={"PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        program=(*around, "strace"),
        timeout=4 * PATIENCE,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", ""), ended
    # One file for each process or thread, named by its number: none of their lines is torn by another's.
    return Traced(
        tuple(
            _call(int(path.suffix[1:]), line)
            for path in sorted(folder.iterdir(), key=lambda path: int(path.suffix[1:]))
            for line in path.read_text(errors="replace").splitlines()
            if not line.startswith(("---", "+++"))
        )
    )


def alone(log: Path) -> tuple[str, ...]:
    """What notes a program's own calls in `log`, and none of its children's: it ends when the program does."""
    required()
    return ("strace", "-qq", "-y", "-s", "4096", "-o", str(log), "--")


def calls_alone(log: Path) -> tuple[Call, ...]:
    """What the program asked of the system that was run so, since it became what it is."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if not line.startswith(("---", "+++"))]
    calls = [_call(0, line) for line in lines if not line.startswith("exit")]
    became = max(number for number, call in enumerate(calls) if call.name in _BECOMING)
    return tuple(calls[became:])


def _call(process: int, line: str) -> Call:
    found = _CALL.match(line)
    assert found, f"strace says what we don't understand: {line}"
    return Call(process, *found.groups())
