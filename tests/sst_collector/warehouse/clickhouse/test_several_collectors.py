"""Several collectors at one ClickHouse: each segment once, each week once, and right numbers at every moment."""

import secrets
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from clickhouse_servers import Servers
from collecting import a_run
from sst_collector.loader import load
from sst_collector.publishing.publication import publish
from sst_collector.warehouse.clickhouse import database as clickhouse_database
from sst_collector.warehouse.clickhouse import rows as clickhouse_rows
from sst_collector.warehouse.clickhouse import warehouse as clickhouse_warehouse
from sst_collector.warehouse.clickhouse.database import Database
from sst_collector.warehouse.clickhouse.server import UNFINISHED, ServerError
from sst_collector.warehouse.clickhouse.warehouse import ClickhouseWarehouse
from sst_collector.warehouse.clock_ahead import ClockAheadError, refuse_if_ahead
from sst_collector.warehouse.protocol import Cell, PublishedWeek, Warehouse, WarehouseError
from sst_core import SST
from waiting import eventually
from warehousing import WEEK, Chdb, Clickhouse, Place, SegmentOf, runs

pytestmark = pytest.mark.warehouses

NEXT_WEEK = "2026-W49"
MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
"""The moment in which `WEEK` ends."""


@pytest.fixture
def two(shared_place: Place) -> Iterator[tuple[ClickhouseWarehouse, ClickhouseWarehouse]]:
    """The warehouse as two collectors have it open."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(shared_place.opened(collector=name)) for name in "ab")
        assert isinstance(one, ClickhouseWarehouse)
        assert isinstance(other, ClickhouseWarehouse)
        yield one, other


Two = tuple[ClickhouseWarehouse, ClickhouseWarehouse]


@pytest.mark.parametrize("few", [10_000, 5])
def test_a_batch_that_two_collectors_received_counts_once(
    two: Two, segment_of: SegmentOf, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clickhouse_warehouse, "FEW", few)
    one, other = two
    batch = [a_run() for _ in range(20)]
    load([segment_of(*batch, a_run())], one)
    load([segment_of(a_run(), *batch), segment_of(*batch, week=NEXT_WEEK)], other)
    for warehouse in two:
        assert (runs(warehouse), runs(warehouse, NEXT_WEEK)) == (22, 0)


def test_a_session_that_comes_with_other_values_counts_once_all_the_same(two: Two, segment_of: SegmentOf) -> None:
    one, other = two
    run = a_run()
    load([segment_of(run)], one)
    load([segment_of({**run, "command": "deploy", "anonymousId": secrets.token_hex(16)})], other)
    assert runs(one) == 1


def test_what_a_killed_collector_wrote_counts_once_somebody_has_loaded_the_segment(
    two: Two, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    segment = segment_of(*(a_run() for _ in range(10)))
    insert = Database.insert

    def killed(database: Database, query: str, *lines: Any, **names: str) -> None:
        if query == "insert_slices":
            raise KeyboardInterrupt
        insert(database, query, *lines, **names)

    with monkeypatch.context() as dying:
        dying.setattr(Database, "insert", killed)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                one.load(segment)
    assert runs(other) == 0
    other.load(segment)
    one.load(segment)
    assert runs(one) == 10


def test_a_week_that_two_collectors_publish_is_published_once(two: Two, segment_of: SegmentOf) -> None:
    one, other = two
    load([segment_of(a_run())], one)
    one.cells(WEEK)
    load([segment_of(a_run())], other)
    other.cells(WEEK)
    mine = PublishedWeek(WEEK, (Cell("command", "build", 1, 1),), withheld=1)
    one.publish(mine)
    other.publish(PublishedWeek(WEEK, (Cell("command", "build", 2, 2),), withheld=0))
    for warehouse in two:
        assert warehouse.published_weeks(since=WEEK) == [mine]


def test_what_comes_after_the_count_and_before_the_publication_counts_in_the_next_week(
    two: Two, segment_of: SegmentOf
) -> None:
    one, other = two
    load([segment_of(a_run(), a_run())], one)
    counted = one.cells(WEEK)
    again = a_run()
    load([segment_of(again), segment_of(again, week=NEXT_WEEK)], other)
    one.publish(PublishedWeek(WEEK, tuple(counted), withheld=0))
    assert sum(cell.runs for cell in counted if cell.dimension == "command") == 2
    for warehouse in two:
        assert runs(warehouse, NEXT_WEEK) == 1
        assert runs(warehouse, WEEK) == 2


def test_a_collector_that_dies_as_it_publishes_leaves_the_week_to_the_next(
    two: Two, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    load([segment_of(a_run())], one)
    run = Database.run

    def killed(database: Database, query: str, *values: str, **names: str) -> Any:
        if query == "decide":
            raise KeyboardInterrupt
        return run(database, query, *values, **names)

    mine = PublishedWeek(WEEK, (Cell("command", "build", 1, 1),), withheld=0)
    with monkeypatch.context() as dying:
        dying.setattr(Database, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            one.publish(mine)
    assert other.unpublished_weeks(before=NEXT_WEEK) == [WEEK]
    other.publish(PublishedWeek(WEEK, (), withheld=7))
    assert other.published_weeks(since=WEEK) == [mine]


def test_a_closed_week_waits_a_day_for_a_collector_that_was_there(shared_place: Place, segment_of: SegmentOf) -> None:
    now = MONDAY - timedelta(hours=1)
    with ExitStack() as stack:
        one, other, gone = (
            stack.enter_context(shared_place.opened(collector=name, clock=lambda: now))
            for name in ("one", "other", "gone")
        )
        load([segment_of(a_run())], one)
        assert gone.unpublished_weeks(before="2026-W40") == []  # it was there once, and not in this week
        for warehouse in (one, other):
            assert warehouse.unpublished_weeks(before=WEEK) == []
        now = MONDAY
        assert one.unpublished_weeks(before=NEXT_WEEK) == []
        now = MONDAY + timedelta(hours=23)
        load([segment_of(a_run())], other)  # what it still had
        assert other.unpublished_weeks(before=NEXT_WEEK) == [WEEK]
        assert one.unpublished_weeks(before=NEXT_WEEK) == [WEEK]
        assert runs(one) == 2


def test_a_closed_week_waits_no_longer_than_a_day(shared_place: Place, segment_of: SegmentOf) -> None:
    now = MONDAY
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(shared_place.opened(collector=name, clock=lambda: now)) for name in ("one", "other")
        )
        load([segment_of(a_run())], one)
        other.unpublished_weeks(before=WEEK)
        now = MONDAY + timedelta(days=1) - timedelta(seconds=1)
        assert one.unpublished_weeks(before=NEXT_WEEK) == []
        now = MONDAY + timedelta(days=1)
        assert one.unpublished_weeks(before=NEXT_WEEK) == [WEEK]


def test_a_forgotten_machine_does_not_come_back_from_another_collectors_journal(
    two: Two, segment_of: SegmentOf
) -> None:
    one, other = two
    machine = secrets.token_hex(16)
    load([segment_of(a_run(anonymousId=machine), a_run())], one)
    load([segment_of({"forget": machine})], one)
    load([segment_of(a_run(anonymousId=machine), a_run(anonymousId=machine))], other)
    assert runs(other) == 1
    wait_for_rows(other, 4)
    other.expire(before="2026-W01")
    wait_for_rows(other, 1)


def test_rows_are_looked_for_and_deleted_once_a_day_however_often_somebody_asks(
    shared_place: Place, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = MONDAY
    looked = []
    counting = Database.counting

    def watched(database: Database, query: str, **names: str) -> Any:
        if query == "to_be_deleted":
            looked.append(now)
        return counting(database, query, **names)

    monkeypatch.setattr(Database, "counting", watched)
    first, second = secrets.token_hex(16), secrets.token_hex(16)
    with ExitStack() as stack:
        one, other = (stack.enter_context(shared_place.opened(collector=name, clock=lambda: now)) for name in "ab")
        assert isinstance(one, ClickhouseWarehouse)
        load([segment_of(a_run(anonymousId=first), a_run(anonymousId=second), a_run())], one)
        one.expire(before="2026-W01")
        assert looked == []  # while nobody has asked
        load([segment_of({"forget": first})], one)
        one.expire(before="2026-W01")
        assert runs(one) == 2
        wait_for_rows(one, 2)
        looked.clear()
        load([segment_of({"forget": second})], other)
        now += timedelta(days=1) - timedelta(seconds=1)
        for warehouse in (one, other):
            warehouse.expire(before="2026-W01")
        assert (runs(one), looked) == (1, [])
        wait_for_rows(one, 2)
        now += timedelta(seconds=1)
        other.expire(before="2026-W01")
        assert runs(one) == 1
        wait_for_rows(one, 1)


def test_a_clock_that_was_ahead_puts_no_deletion_off(shared_place: Place, segment_of: SegmentOf) -> None:
    now = MONDAY + timedelta(weeks=52)
    machine = secrets.token_hex(16)
    with shared_place.opened(clock=lambda: now) as one:
        assert isinstance(one, ClickhouseWarehouse)
        load([segment_of(a_run(anonymousId=machine), {"forget": secrets.token_hex(16)})], one)
        one.expire(before="2026-W01")
        now = MONDAY
        load([segment_of({"forget": machine})], one)
        one.expire(before="2026-W01")
        wait_for_rows(one, 0)


def test_rows_that_come_while_their_machine_is_forgotten_are_deleted_by_a_later_round(
    two: Two, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    machine = secrets.token_hex(16)
    insert = Database.insert

    def forgotten_meanwhile(database: Database, query: str, *lines: Any, **names: str) -> None:
        if query == "insert_runs":
            load([segment_of({"forget": machine})], one)
        insert(database, query, *lines, **names)

    with monkeypatch.context() as racing:
        racing.setattr(other._database, "insert", forgotten_meanwhile.__get__(other._database))
        load([segment_of(a_run(anonymousId=machine), a_run())], other)
    assert runs(one) == 1
    wait_for_rows(one, 2)
    one.expire(before="2026-W01")
    assert runs(one) == 1
    wait_for_rows(one, 1)


def wait_for_rows(warehouse: ClickhouseWarehouse, rows: int) -> None:
    """Until there are so many, counted or not: nobody waited for each replica, and of another shard any may answer."""
    ask = warehouse._database._server.ask
    eventually(lambda: ask("SELECT count(*) FROM runs") == [(rows,)], f"{rows} rows are there")


def test_a_machine_that_is_forgotten_while_a_week_is_counted_is_in_no_dimension(
    two: Two, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published of one dimension and not of the next, it would be the difference between the two."""
    one, other = two
    machine = secrets.token_hex(16)
    load([segment_of(a_run(anonymousId=machine), *(a_run() for _ in range(3)))], one)
    counted = ClickhouseWarehouse._counted
    dimensions: list[str] = []

    def forgotten_meanwhile(self: ClickhouseWarehouse, reading: Any, dimension: str, min_machines: int) -> Any:
        if len(dimensions) == 1:
            load([segment_of({"forget": machine})], other)
        dimensions.append(dimension)
        return counted(self, reading, dimension, min_machines)

    with monkeypatch.context() as racing:
        racing.setattr(ClickhouseWarehouse, "_counted", forgotten_meanwhile)
        cells = one.cells(WEEK)
    totals: Counter[str] = Counter()
    for cell in cells:
        totals[cell.dimension] += cell.runs
    assert set(totals.values()) == {3}


