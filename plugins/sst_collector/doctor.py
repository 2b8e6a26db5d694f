"""`sst collector doctor`: looks at a data folder, and says what is wrong and what to do.

It changes nothing and is in nobody's way: the warehouse of a collector that runs is left closed, since the loader could
not open it meanwhile.
"""

import json
import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from sst_collector.data_folder import DataFolder
from sst_collector.site_key import SiteKey
from sst_collector.warehouse.clickhouse.address import Address
from sst_collector.warehouse.clock_ahead import advice_if_ahead
from sst_collector.warehouse.duckdb.file import is_moved, mark_of
from sst_collector.warehouse.protocol import WarehouseError
from sst_core import ConfigurationError, held_if_free

ROOM = 1 << 30
"""Bytes that the disk should have left: a day's worth of a busy collector, and the copy that expiry makes."""
BACKLOG_BYTES = 1 << 30
ANSWER_SECONDS = 10.0
"""How long a ClickHouse may be silent: somebody waits, and it is asked nothing that takes long."""
LATE_ROUNDS = 3
"""How many times the cadence a snapshot may be old."""
LATE_SECONDS = 600.0
"""And how old at least, whatever the cadence: a round takes its time."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was looked at, sound or not."""

    what: str
    advice: str | None = None
    """What to do about it; None if it is as it should be."""


def examine(
    data: Path, site_key: Path | None, snapshot_every: float, now: datetime, warehouse: Address | None
) -> Iterator[Checked]:
    """Look at everything, in the order in which the one needs the other. `now` has a zone."""
    folder = DataFolder(data)
    if not folder.path.is_dir():
        yield Checked(f"there is no folder {data}", "Name the one that `serve` is given with --data.")
        return
    if folder.lock_is_lost:
        yield Checked(f"{data} has lost its file lock", folder.how_to_make_the_lock)
        return
    if not folder.lock.is_file():
        yield Checked(f"{data} was not made by a collector", "Name the one that `serve` is given with --data.")
        return
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield Checked(f"{data} is not yours to use", "Run this as the user that `serve` runs as, or chown the folder.")
        return
    yield from _private(folder, site_key or folder.site_key)
    yield _site_key(site_key or folder.site_key, now)
    yield _room(folder)
    try:
        with held_if_free(folder.lock) as lock:
            is_free = lock is not None  # and free again at once: a collector may be about to start
    except OSError as error:
        yield Checked(f"{folder.lock} can't be opened: {error.strerror}", "chown it to the user of `serve`.")
        return
    yield Checked("no collector is running on it" if is_free else "a collector is running on it")
    yield _journal(folder)
    yield _warehouse(folder, is_free, now) if warehouse is None else _shared_warehouse(folder, warehouse, now)
    yield _snapshot(folder, max(LATE_ROUNDS * snapshot_every, LATE_SECONDS), now)


def _private(folder: DataFolder, site_key: Path) -> Iterator[Checked]:
    there = {}
    for path in (folder.path, *sorted(folder.path.iterdir()), site_key, *site_key.glob("*")):
        if path.name != "lost+found":  # a file system's own, and root's
            with suppress(OSError):  # a collector that runs deletes some; the key's folder is looked at below
                there[path] = path.stat()
    if open_to_others := [path for path, status in there.items() if stat.S_IMODE(status.st_mode) & 0o077]:
        names = shlex.join(map(str, open_to_others))
        yield Checked(f"others can read or change: {names}", f"Run: chmod go-rwx {names}")
    elif not_ours := [path for path, status in there.items() if status.st_uid != there[folder.path].st_uid]:
        names = shlex.join(map(str, not_ours))
        found = f"these belong to another user than the folder does: {names}"
        yield Checked(found, f"Run: chown --reference={shlex.quote(str(folder.path))} {names}")
    else:
        yield Checked("everything in it is for its user alone")


def _site_key(folder: Path, now: datetime) -> Checked:
    note = folder / "retired"
    if os.geteuid() == 0 and note.exists() and note.stat().st_uid != 0:
        return Checked(
            "the site key is another user's: to have it looked at, run this as the user that `serve` runs as"
        )
    # Where `serve` makes the folder, if it isn't there yet.
    place = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not place.is_dir() or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return Checked("the site key can't be used", f"{place} has to be a folder that `serve` may write to.")
    try:
        SiteKey(folder, lambda: now).first_week()
    except ConfigurationError as error:
        return Checked("the site key can't be used", f"{error}")
    return Checked("the site key can be used")


