"""One, two and three collectors in front of one ClickHouse, and one with DuckDB: how fast they acknowledge and load.

`python3 -m nox -s bench_warehouses` runs it. Senders, collectors and the ClickHouse share this machine, so what is
compared is arrangements on the same processors. Every event is counted at the end, and counted once.
"""

import argparse
import gzip
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import duckdb
import httpx

from clickhouse_servers import PASSWORD, one_server
from collecting import Collector, a_run, collectors
from sst_collector.warehouse.clickhouse.address import PASSWORD_VARIABLE
from sst_core import SST


def bodies(events: int, lines: int) -> list[bytes]:
    """Requests as the sender makes them."""
    return [
        gzip.compress(
            "\n".join(json.dumps(SST.catalogue.envelope(a_run())) for _ in range(lines)).encode(), compresslevel=1
        )
        for _ in range(events // lines)
    ]


def send(url: str, requests: Sequence[bytes]) -> None:
    """Send them one after the other."""
    with httpx.Client(base_url=url, timeout=60, headers={"Content-Encoding": "gzip"}) as client:
        for body in requests:
            client.post("/events", content=body).raise_for_status()


def measure(name: str, started: Sequence[Collector], requests: list[bytes], events: int) -> None:
    """Send, and wait until everything is loaded."""
    senders = [
        multiprocessing.Process(target=send, args=(str(collector.client.base_url), requests[number :: len(started)]))
        for number, collector in enumerate(started)
    ]
    begun = time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    acknowledged = time.perf_counter() - begun
    for collector in started:
        while list((collector.data / "journal").iterdir()):
            time.sleep(0.05)
    loaded = time.perf_counter() - begun
    if any(sender.exitcode for sender in senders):
        sys.exit("a sender failed")
    print(f"{name:<24}{events / acknowledged:>16,.0f}{events / loaded:>16,.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--lines", type=int, default=500, help="Events in a request.")
    options = parser.parse_args()
    events, lines = options.events // options.lines * options.lines, options.lines
    os.environ[PASSWORD_VARIABLE] = PASSWORD
    print(f"{events:,} events, {lines} in a request, {os.cpu_count()} processors for everything")
    print(f"{'':<24}{'acknowledged/s':>16}{'loaded/s':>16}", flush=True)
    with tempfile.TemporaryDirectory() as temporary, one_server(Path(temporary) / "clickhouse") as servers:
        for count in (0, 1, 2, 3):
            requests = bodies(events, lines)
            with ExitStack() as stack:
                url = servers.url(database := servers.new_database())
                started = []
                for number in range(max(count, 1)):
                    folder = Path(temporary) / f"{count}-{number}"
                    folder.mkdir()
                    start = stack.enter_context(collectors(folder))
                    started.append(start("--min-machines", "10", *(("--warehouse", url) if count else ())))
                measure(f"{count or 1} with {'ClickHouse' if count else 'DuckDB'}", started, requests, events)
                if count:
                    counted = int(servers.all[0].ask('SELECT count(DISTINCT "sessionId") FROM runs', database))
                else:
                    started[0].end()
                    with duckdb.connect(started[0].data / "warehouse.duckdb", read_only=True) as connection:
                        ((counted,),) = connection.execute("SELECT count(*) FROM runs").fetchall()
                    started[0].start()
                if counted != events:
                    sys.exit(f"{counted} of {events} were counted")


if __name__ == "__main__":
    main()