def test_rows_that_are_not_deleted_in_time_are_left_to_the_next_round(
    two: Two, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = two
    machine = secrets.token_hex(16)
    load([segment_of(a_run(anonymousId=machine), a_run())], one)
    with monkeypatch.context() as slow:
        slow.setattr(clickhouse_warehouse, "FORGETTING_SECONDS", 0.1)
        slow.setattr(Database, "change", lambda *_, **__: None)
        load([segment_of({"forget": machine})], one)
        one.expire(before="2026-W01")
        assert runs(one) == 1
        wait_for_rows(one, 2)
    one.expire(before="2026-W01")
    assert runs(one) == 1
    wait_for_rows(one, 1)


def test_a_closed_week_of_repetitions_is_not_published_and_never_counts(two: Two, segment_of: SegmentOf) -> None:
    """When the week that it repeats has expired, nothing would say any more that its runs counted before."""
    one, _ = two
    run = a_run()
    load([segment_of(run), segment_of(run, week=NEXT_WEEK), segment_of(a_run(), week="2026-W50")], one)
    for week in (WEEK, "2026-W50"):
        assert week in one.unpublished_weeks(before="2026-W51")
        one.publish(PublishedWeek(week, tuple(one.cells(week)), withheld=0))
    one.expire(before="2027-W20")
    wait_for_rows(one, 0)
    assert one.unpublished_weeks(before="2027-W20") == []


@pytest.mark.parametrize("fails", ["propose", "proposed"])
def test_a_week_that_is_not_decided_is_told_and_published_when_it_can_be(
    two: Two, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    one, other = two
    load([segment_of(a_run())], one)
    week = PublishedWeek(WEEK, (Cell("command", "build", 1, 1),), withheld=0)
    run = Database.run

    def failing(database: Database, query: str, *values: str, **names: str) -> Any:
        if query.removesuffix("_on_cluster") == fails:
            raise ServerError("readonly", 164)
        return run(database, query, *values, **names)

    with monkeypatch.context() as broken:
        broken.setattr(Database, "run", failing)
        with pytest.raises(ServerError, match="164"):
            one.publish(week)
    assert other.published_weeks(since=WEEK) == []
    one.publish(week)
    assert other.published_weeks(since=WEEK) == [week]


def test_a_change_that_a_server_does_when_it_is_back_is_no_failure(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    database = two[0]._database
    for code, fails in ((UNFINISHED, False), (164, True)):

        def ask(*_: object, code: int = code) -> None:
            raise ServerError("the test", code)

        with monkeypatch.context() as broken:
            broken.setattr(database, "_server", SimpleNamespace(ask=ask))
            with pytest.raises(ServerError) if fails else nullcontext():
                database.change("drop_partition", week=WEEK)


def test_a_line_of_no_week_is_no_run(two: Two, segment_of: SegmentOf) -> None:
    one, _ = two
    load([segment_of(a_run(), week="someday"), segment_of(a_run())], one)
    assert runs(one) == 1
    wait_for_rows(one, 1)


def test_more_kinds_of_runs_than_are_remembered_are_written_as_they_are(
    two: Two, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clickhouse_rows, "_REMEMBERED", 2)
    one, _ = two
    commands = ["build", "deploy", "remove", "diff", "start"] * 2
    load([segment_of(*(a_run(command=command) for command in commands))], one)
    counted = {cell.value: cell.runs for cell in one.cells(WEEK) if cell.dimension == "command"}
    assert counted == dict.fromkeys(commands, 2)


def test_numbers_wait_for_a_replica_that_is_behind(
    clickhouse_cluster: Servers, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Clickhouse("cluster", clickhouse_cluster, clickhouse_cluster.new_database())
    first, second = clickhouse_cluster.shards[0]
    with place.opened() as warehouse:
        assert isinstance(warehouse, ClickhouseWarehouse)
        load([segment_of(a_run())], warehouse)
        assert runs(warehouse) == 1
        for table, told in (("forgotten", "is behind: numbers wait"), ("runs_here", "the warehouse")):
            first.ask(f"SYSTEM STOP FETCHES {place.database}.{table}")
            columns, values = ('segment, "sessionId", ', "0, generateUUIDv4(), ") if table == "runs_here" else ("", "")
            second.ask(
                f'INSERT INTO {place.database}.{table} (week, {columns}"anonymousId") '
                f"SELECT '2026-W01', {values}generateUUIDv4()"
            )
            with monkeypatch.context() as impatient:
                impatient.setattr(clickhouse_database, "BEHIND_SECONDS", 1.0)
                with pytest.raises(WarehouseError, match=told):
                    warehouse.cells(WEEK)
            first.ask(f"SYSTEM START FETCHES {place.database}.{table}")
            assert runs(warehouse) == 1


def test_the_forgotten_are_looked_for_where_nothing_is_behind(
    clickhouse_cluster: Servers, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was not seen would be left for a day."""
    now = MONDAY
    place = Clickhouse("cluster", clickhouse_cluster, clickhouse_cluster.new_database())
    first, second = clickhouse_cluster.shards[0]
    asking, sending = str(uuid.uuid4()), str(uuid.uuid4())
    with place.opened(clock=lambda: now) as warehouse:
        assert isinstance(warehouse, ClickhouseWarehouse)
        load([segment_of(a_run(anonymousId=asking.replace("-", "")), a_run())], warehouse)
        load([segment_of({"forget": sending.replace("-", "")})], warehouse)
        for table, columns, values, told in (
            ("forgotten", "", f"'{asking}'", "is behind: numbers wait"),
            ("runs_here", 'segment, "sessionId", ', f"0, generateUUIDv4(), '{sending}'", "the warehouse"),
        ):
            first.ask(f"SYSTEM STOP FETCHES {place.database}.{table}")
            second.ask(
                f"INSERT INTO {place.database}.{table} (week, {columns}\"anonymousId\") SELECT '{WEEK}', {values}"
            )
            with monkeypatch.context() as impatient:
                impatient.setattr(clickhouse_database, "BEHIND_SECONDS", 1.0)
                with pytest.raises(WarehouseError, match=told):
                    warehouse.expire(before="2026-W01")
            first.ask(f"SYSTEM START FETCHES {place.database}.{table}")
            warehouse.expire(before="2026-W01")
            wait_for_rows(warehouse, 1)
            now += timedelta(days=1)


def test_what_expired_is_gone_and_what_a_later_week_is_compared_with_is_kept(two: Two, segment_of: SegmentOf) -> None:
    one, other = two
    again = a_run()
    load([segment_of(again, week="2026-W30"), segment_of(again, a_run(), week="2026-W35")], one)
    one.publish(PublishedWeek("2026-W30", (), withheld=0))
    one.expire(before="2026-W33")
    assert runs(other, "2026-W35") == 1
    one.publish(PublishedWeek("2026-W35", (), withheld=0))
    one.expire(before="2026-W33")
    wait_for_rows(one, 2)
    one.expire(before="2026-W36")
    wait_for_rows(one, 0)


def test_whom_nobody_has_a_row_of_any_more_is_not_remembered(shared_place: Place, segment_of: SegmentOf) -> None:
    """Unless rows may have come since they were looked for: then on the next day."""
    now = MONDAY

    def remembered(warehouse: ClickhouseWarehouse) -> list[str]:
        rows = warehouse._database._server.ask("SELECT DISTINCT week FROM forgotten ORDER BY week")
        return [week for (week,) in rows]

    with shared_place.opened(clock=lambda: now) as one:
        assert isinstance(one, ClickhouseWarehouse)
        asked = [segment_of({"forget": secrets.token_hex(16)}, week=week) for week in ("2026-W30", "2026-W40")]
        load([segment_of(a_run(), week="2026-W31"), *asked], one)
        one.expire(before="2026-W33")
        assert remembered(one) == ["2026-W30", "2026-W40"]
        one.publish(PublishedWeek("2026-W31", (), withheld=0))
        one.publish(PublishedWeek("2026-W38", (), withheld=0))
        one.expire(before="2026-W33")
        assert remembered(one) == ["2026-W30", "2026-W40"]
        now += timedelta(days=1)
        one.expire(before="2026-W33")
        assert remembered(one) == ["2026-W40"]


def test_a_week_to_come_that_was_dropped_is_as_if_it_had_not_been(two: Two, segment_of: SegmentOf) -> None:
    one, other = two
    load([segment_of(a_run()), segment_of(a_run(), week="2027-W46")], one)

    def is_refused() -> bool:
        try:
            refuse_if_ahead(other, MONDAY)
        except ClockAheadError:
            return True
        return False

    eventually(is_refused, "what no replica is waited for is known everywhere")
    one._database.change("drop_partition", week="2027-W46")
    eventually(lambda: not is_refused(), "it is gone everywhere")
    assert publish(other, SST.catalogue, 1, MONDAY + timedelta(days=2)) == [WEEK]
    assert publish(other, SST.catalogue, 1, MONDAY + timedelta(weeks=53)) == []


def test_the_numbers_are_right_whenever_they_are_read(shared_place: Place, segment_of: SegmentOf) -> None:
    """Four collectors load the same batches in their own segments, some twice, while one reads all the time."""
    if isinstance(shared_place, Chdb):
        pytest.skip("one session, one thread")
    batches = [[a_run() for _ in range(30)] for _ in range(8)]
    whole = {30 * count for count in range(len(batches) + 1)}
    over = threading.Event()
    seen: list[int] = []

    def collect(number: int) -> None:
        with shared_place.opened(collector=f"{number}") as warehouse:
            for batch in batches:
                segment = segment_of(*batch)
                copy = segment.with_name(f"copy {segment.name}")
                copy.write_bytes(segment.read_bytes())
                warehouse.load(segment)
                load([segment, copy], warehouse)

    def read() -> None:
        with shared_place.opened(collector="reader") as warehouse:
            while not over.is_set():
                seen.append(runs(warehouse))

    with shared_place.opened(), ThreadPoolExecutor(5) as pool:
        reading = pool.submit(read)
        collecting = [pool.submit(collect, number) for number in range(4)]
        try:
            for each in collecting:
                each.result()
        finally:
            over.set()  # or a failure would be a reader that never ends
        reading.result()
    with shared_place.opened() as warehouse:
        assert runs(warehouse) == 30 * len(batches)
    assert set(seen) <= whole
    assert seen == sorted(seen)


def test_weeks_are_published_once_whoever_does(shared_place: Place, segment_of: SegmentOf) -> None:
    """Three collectors publish at the same moment, each with a count of its own: they read the same ever after."""
    if isinstance(shared_place, Chdb):
        pytest.skip("one session, one thread")
    start = threading.Barrier(3)

    def collect(warehouse: Warehouse) -> list[PublishedWeek]:
        start.wait()
        load([segment_of(*(a_run() for _ in range(20)))], warehouse)
        publish(warehouse, SST.catalogue, 10, MONDAY + timedelta(days=2))
        return list(warehouse.published_weeks(since=WEEK))

    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        # Opened here: one that failed would leave the others waiting for it.
        three = [stack.enter_context(shared_place.opened(collector=f"{number}")) for number in range(3)]
        first, *others = pool.map(collect, three)
    assert [first] * 2 == others
    with shared_place.opened() as warehouse:
        published = sum(cell.runs for cell in first[0].cells if cell.dimension == "command")
        assert published + runs(warehouse, NEXT_WEEK) == 60


def test_batches_of_a_segment_are_inserted_one_by_one(
    two: Two, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clickhouse_warehouse, "BATCH", 7)
    load([segment_of(*(a_run() for _ in range(50)))], two[0])
    assert runs(two[1]) == 50


def test_an_error_of_the_servers_quotes_no_row_and_no_password(one_clickhouse: Servers) -> None:
    place = Clickhouse("clickhouse", one_clickhouse, one_clickhouse.new_database())
    with place.opened() as warehouse, pytest.raises(WarehouseError) as told:
        warehouse._database._server.ask("SELECT toUInt8('hunter2')")
    assert "hunter2" not in str(told.value)
    assert str(told.value).startswith("the warehouse at 127.0.0.1:")
