"""Servers under load, each a process of its own, and what they cost: CPU seconds and memory, their children's too."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sst_core.testing import PROGRAM

_HERE = Path(__file__).parent
_TICKS = os.sysconf("SC_CLK_TCK")
_SCHEDULED = 2
"""CPUCLOCK_SCHED of Linux, which clock_getcpuclockid(3) puts together with a process's number."""
_POSTGRESQL = "/usr/lib/postgresql/*/bin"
"""Where Debian has it: not on the PATH."""
_UNPRIVILEGED = "postgres"
"""PostgreSQL doesn't run as root; Debian's package makes this user."""


class Missing(Exception):
    """Something that is not installed. The message says what, and where to get it."""


@dataclass(frozen=True, slots=True)
class Server:
    """One that answers."""

    port: int
    _processes: Sequence[int]

    def cpu(self) -> float:
        """Seconds, user and system, of its processes and their children since they started."""
        return sum(_cpu(pid) for root in self._processes for pid in _tree(root))


@contextmanager
def collector(data: Path, *options: str) -> Iterator[Server]:
    """`sst collector serve`."""
    with _started([PROGRAM, "collector", "serve", "--data", data, "--port", "0", *options]) as server:
        yield server


@contextmanager
def echo(_folder: Path) -> Iterator[Server]:
    """See :mod:`intake.echo`."""
    with _started([sys.executable, _HERE / "echo.py"]) as server:
        yield server


@contextmanager
def sqlite(folder: Path) -> Iterator[Server]:
    """Our front, and SQLite behind it."""
    with _started([sys.executable, _HERE / "stores.py", "sqlite", folder / "runs.sqlite"]) as server:
        yield server


@contextmanager
def postgresql(folder: Path) -> Iterator[Server]:
    """Our front, and PostgreSQL with the settings it comes with behind it. Raises `Missing`."""
    with (
        _postmaster(folder) as (postmaster, connection),
        _started([sys.executable, _HERE / "stores.py", "postgresql", connection], postmaster) as server,
    ):
        yield server


@contextmanager
def _started(arguments: Sequence[str | Path], *helpers: int) -> Iterator[Server]:
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=os.environ | _QUIET)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        yield Server(int(first.rpartition(":")[2]), (process.pid, *helpers))
    finally:
        process.terminate()
        process.communicate()


_QUIET = {"SST_TELEMETRY_DISABLED": "1"}


@contextmanager
def _postmaster(folder: Path) -> Iterator[tuple[int, str]]:
    programs = next(iter(sorted(Path("/").glob(_POSTGRESQL[1:]), reverse=True)), None)
    postgres = programs / "postgres" if programs else shutil.which("postgres")
    if not postgres:
        raise Missing("PostgreSQL is not installed: `apt-get install postgresql`")
    user = _UNPRIVILEGED if os.geteuid() == 0 else None
    data = folder / "postgresql"
    data.mkdir()
    if user:
        shutil.chown(data, user)
        folder.chmod(0o711)  # on the way to it
    initdb = Path(postgres).with_name("initdb")
    subprocess.run([initdb, "-D", data, "-A", "trust", "-U", "bench"], user=user, check=True, capture_output=True)
    process = subprocess.Popen(
        [postgres, "-D", data, "-c", "listen_addresses=", "-c", f"unix_socket_directories={data}"],
        user=user,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "ready to accept connections" in line:
                break
        yield process.pid, f"host={data} user=bench dbname=postgres"
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown
        process.communicate()


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in children for found in _tree(int(child)))]


def _cpu(pid: int) -> float:
    """Its own by its clock, whose unit is the nanosecond: a short lap is less than a tick of /proc's figures."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        own = time.clock_gettime(~pid << 3 | _SCHEDULED)
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return own + sum(map(int, fields[13:15])) / _TICKS  # cutime, cstime: of children that it waited for
