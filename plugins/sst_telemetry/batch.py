"""From queued runs to the lines that go over the wire: what `show` prints and the sender sends is made here, once."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from sst_core import CatalogueError, Locations, Moment, Product, Run, week_of
from sst_telemetry.identity import machine_secret, random_id, weekly_id
from sst_telemetry.needed import needed
from sst_telemetry.queue import Queue, pinned_week, session_of

MAX_LINES = 500
"""In one request. A collector takes 1,000, but its answer about so many bad ones is more than we read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One run as it is sent."""

    path: Path
    """The queue's file it came from."""
    content: bytes
    """One envelope as JSON, without a line end."""
    week: str
    """Whose weekly id is in it."""


@dataclass(frozen=True, slots=True)
class Composed:
    """What became of the queue's files."""

    lines: tuple[Line, ...]
    no_runs: tuple[Path, ...]
    """Files that are torn, or that no version has recorded."""
    of_others: tuple[Path, ...]
    """Runs that another version has recorded: something in them is not in this catalogue, and nobody can vouch for it
    here."""


def compose(
    product: Product,
    locations: Locations,
    paths: Iterable[Path],
    now: datetime,
    secret_of: Callable[[Path], bytes] = machine_secret,
) -> Composed:
    """The lines for `paths`, in order. Raises what `secret_of` raises: it is called once, where a line needs it.

    Raises SstError where what measures this machine can't be imported.
    """
    this_week = week_of(now)
    machine = _machine_facts(product)
    queue = Queue(locations.queue)
    secret = cache(lambda: secret_of(locations.telemetry))
    lines: list[Line] = []
    no_runs: list[Path] = []
    of_others: list[Path] = []
    for path in paths:
        values = _values(queue.read(path))
        try:
            run = product.catalogue.check(values, Moment.RUN)
        except CatalogueError:
            # Every version records the run's id, and names the file by it.
            (of_others if values.get("sessionId") == session_of(path) else no_runs).append(path)
            continue
        week = pinned_week(path) or this_week
        anonymous = random_id() if run["isCI"] else weekly_id(secret(), week)
        lines.append(Line(path, _encode(product, run, machine, anonymous), week))
    return Composed(tuple(lines), tuple(no_runs), tuple(of_others))


def requests_of(paths: Sequence[Path], now: datetime) -> list[list[Path]]:
    """What may go in one request each: runs of one week, `MAX_LINES` at most. The newest weeks come first.

    Two ids of one machine in a request would tell the collector that they are one machine's.
    """
    weeks: dict[str, list[Path]] = {}
    for path in paths:
        weeks.setdefault(pinned_week(path) or week_of(now), []).append(path)
    newest_first = [weeks[week] for week in sorted(weeks, reverse=True)]
    return [runs[start : start + MAX_LINES] for runs in newest_first for start in range(0, len(runs), MAX_LINES)]


def preview(product: Product, run: Mapping[str, object]) -> str:
    """The line that this run would be, with an id that is made up for the occasion."""
    return _encode(product, run, _machine_facts(product), random_id()).decode()


def _machine_facts(product: Product) -> Mapping[str, object]:
    with needed(product):
        return product.catalogue.measure(Moment.SENDING, Run(product.version, command="", ci=None))


def _encode(product: Product, run: Mapping[str, object], machine: Mapping[str, object], anonymous: str) -> bytes:
    envelope = product.catalogue.envelope({**run, **machine, "anonymousId": anonymous})
    return json.dumps(envelope, separators=(",", ":")).encode()


def _values(content: bytes | None) -> Mapping[str, object]:
    """What was recorded; nothing where that is torn."""
    try:
        values = json.loads(content or b"")
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
