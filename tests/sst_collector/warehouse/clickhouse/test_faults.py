"""What can happen to a ClickHouse and on the way to it: collectors acknowledge, and in the end each run counts once."""

import asyncio
import json
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cabling import Cable
from clickhouse_servers import PASSWORD, USER, Servers, cluster, one_server
from collecting import Collector, Values, a_run, collectors
from permissions import only_root
from sst_collector.journal.group_commit import GroupCommit
from sst_collector.journal.writing import Journal
from sst_collector.metrics import Metrics
from sst_collector.receiving.schema import Decoder
from sst_collector.site_key import SiteKey
from sst_collector.upkeep import Upkeep
from sst_collector.warehouse.clickhouse import warehouse as clickhouse_warehouse
from sst_collector.warehouse.clickhouse.address import PASSWORD_VARIABLE, parse_address
from sst_core import SST

pytestmark = pytest.mark.warehouses

JOURNAL_BYTES = 400
"""What a run takes in the journal at most."""

StartCollectors = Callable[[str], Collector]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartCollectors]:
    """Starts collectors, each in a folder of its own, at a warehouse."""
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    with ExitStack() as stack:

        def start(url: str) -> Collector:
            folder = tmp_path / f"collector {len(list(tmp_path.glob('collector *')))}"
            folder.mkdir()
            return stack.enter_context(collectors(folder))("--warehouse", url)

        yield start


@pytest.fixture
def cable(one_clickhouse: Servers) -> Iterator[Cable]:
    cable = Cable(one_clickhouse.all[0].http)
    yield cable
    cable.close()


@pytest.fixture
def database(one_clickhouse: Servers) -> str:
    return one_clickhouse.new_database()


def through(cable: Cable, database: str) -> str:
    return f"clickhouse://{USER}@127.0.0.1:{cable.port}/{database}"


def some(count: int) -> list[Values]:
    return [a_run() for _ in range(count)]


def is_empty(collector: Collector) -> bool:
    return not list((collector.data / "journal").iterdir())


def sessions(servers: Servers, database: str) -> Counter[str]:
    """Every session that is there, and how many runs it is once they are folded, by the warehouse's own rules."""
    rows = servers.all[0].ask('SELECT DISTINCT "sessionId", segment FROM runs', database).splitlines()
    return Counter(row.split("\t")[0].replace("-", "") for row in rows)


def test_two_collectors_that_are_sent_the_same_show_the_same(
    one_clickhouse: Servers, database: str, start: StartCollectors
) -> None:
    both = [start(one_clickhouse.url(database)) for _ in range(2)]
    batch = some(40)
    for collector in both:
        assert collector.post(*batch).status_code == 200
        assert collector.post(*some(5)).status_code == 200
    for collector in both:
        collector.wait_until(lambda collector=collector: collector.runs() == {"build": 50})  # type: ignore[misc]
    for collector in both:
        code, out, err = collector.end()
        assert (code, PASSWORD in out + err) == (0, False)


def test_a_network_that_stalls_and_is_cut_costs_nothing(
    one_clickhouse: Servers, database: str, start: StartCollectors, cable: Cable
) -> None:
    collector = start(through(cable, database))
    collector.post(*some(10))
    collector.wait_until(lambda: collector.runs() == {"build": 10})
    for count, disturb in enumerate((cable.stall, cable.lose_answers, cable.stall), start=1):
        disturb()
        for _ in range(5):
            assert collector.post(*some(2)).status_code == 200
        assert not is_empty(collector)
        cable.cut()  # what the server has said, and what it was to be told, is lost
        cable.flow()
        collector.wait_until(lambda expected=10 + 10 * count: collector.runs() == {"build": expected})  # type: ignore[misc]
    collector.wait_until(lambda: is_empty(collector))


