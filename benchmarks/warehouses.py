"""DuckDB and ClickHouse with the same events: how long they take to load them, and to publish thirteen weeks.

`python3 -m nox -s bench_warehouses` runs it. The ClickHouse is Debian's of 2018, started here on loopback: one server,
with what this machine has. The numbers that both publish are compared before any time is printed.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from clickhouse_servers import PASSWORD, one_server
from sst_collector.journal.writing import SEGMENT_BYTES
from sst_collector.publishing.publication import publish
from sst_collector.warehouse.clickhouse import warehouse as clickhouse_warehouse
from sst_collector.warehouse.clickhouse.address import PASSWORD_VARIABLE, parse_address
from sst_collector.warehouse.duckdb import warehouse as duckdb_warehouse
from sst_collector.warehouse.protocol import Warehouse
from sst_collector.warehouse.transfer import checksum
from sst_collector.weeks import monday_of, shifted
from sst_core import SST

WEEKS = 13
"""Closed ones: what the window of 90 days is made of."""
FIRST_OPEN = "2026-W49"
RUNS_OF_A_MACHINE = 20
"""In a week."""


def segments(folder: Path, events: int) -> Iterator[Path]:
    """Segments as the journal writes them, week after week. The same seed gives the same."""
    rng = random.Random(1)  # noqa: S311 - no secret
    for back in range(WEEKS, 0, -1):
        week = shifted(FIRST_OPEN, -back)
        left = events // WEEKS
        machines = [(rng.randbytes(16).hex(), _facts(rng)) for _ in range(max(left // RUNS_OF_A_MACHINE, 1))]
        while left > 0:
            path = folder / f"{week}-{left:012}-{rng.randbytes(8).hex()}.ndjson"
            with path.open("w") as segment:
                while left > 0 and segment.tell() < SEGMENT_BYTES:
                    segment.write("".join(_line(rng, week, machines) for _ in range(min(left, 1000))))
                    left -= 1000
            yield path


def _facts(rng: random.Random) -> str:
    platform = rng.choices(("linux", "darwin", "win32"), (60, 30, 10))[0]
    distro = f'"{rng.choice(("debian-12", "ubuntu-24", "fedora"))}"' if platform == "linux" else "null"
    return (
        f'"sstVersion":"0.{rng.randint(1, 9)}.0","systemPlatform":"{platform}","systemArchitecture":"x64",'
        f'"distro":{distro},"cpuCount":{rng.choice((4, 8, 16))},"isCI":false,"ciName":null,'
        f'"pythonVersion":"3.{rng.randint(11, 13)}"'
    )


def _line(rng: random.Random, week: str, machines: list[tuple[str, str]]) -> str:
    machine, facts = machines[int(rng.random() * len(machines))]
    command = rng.choices(("build", "start", "deploy", "remove"), (5, 3, 2, 1))[0]
    return (
        f'{{"week":"{week}","anonymousId":"{machine}","sessionId":"{rng.getrandbits(128):032x}",{facts},'
        f'"command":"{command}"}}\n'
    )


def measure(name: str, warehouse: Warehouse, paths: list[Path], size: Callable[[], int]) -> str:
    """Load, publish and read; prints what each took, and returns the checksum of what is published."""
    started = time.perf_counter()
    for path in paths:
        warehouse.load(path)
    warehouse.checkpoint()
    loaded = time.perf_counter()
    publish(warehouse, SST.catalogue, 10, datetime.combine(monday_of(FIRST_OPEN), datetime.min.time(), UTC))
    published = time.perf_counter()
    weeks = warehouse.published_weeks(since="")
    read = time.perf_counter()
    print(
        f"{name:<12}{loaded - started:>10.1f}{published - loaded:>12.1f}{(published - loaded) / WEEKS:>12.2f}"
        f"{read - published:>12.3f}{size() / 1e6:>12.0f}",
        flush=True,
    )
    return checksum(weeks)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    events = parser.parse_args().events
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        journal = folder / "journal"
        journal.mkdir()
        paths = list(segments(journal, events))
        print(f"{events:,} events, {_size(journal) / events:.0f} bytes each in the journal, {len(paths)} segments")
        print(f"{'':<12}{'load, s':>10}{'publish, s':>12}{'a week, s':>12}{'read, s':>12}{'MB':>12}")
        file = folder / "warehouse.duckdb"
        with duckdb_warehouse.opened(file, SST.catalogue) as warehouse:
            one = measure("duckdb", warehouse, paths, lambda: file.stat().st_size)
        with one_server(folder / "clickhouse") as servers:
            address = parse_address(servers.url(servers.new_database()), {**os.environ, PASSWORD_VARIABLE: PASSWORD})
            with clickhouse_warehouse.opened(
                address, SST.catalogue, collector="one", clock=lambda: datetime.now(UTC)
            ) as warehouse:
                other = measure("clickhouse", warehouse, paths, lambda: _size(servers.all[0].folder / "data" / "data"))
        if one != other:
            sys.exit("they publish different numbers")
        print(f"both publish the same numbers: sha256 {one}")


if __name__ == "__main__":
    main()
