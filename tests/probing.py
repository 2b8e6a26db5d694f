"""A probe in a process: what it imported, and every socket, process, thread and write, as Python's audit sees them."""

import ast
import os
from dataclasses import dataclass
from pathlib import Path

from machine import Machine

# Python imports this at its start, from PYTHONPATH. The detached sender has no PROBE_LOG, and is left alone.
_SITECUSTOMIZE = """
import atexit, os, sys

log = os.environ.get("PROBE_LOG")
if log:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    changing = {
        "os." + name
        for name in (
            "chflags chmod chown exec fork forkpty link mkdir posix_spawn remove rename rmdir "
            "setxattr spawn startfile symlink system truncate utime"
        ).split()
    }

    def put(kind, what):
        os.write(descriptor, (repr((kind, str(what))) + "\\n").encode())

    def hook(event, arguments):
        if event == "open":
            path, _, flags = arguments
            if not isinstance(path, int) and flags & writing and path != os.devnull:
                put(event, path)
        elif event == "subprocess.Popen":
            put(event, " ".join(map(os.fsdecode, arguments[1])))
        elif event in changing or event.startswith(("socket.", "_thread.start", "shutil.", "tempfile.", "pty.")):
            put(event, arguments[:2])

    sys.addaudithook(hook)
    atexit.register(lambda: put("modules", " ".join(sorted(sys.modules))))
"""


@dataclass(frozen=True, slots=True)
class Probed:
    """What one process did."""

    events: tuple[tuple[str, str], ...]
    """Each audit event and what it was about."""
    modules: frozenset[str]

    def imported(self, *packages: str) -> set[str]:
        """Which of these top-level packages were imported."""
        return {package for package in packages if package in self.modules}


@dataclass(frozen=True, slots=True)
class Probe:
    """The probe, installed on a machine."""

    log: Path

    @classmethod
    def on(cls, machine: Machine) -> "Probe":
        """Install it, after the plugins."""
        folder = machine.home.parent / "probe"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE)
        log = machine.home.parent / "probed"
        before = machine.environ.get("PYTHONPATH")
        machine.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([before] if before else [])])
        # Python's own cache of what it compiled is no work of the program's.
        machine.environ.update(PROBE_LOG=str(log), PYTHONDONTWRITEBYTECODE="1")
        return cls(log)

    def read(self) -> Probed:
        """What was seen since this was last asked."""
        lines = [ast.literal_eval(line) for line in self.log.read_text().splitlines()]
        self.log.unlink()
        *events, (kind, modules) = lines
        assert kind == "modules", "the process did not end by itself"
        return Probed(tuple(events), frozenset(modules.split()))


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every path below `folder`, with its mode and the time of its last change."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in folder.rglob("*")
    }