def _room(folder: DataFolder) -> Checked:
    free = shutil.disk_usage(folder.path).free
    if free < ROOM:
        return Checked(f"the disk has {_size(free)} left", "Make room: on a full disk, requests are answered with 503.")
    return Checked(f"the disk has {_size(free)} left")


def _journal(folder: DataFolder) -> Checked:
    segments = folder.segments()
    size = sum(status.st_size for status in segments.values())
    found = f"the journal holds {_counted(len(segments), 'segment')} for the loader, {_size(size)}"
    if any(not os.access(path, os.R_OK) and path.exists() for path in segments):
        return Checked(
            "a segment of the journal can't be read", f"chown what is in {folder.journal} to the user of `serve`."
        )
    if size > BACKLOG_BYTES:
        return Checked(found, "See what `serve` says about the warehouse, and /healthz. Nothing is lost meanwhile.")
    return Checked(found)


def _warehouse(folder: DataFolder, is_free: bool, now: datetime) -> Checked:
    path = folder.warehouse
    if not path.exists():
        return _no_warehouse(path)
    if not is_free:
        return Checked("the warehouse is the running collector's: whether it can be loaded, ask /healthz")
    try:
        with duckdb.connect(path, read_only=True) as connection:
            ((runs, last),) = connection.execute("SELECT count(*), max(week) FROM runs").fetchall()
            ((weeks, published),) = connection.execute("SELECT count(*), max(week) FROM published_weeks").fetchall()
    except duckdb.Error as error:
        if "Could not set lock on file" in str(error):
            return Checked("another program has the warehouse open", "End it: the loader waits for it.")
        return Checked(
            f"the warehouse {path} can't be read ({type(error).__name__})",
            "Put back a backup of it. What has arrived since is in the journal.",
        )
    found = f"the warehouse holds {_counted(runs, 'run')}, and {_counted(weeks, 'published week')}"
    return Checked(found, _advice_on_the_clock(last, published, now))


def _no_warehouse(path: Path) -> Checked:
    if is_moved(path):
        return Checked(
            f"what was in {path} was moved to another warehouse",
            "Give `serve`, and this command, --warehouse and the address that it was moved to.",
        )
    if mark_of(path).exists():
        return Checked(
            f"the warehouse {path} is gone",
            f"Put it back from a backup. Without one, delete {mark_of(path)}: `serve` begins a new one then, "
            "without the published weeks and the runs that were kept. What has arrived since is in the journal.",
        )
    return Checked("there is no warehouse yet: the first round of `serve` makes it")


def _shared_warehouse(folder: DataFolder, address: Address, now: datetime) -> Checked:
    from sst_collector.warehouse.clickhouse.server import connected

    if folder.warehouse.exists():
        return Checked(f"{folder.warehouse} holds what the other warehouse lacks", "Run: sst collector move")
    try:
        with connected(address, ANSWER_SECONDS) as server:
            ((runs, last),) = server.ask("SELECT count(*), max(week) FROM runs")
            ((weeks, published),) = server.ask("SELECT count(*), max(week) FROM published_weeks")
    except WarehouseError as error:
        return Checked(f"{error}", "See to the servers, or to the address. What has arrived is in the journal.")
    found = f"the warehouse holds {_counted(runs, 'run')} as written, and {_counted(weeks, 'published week')}"
    return Checked(found, _advice_on_the_clock(last, published, now))


def _advice_on_the_clock(last: str | None, published: str | None, now: datetime) -> str | None:
    """What to do about weeks in the warehouse that have not begun, if there are any."""
    return advice_if_ahead(published or "", last or "", now)


def _snapshot(folder: DataFolder, late_seconds: float, now: datetime) -> Checked:
    try:
        made = json.loads(folder.snapshot.read_bytes())["snapshot"]
        age = now - datetime.fromisoformat(made).astimezone(UTC)
    except FileNotFoundError:
        return Checked("nothing was published yet: the first round of `serve` does")
    except (OSError, ValueError, KeyError, TypeError):
        return Checked(f"{folder.snapshot} can't be read", "Delete it: the next round writes it anew.")
    found = f"what is published was made {_ago(age.total_seconds())}"
    if age.total_seconds() > late_seconds:
        return Checked(found, "Start `serve`; if it runs, see what it says, and /healthz.")
    return Checked(found)


def _ago(seconds: float) -> str:
    for unit, size in (("day", 24 * 60 * 60), ("hour", 60 * 60), ("minute", 60)):
        if (number := int(seconds // size)) > 0:
            return f"{_counted(number, unit)} ago"
    return "just now"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _size(number: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