def test_a_collector_that_is_killed_in_the_middle_of_a_load_loads_it_once(
    one_clickhouse: Servers, database: str, start: StartCollectors, cable: Cable
) -> None:
    collector = start(through(cable, database))
    collector.post(*some(10))
    collector.wait_until(lambda: collector.runs() == {"build": 10})
    for round_, silence in enumerate((cable.lose_answers, cable.stall, cable.lose_answers), start=1):
        silence()
        before = cable.sent
        assert collector.post(*some(10)).status_code == 200
        if silence == cable.lose_answers:
            collector.wait_until(lambda before=before: cable.sent > before)  # type: ignore[misc]
        collector.end(signal.SIGKILL)
        cable.cut()
        cable.flow()
        collector.start()
        collector.wait_until(lambda expected=10 + 10 * round_: collector.runs() == {"build": expected})  # type: ignore[misc]
    collector.wait_until(lambda: is_empty(collector))
    assert len(sessions(one_clickhouse, database)) == 40


def test_collectors_go_on_while_a_replica_is_down_and_it_catches_up(tmp_path: Path, start: StartCollectors) -> None:
    with cluster(tmp_path / "cluster") as servers:
        database = servers.new_database()
        first, second = (start(servers.url(database)) for _ in range(2))
        first.post(*some(30))
        first.wait_until(lambda: first.runs() == {"build": 30})
        down = servers.shards[0][0]  # the one that they speak to first
        down.stop()
        batch = some(30)
        for collector in (first, second):
            assert collector.post(*batch).status_code == 200
        for collector in (first, second):
            collector.wait_until(lambda collector=collector: is_empty(collector))  # type: ignore[misc]
            collector.wait_until(lambda collector=collector: collector.runs() == {"build": 60})  # type: ignore[misc]
        down.start()
        first.post(*some(10))
        first.wait_until(lambda: first.runs() == {"build": 70})
        for shard in servers.shards:
            one, other = (
                lambda server=server: server.ask('SELECT count(DISTINCT "sessionId") FROM runs_here', database)
                for server in shard
            )
            first.wait_until(lambda one=one, other=other: one() == other())  # type: ignore[misc]


def test_a_server_that_answers_and_is_ill_holds_nobody_up_who_has_another(
    tmp_path: Path, start: StartCollectors
) -> None:
    # Nobody waits for a session to end, as in `clickhouse_cluster`.
    with cluster(tmp_path / "cluster", session_seconds=10) as servers:
        database = servers.new_database()
        collector = start(servers.url(database))
        collector.post(*some(30))
        collector.wait_until(lambda: collector.runs() == {"build": 30})
        servers.shards[0][0].ask("DETACH TABLE runs_here", database)  # the one that it speaks to first

        collector.post(*some(10))

        collector.wait_until(lambda: collector.runs() == {"build": 40})


def test_a_server_that_is_killed_under_load_and_one_collector_with_it(tmp_path: Path, start: StartCollectors) -> None:
    rng = random.Random(5)
    with one_server(tmp_path / "server") as servers:
        database = servers.new_database()
        both = [start(servers.url(database)) for _ in range(2)]
        acknowledged = 0
        for _ in range(4):
            for _ in range(rng.randint(5, 30)):
                batch = some(10)
                acknowledged += len(batch)
                for collector in rng.sample(both, rng.randint(1, 2)):
                    assert collector.post(*batch).status_code == 200
            servers.all[0].stop()
            victim = rng.choice(both)
            victim.end(signal.SIGKILL)
            servers.all[0].start()
            victim.start()
        for collector in both:
            collector.wait_until(lambda collector=collector: is_empty(collector))  # type: ignore[misc]
            collector.wait_until(lambda collector=collector: collector.runs() == {"build": acknowledged})  # type: ignore[misc]


def test_a_shard_without_a_server_stops_the_loading_and_loses_nothing(tmp_path: Path, start: StartCollectors) -> None:
    with cluster(tmp_path / "cluster", shards=2, replicas=1) as servers:
        database = servers.new_database()
        collector = start(servers.url(database))
        collector.post(*some(20))
        collector.wait_until(lambda: collector.runs() == {"build": 20})
        servers.shards[1][0].stop()
        for _ in range(3):
            assert collector.post(*some(20)).status_code == 200
        collector.wait_until(lambda: collector.client.get("/healthz").status_code == 503)
        assert collector.runs() == {"build": 20}
        assert not is_empty(collector)
        servers.shards[1][0].start()
        collector.wait_until(lambda: collector.runs() == {"build": 80})
        collector.wait_until(lambda: is_empty(collector))


