"""A collector with a history: what its runs take on the disk, and what the next snapshot takes.

    PYTHONPATH=benchmarks python benchmarks/intake/history.py FOLDER EVENTS fill|round

All of it came in one week, which is the worst case: a week is looked through as a whole, and once. What is measured is
one round, as the collector makes it: load what arrived, publish the week, make the pages.
"""

import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from intake.events import envelopes
from sst_collector.journal.writing import Journal
from sst_collector.loader import load
from sst_collector.publishing.publication import publish, snapshot_of
from sst_collector.publishing.site import site
from sst_collector.receiving.schema import Decoder
from sst_collector.receiving.shapes import Shapes
from sst_collector.warehouse.duckdb.warehouse import opened
from sst_core import SST

WEEK = datetime(2026, 11, 25, tzinfo=UTC)
ARRIVED = 100_000
"""Events that are loaded in the round that is measured."""
SEGMENT = 1_000_000
A_WRITE = 1000


@dataclass(frozen=True, slots=True)
class History:
    """What a round took."""

    events: int
    """In the warehouse, before it."""
    bytes_each: float
    seconds: float
    cpu: float
    peak: int
    """KiB."""


def measured(folder: Path, events: int) -> History:
    """Fill a collector's parts, and then have a process of its own do one round more."""
    command = [sys.executable, __file__, str(folder), str(events)]
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}  # of a script only its own folder is there
    subprocess.run([*command, "fill"], check=True, env=environ)
    told = subprocess.run([*command, "round"], check=True, capture_output=True, text=True, env=environ)
    return History(**json.loads(told.stdout))


def fill(folder: Path, events: int) -> None:
    """Take in so many, and leave more in the journal."""
    lines = _records(events)
    journal = Journal(folder / "journal", lambda: WEEK, segment_bytes=1 << 40)
    while _write(journal, lines, SEGMENT):
        with opened(folder / "warehouse.duckdb", SST.catalogue) as warehouse:
            load(journal.rotate(), warehouse)
    _write(journal, _records(ARRIVED, seed=2), ARRIVED)
    journal.close()


def one_round(folder: Path, events: int) -> History:
    """Load, publish the week that is over, and make the site."""
    size = (folder / "warehouse.duckdb").stat().st_size
    now = WEEK + timedelta(weeks=1)
    begun, cpu = time.perf_counter(), time.process_time()
    with opened(folder / "warehouse.duckdb", SST.catalogue) as warehouse:
        load(Journal(folder / "journal", lambda: WEEK).rotate(), warehouse)
        publish(warehouse, SST.catalogue, 10, now)
        snapshot = snapshot_of(warehouse, SST.catalogue, 10, now)
    site(snapshot.to_json(), SST.catalogue, SST.name)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    counted = sum(total.runs for total in snapshot.windows["30"]["platform"])
    assert counted == events + ARRIVED, f"{counted} were counted"
    return History(events, size / events, seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _records(count: int, seed: int = 1) -> Iterator[bytes]:
    decode = Shapes(Decoder(SST.catalogue).record).record
    return islice(map(decode, envelopes(random.Random(seed))), count)  # noqa: S311 - the same ones every time


def _write(journal: Journal, records: Iterator[bytes], count: int) -> bool:
    """Whether there were any."""
    some = False
    for _ in range(0, count, A_WRITE):
        if batch := list(islice(records, A_WRITE)):
            journal.write(batch)
            some = True
    return some


def main(folder: Path, events: int, act: str) -> None:
    """One of the two."""
    if act == "fill":
        fill(folder, events)
    else:
        print(json.dumps(asdict(one_round(folder, events))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
