"""Starting the sender: detached, at most once an interval, and never waited for."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sst_core import Context, Locations, Product
from sst_telemetry.queue import Queue

INTERVAL = 600.0
"""Seconds between two senders."""
INTERVAL_IN_CI = 10.0
"""The same in CI, and longer than a sender lives. There may be no next run to leave a run to, so a sender in CI deletes
the stamp before its last look at the queue: that look sees the run of a command that found the stamp, and a command
that finds none starts the next sender."""
STAMP = "sender-started"
"""In the telemetry folder."""
CAME = "sender-came"
"""Beside it, and the sender's alone: the lock is held by whoever changes consent, too."""

# What the sender needs: where things are, how to reach the collector, and what may turn telemetry off.
PASSED_ON = (
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "APPDATA",
    "LOCALAPPDATA",
    "SYSTEMROOT",
    "LANG",
    "LC_ALL",
    "DO_NOT_TRACK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    *(name for proxy in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (proxy, proxy.lower())),
    "LD_LIBRARY_PATH",  # some Pythons can't start without it
    "DYLD_LIBRARY_PATH",
)


def start_sender_if_due(context: Context, run: str | None) -> None:
    """Start the sender unless one was started lately. `run` is where this one was queued. Raises OSError."""
    in_ci = context.ci is not None
    interval = INTERVAL_IN_CI if in_ci else INTERVAL
    locations = Locations.of(context.product, os.environ)
    stamp = locations.telemetry / STAMP
    last = _last_start(stamp)
    if last is not None and not _is_due(last, interval):
        return
    if in_ci and run is not None and not Path(run).exists():
        return  # a sender has it in hand already: of a burst, this command's end is the last
    if _claim(stamp, interval):
        if last is not None and not _has_come(locations.telemetry, last):
            with suppress(OSError):
                _trim(locations)
        _spawn(context.product, in_ci=in_ci)


def _trim(locations: Locations) -> None:
    """Keep the queue within its bounds, where no sender comes to do it."""
    from sst_core import held_if_free
    from sst_telemetry.state import read_state, write_state

    with held_if_free(locations.lock) as mine:
        if mine is not None and (dropped := Queue(locations.queue).trim(time.time())):
            write_state(locations.telemetry, read_state(locations.telemetry).counting(dropped=dropped))


def missing_since(locations: Locations) -> float | None:
    """When a sender was to start that has not come to its work, in seconds since the epoch; None where none is missed.

    Raises OSError.
    """
    last = _last_start(locations.telemetry / STAMP)
    return None if last is None or _has_come(locations.telemetry, last) else last.st_mtime


def _last_start(stamp: Path) -> os.stat_result | None:
    try:
        return stamp.stat()
    except FileNotFoundError:
        return None


def _has_come(telemetry: Path, started: os.stat_result) -> bool:
    try:
        return (telemetry / CAME).stat().st_mtime >= started.st_mtime
    except FileNotFoundError:
        return False


def _claim(stamp: Path, interval: float) -> bool:
    """Whether this process is the one to start a sender now: of many at the same moment, one is."""
    from sst_core import held_if_free  # most commands start none

    with held_if_free(stamp) as mine:
        # A new stamp is empty and a used one is not: the time alone can't tell a file that was just made.
        if mine is None or ((now := os.fstat(mine)).st_size and not _is_due(now, interval)):
            return False
        os.write(mine, b"1")
        return True


def _is_due(stamp: os.stat_result, interval: float) -> bool:
    return not 0 <= time.time() - stamp.st_mtime < interval  # a clock that was set back must not stop delivery


def _spawn(product: Product, *, in_ci: bool) -> None:
    # An embedded interpreter, or a program that is its own: the next command from a real one will send.
    if not sys.executable or getattr(sys, "frozen", False):
        return
    arguments = [sys.executable, "-P", "-m", "sst_telemetry.sender", product.target]
    environ = _environment(product, in_ci=in_ci)
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        null = subprocess.DEVNULL
        subprocess.Popen(arguments, env=environ, stdin=null, stdout=null, stderr=null, creationflags=flags)
        return
    # posix_spawn takes 0.2 ms, however large the heap is. The sender changes to the root folder by itself.
    streams = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    # A command may have been handed a pipe beside the streams, and whoever reads it waits for all its ends.
    others = [(os.POSIX_SPAWN_CLOSE, number) for number in _inheritable()]
    # A signal that the command had blocked would stay so: among them the one that ends the sender.
    os.posix_spawn(sys.executable, arguments, environ, file_actions=[*streams, *others], setsid=True, setsigmask=())


def _inheritable() -> Iterator[int]:
    """The open files beside the streams that a child would have too."""
    try:
        numbers = [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208 - a Path each is for nothing
    except OSError:  # a system, or a jail, without it
        return
    for number in numbers:
        with suppress(OSError):  # the listing's own is closed by now
            if number > 2 and os.get_inheritable(number):
                yield number


def _environment(product: Product, *, in_ci: bool) -> dict[str, str]:
    own = (product.variable("TELEMETRY_URL"), product.variable("TELEMETRY_DISABLED"))
    environ = {name: os.environ[name] for name in (*PASSED_ON, *own) if name in os.environ}
    environ["PYTHONPATH"] = os.pathsep.join(_search_path(product))
    if in_ci:
        environ["CI"] = "1"
    return environ


def _search_path(product: Product) -> Iterator[str]:
    """The sender finds its modules where this process found them, but in no folder that a command merely ran in."""
    first = 0 if sys.flags.safe_path else 1
    passing = _passing_folders() - _own_folders(product)
    return (path for path in map(str, sys.path[first:]) if Path(path).is_absolute() and path not in passing)


def _passing_folders() -> set[str]:
    """The working directory, and what relative entries of PYTHONPATH lead to from it: Python has made them absolute.

    The command may have changed the working directory since; the shell's word for it stays.
    """
    relative = [".", *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    starts = [os.environ.get("PWD", "")]
    with suppress(OSError):  # where it was deleted, nobody finds a module
        starts.append(os.getcwd())  # noqa: PTH109 - as text, as Python puts it there
    return {
        os.path.normpath(f"{start}{os.sep}{entry}")
        for start in starts
        for entry in relative
        if not Path(entry).is_absolute()
    }


def _own_folders(product: Product) -> set[str]:
    """Where the program itself was found, which has to be found again."""
    names = ("sst_core", "sst_telemetry", product.target.partition(":")[0].partition(".")[0])
    found = [sys.modules[name] for name in names if name in sys.modules]
    places = [*(path for each in found for path in getattr(each, "__path__", ()))]
    places += [file for each in found if not hasattr(each, "__path__") and (file := getattr(each, "__file__", None))]
    return {os.path.dirname(place) for place in places}  # noqa: PTH120 - as above