def test_a_warehouse_with_a_full_disk_gets_everything_when_there_is_room(
    tmp_path: Path, start: StartCollectors
) -> None:
    only_root("mount a small disk")
    disk = tmp_path / "server" / "data"  # and not its log: it ends itself when it can't write that
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "sst-tests", disk], check=True)
    try:
        with one_server(tmp_path) as servers:
            database = servers.new_database()
            collector = start(servers.url(database))
            collector.post(*some(10))
            collector.wait_until(lambda: collector.runs() == {"build": 10})
            filler = disk / "filler"
            with filler.open("wb", buffering=0) as full, suppress(OSError):
                while full.write(b"x" * 4096):
                    pass
            for _ in range(3):
                assert collector.post(*some(100)).status_code == 200
            collector.wait_until(lambda: collector.client.get("/healthz").status_code == 503)
            filler.unlink()
            collector.wait_until(lambda: collector.runs() == {"build": 310})
            collector.wait_until(lambda: is_empty(collector))
            assert collector.end()[0] == 0
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_an_hour_without_the_warehouse_grows_the_journal_within_its_bound_and_loses_nothing(tmp_path: Path) -> None:
    now = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)  # the week ends in the middle of it
    decoder = Decoder(SST.catalogue)

    def records(count: int) -> list[bytes]:
        return [decoder.record(json.dumps(SST.catalogue.envelope(run)).encode()) for run in some(count)]

    with one_server(tmp_path) as servers:
        address = parse_address(servers.url(servers.new_database()), {PASSWORD_VARIABLE: PASSWORD})

        async def main() -> None:
            nonlocal now
            with ThreadPoolExecutor(1) as journal_thread, ThreadPoolExecutor(1) as warehouse_thread:
                journal = Journal(tmp_path / "journal", lambda: now)
                commit = GroupCommit(journal, journal_thread)
                upkeep = Upkeep(
                    commit=commit,
                    open_warehouse=lambda: clickhouse_warehouse.opened(
                        address, SST.catalogue, collector="a", clock=lambda: now
                    ),
                    thread=warehouse_thread,
                    catalogue=SST.catalogue,
                    program="sst",
                    snapshot_file=tmp_path / "snapshot.json",
                    min_machines=1,
                    keep_days=90,
                    site_key=SiteKey(tmp_path / "site-key", lambda: now),
                    metrics=Metrics(),
                    clock=lambda: now,
                )
                await commit.append(records(100))
                await upkeep.round()
                assert upkeep.failure is None
                servers.all[0].stop()
                taken = 0
                for _ in range(12):
                    now += timedelta(minutes=5)
                    await commit.append(records(100))
                    taken += 100
                    await upkeep.round()
                    assert upkeep.failure is not None
                    waiting = sum(path.stat().st_size for path in (tmp_path / "journal").iterdir())
                    assert taken * JOURNAL_BYTES / 2 < waiting < taken * JOURNAL_BYTES
                servers.all[0].start()
                await upkeep.round()
                assert upkeep.failure is None
                assert list((tmp_path / "journal").iterdir()) == []
                with clickhouse_warehouse.opened(address, SST.catalogue, collector="a", clock=lambda: now) as warehouse:
                    weeks = {
                        published.week: sum(cell.runs for cell in published.cells if cell.dimension == "command")
                        for published in warehouse.published_weeks(since="2026-W40")
                    }
                    open_week = sum(cell.runs for cell in warehouse.cells("2026-W49") if cell.dimension == "command")
                assert (weeks, open_week) == ({"2026-W48": 600}, 700)
                journal.close()

        asyncio.run(main())
