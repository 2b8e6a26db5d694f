import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from collecting import Values, a_run
from sst_collector.journal.group_commit import GroupCommit
from sst_collector.journal.writing import Journal
from sst_collector.metrics import Metrics
from sst_collector.site_key import SiteKey
from sst_collector.upkeep import STUCK_SECONDS, Upkeep
from sst_collector.warehouse.clock_ahead import advice_if_ahead
from sst_collector.warehouse.duckdb.warehouse import DuckdbWarehouse, opened
from sst_core import SST

SUNDAY = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = SUNDAY

    def __call__(self) -> datetime:
        return self.now


def in_collector(
    folder: Path,
    clock: Clock,
    scenario: Callable[[GroupCommit, Upkeep], Awaitable[None]],
    min_machines: int = 10,
    segment_bytes: int = 1 << 20,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Run `scenario` with the parts of a collector whose data is in `folder`."""

    async def main() -> None:
        with ThreadPoolExecutor(1) as journal_thread, ThreadPoolExecutor(1) as warehouse_thread:
            journal = Journal(folder / "journal", clock, segment_bytes)
            commit = GroupCommit(journal, journal_thread)
            upkeep = Upkeep(
                commit=commit,
                open_warehouse=lambda: opened(folder / "warehouse.duckdb", SST.catalogue),
                thread=warehouse_thread,
                catalogue=SST.catalogue,
                program="sst",
                snapshot_file=folder / "snapshot.json",
                min_machines=min_machines,
                keep_days=90,
                site_key=SiteKey(folder / "site-key", clock),
                metrics=Metrics(),
                clock=clock,
                monotonic=monotonic,
            )
            await scenario(commit, upkeep)
            journal.close()

    asyncio.run(main())


def builds(upkeep: Upkeep) -> list[Values]:
    cells: list[Values] = json.loads(upkeep.site["stats.json"].content)["windows"]["30"]["command"]
    return cells


def records(count: int) -> list[bytes]:
    return [json.dumps(a_run()).encode() for _ in range(count)]


def test_a_week_closes_when_the_clock_says_so(tmp_path: Path) -> None:
    clock = Clock()

    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await commit.append(records(12))
        await upkeep.round()
        assert builds(upkeep) == []
        clock.now += timedelta(seconds=1)
        await commit.append(records(30))
        await upkeep.round()
        assert builds(upkeep) == [{"value": "build", "runs": 12, "machines": 12}]

    in_collector(tmp_path, clock, scenario)


def test_the_snapshot_file_is_what_is_answered_and_a_restart_answers_it_at_once(tmp_path: Path) -> None:
    async def first(commit: GroupCommit, upkeep: Upkeep) -> None:
        assert json.loads(upkeep.site["stats.json"].content)["snapshot"] is None
        await commit.append(records(1))
        await upkeep.round()
        assert (tmp_path / "snapshot.json").read_bytes() == upkeep.site["stats.json"].content

    async def second(_commit: GroupCommit, upkeep: Upkeep) -> None:
        assert builds(upkeep) == [{"value": "build", "runs": 1, "machines": 1}]

    in_collector(tmp_path, Clock(), first, min_machines=1)
    in_collector(tmp_path, Clock(), second, min_machines=1)


def test_a_public_collector_shows_nothing_that_a_private_one_did_though_no_round_ends_well(tmp_path: Path) -> None:
    async def private(commit: GroupCommit, upkeep: Upkeep) -> None:
        await commit.append(records(1))
        await upkeep.round()
        assert builds(upkeep) == [{"value": "build", "runs": 1, "machines": 1}]

    async def public(_commit: GroupCommit, upkeep: Upkeep) -> None:
        assert builds(upkeep) == []
        await upkeep.round()
        assert upkeep.failure is not None
        assert builds(upkeep) == []

    in_collector(tmp_path, Clock(), private, min_machines=1)
    (tmp_path / "warehouse.duckdb").unlink()
    in_collector(tmp_path, Clock(), public, min_machines=10)


def test_a_key_that_cannot_be_retired_keeps_nothing_from_being_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site-key").mkdir(mode=0o700)
    (tmp_path / "site-key" / "retired").mkdir()

    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await commit.append(records(1))
        await upkeep.round()
        assert builds(upkeep) == [{"value": "build", "runs": 1, "machines": 1}]
        assert upkeep.failure is not None

    in_collector(tmp_path, Clock(), scenario, min_machines=1)
    assert "retired" in capsys.readouterr().err


def test_a_warehouse_that_is_down_loses_nothing_and_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        (tmp_path / "warehouse.duckdb").write_bytes(b"x" * 10_000)
        for _ in range(2):
            await commit.append(records(1))
            await upkeep.round()
        assert upkeep.failure == "Loading or publishing failed: WarehouseError. What was taken in is kept."
        assert builds(upkeep) == []
        (tmp_path / "warehouse.duckdb").unlink()
        await upkeep.round()
        assert upkeep.failure is None
        assert builds(upkeep) == [{"value": "build", "runs": 2, "machines": 2}]

    in_collector(tmp_path, Clock(), scenario, min_machines=1)
    failed, recovered = capsys.readouterr().err.splitlines()
    assert "not a valid DuckDB database" in failed
    assert recovered == "collector: loading and publishing works again"


def test_between_rounds_the_warehouse_is_free_for_others(tmp_path: Path) -> None:
    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await commit.append(records(3))
        await upkeep.round()
        with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
            assert connection.execute("SELECT count(*) FROM runs").fetchall() == [(3,)]

    in_collector(tmp_path, Clock(), scenario)


def test_a_warehouse_that_was_deleted_is_reported_and_not_silently_begun_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await commit.append(records(1))
        await upkeep.round()
        warehouse = tmp_path / "warehouse.duckdb"
        backup = warehouse.rename(tmp_path / "backup")
        await commit.append(records(2))
        await upkeep.round()
        assert upkeep.health() is not None
        assert not warehouse.exists()
        assert builds(upkeep) == [{"value": "build", "runs": 1, "machines": 1}]  # the page stays as it was
        backup.rename(warehouse)
        await upkeep.round()
        assert upkeep.health() is None
        assert builds(upkeep) == [{"value": "build", "runs": 3, "machines": 3}]

    in_collector(tmp_path, Clock(), scenario, min_machines=1)
    assert "is gone. Put it back, or delete" in capsys.readouterr().err


def test_a_warehouse_that_is_deleted_under_the_loader_keeps_the_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = DuckdbWarehouse.checkpoint

    def deleted_meanwhile(warehouse: DuckdbWarehouse) -> None:
        (tmp_path / "warehouse.duckdb").unlink()
        checkpoint(warehouse)

    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await commit.append(records(2))
        with monkeypatch.context() as deleting:
            deleting.setattr(DuckdbWarehouse, "checkpoint", deleted_meanwhile)
            await upkeep.round()
        assert upkeep.health() is not None
        assert len(await commit.closed()) == 1
        (tmp_path / "warehouse.made").unlink()  # as the message says
        await upkeep.round()
        assert builds(upkeep) == [{"value": "build", "runs": 2, "machines": 2}]

    in_collector(tmp_path, Clock(), scenario, min_machines=1)


def test_a_loader_that_is_stuck_is_known(tmp_path: Path) -> None:
    seconds = 0.0

    async def scenario(_commit: GroupCommit, upkeep: Upkeep) -> None:
        nonlocal seconds
        await upkeep.round()
        seconds += STUCK_SECONDS
        assert upkeep.health() is None
        seconds += 1
        assert upkeep.health() == "No round has ended for 601 s: the loader is stuck."
        await upkeep.round()
        assert upkeep.health() is None

    in_collector(tmp_path, Clock(), scenario, monotonic=lambda: seconds)


def test_a_segment_that_has_grown_to_its_size_is_loaded_between_rounds(tmp_path: Path) -> None:
    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await upkeep.load_closed()
        for _ in range(3):
            await commit.append(records(4))
        assert len(await commit.closed()) == 1
        before = upkeep.site
        await upkeep.load_closed()
        assert await commit.closed() == ()
        assert upkeep.site is before
        await upkeep.round()
        assert builds(upkeep) == [{"value": "build", "runs": 12, "machines": 12}]

    in_collector(tmp_path, Clock(), scenario, min_machines=1, segment_bytes=2500)


def test_what_failed_is_tried_again_soon_and_ever_more_seldom_up_to_the_cadence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    tried = []
    warehouse = tmp_path / "warehouse.duckdb"
    one_round = Upkeep.round

    async def watched_round(upkeep: Upkeep) -> None:
        tried.append(seconds)
        if len(tried) == 6:
            warehouse.unlink()
        elif len(tried) == 8:
            raise asyncio.CancelledError
        await one_round(upkeep)

    async def sleep(pause: float) -> None:
        nonlocal seconds
        seconds += pause

    async def scenario(_commit: GroupCommit, upkeep: Upkeep) -> None:
        warehouse.write_bytes(b"x" * 10_000)
        with pytest.raises(asyncio.CancelledError):
            await upkeep.run(60)

    monkeypatch.setattr(Upkeep, "round", watched_round)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    in_collector(tmp_path, Clock(), scenario, monotonic=lambda: seconds)
    assert tried == [0, 5, 15, 35, 75, 135, 195, 255]


def test_runs_expire_after_their_time_and_what_was_published_stays(tmp_path: Path) -> None:
    clock = Clock()

    def kept() -> list[tuple[str, int]]:
        with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
            return connection.execute("SELECT week, count(*) FROM runs GROUP BY week ORDER BY week").fetchall()

    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await commit.append(records(12))
        clock.now += timedelta(seconds=1)
        await commit.append(records(30))
        await upkeep.round()
        clock.now += timedelta(days=90) - timedelta(seconds=1)
        await upkeep.round()
        assert kept() == [("2026-W47", 12), ("2026-W48", 30)]
        clock.now += timedelta(seconds=1)
        await upkeep.round()
        assert kept() == [("2026-W48", 30)]
        assert json.loads(upkeep.site["stats.json"].content)["windows"]["365"]["command"][0]["runs"] == 42

    in_collector(tmp_path, clock, scenario)


def test_runs_expire_from_the_disk_too_though_nothing_can_be_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, version = Clock(), "9876.5432.1098"
    file = tmp_path / "warehouse.duckdb"

    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        # Withheld, so that nothing which is published has it either.
        await commit.append([json.dumps(a_run(sstVersion=version)).encode()])
        clock.now += timedelta(seconds=1)
        await upkeep.round()
        assert version.encode() in file.read_bytes()
        clock.now += timedelta(days=90)
        monkeypatch.delattr(DuckdbWarehouse, "published_weeks")

        await upkeep.round()

        assert upkeep.failure is not None
        with duckdb.connect(file) as connection:
            assert connection.execute("SELECT count(*) FROM runs").fetchall() == [(0,)]
        assert version.encode() not in file.read_bytes()

    in_collector(tmp_path, clock, scenario)


def test_after_a_clock_that_was_ahead_nothing_is_filed_in_weeks_to_come_and_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()

    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        for weeks in (0, 60, 61):
            clock.now = SUNDAY + timedelta(weeks=weeks)
            await commit.append(records(12))
            await upkeep.round()
        clock.now = SUNDAY
        before = upkeep.site
        told = f"{advice_if_ahead('2028-W02', '2028-W03', SUNDAY)} What was taken in is kept."
        for _ in range(2):
            await commit.append(records(20))
            await commit.rotate()
            await upkeep.load_closed()
            assert upkeep.failure == told
            await upkeep.round()
            assert upkeep.failure == told
        assert upkeep.site is before
        assert len(await commit.closed()) == 2

    in_collector(tmp_path, clock, scenario)
    assert "2028-W03 is in the warehouse and has not begun: a clock was ahead." in capsys.readouterr().err


def test_runs_that_a_clock_filed_in_a_week_to_come_are_told_though_nothing_to_come_is_published(tmp_path: Path) -> None:
    clock = Clock()

    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await commit.append(records(12))
        clock.now = SUNDAY + timedelta(weeks=52)
        await upkeep.round()
        await commit.append(records(3))
        await upkeep.round()
        assert upkeep.health() is None
        clock.now = SUNDAY
        await upkeep.round()
        assert upkeep.health() == f"{advice_if_ahead('2026-W47', '2027-W46', SUNDAY)} What was taken in is kept."

    in_collector(tmp_path, clock, scenario)


def test_after_a_clock_that_was_less_than_a_week_ahead_what_arrives_counts_in_the_next_week(tmp_path: Path) -> None:
    clock = Clock()

    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await commit.append(records(12))
        clock.now = SUNDAY + timedelta(days=7)
        await upkeep.round()
        await commit.append(records(30))
        await upkeep.round()
        clock.now = SUNDAY
        await commit.append(records(40))
        await upkeep.round()
        assert upkeep.health() is None
        clock.now = SUNDAY + timedelta(days=7, seconds=1)
        await upkeep.round()
        assert upkeep.health() is None
        told = {week["week"]: week["runs"] for week in json.loads(upkeep.site["stats.json"].content)["weeks"]}
        assert told == {"2026-W47": 12, "2026-W48": 70}

    in_collector(tmp_path, clock, scenario)


def test_what_waits_for_replicas_is_not_asked_before_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await upkeep.round()
        monkeypatch.delattr(DuckdbWarehouse, "published_weeks")
        await commit.append(records(12))
        await commit.rotate()
        await upkeep.load_closed()
        assert upkeep.failure is None
        assert not await commit.closed()

    in_collector(tmp_path, Clock(), scenario)


def test_when_a_week_is_over_its_site_key_goes(tmp_path: Path) -> None:
    clock = Clock()

    async def scenario(_commit: GroupCommit, upkeep: Upkeep) -> None:
        SiteKey(tmp_path / "site-key", clock).fetch()
        await upkeep.round()
        assert [path.name for path in (tmp_path / "site-key").glob("*.key")] == ["2026-W47.key"]
        clock.now += timedelta(seconds=1)
        await upkeep.round()
        assert list((tmp_path / "site-key").glob("*.key")) == []

    in_collector(tmp_path, clock, scenario)


def test_a_warehouse_that_is_down_keeps_no_key_of_a_week_that_is_over(tmp_path: Path) -> None:
    clock = Clock()

    async def scenario(_commit: GroupCommit, upkeep: Upkeep) -> None:
        (tmp_path / "warehouse.duckdb").write_bytes(b"x" * 10_000)
        SiteKey(tmp_path / "site-key", clock).fetch()
        clock.now += timedelta(seconds=1)
        await upkeep.round()
        assert upkeep.failure == "Loading or publishing failed: WarehouseError. What was taken in is kept."
        assert list((tmp_path / "site-key").glob("*.key")) == []

    in_collector(tmp_path, clock, scenario)


def test_a_warehouse_and_a_site_key_that_both_fail_are_both_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse, retired = tmp_path / "warehouse.duckdb", tmp_path / "site-key" / "retired"

    async def scenario(_commit: GroupCommit, upkeep: Upkeep) -> None:
        warehouse.write_bytes(b"x" * 10_000)
        retired.parent.mkdir(mode=0o700)
        retired.write_text("hunter2")
        for _ in range(2):
            await upkeep.round()
        assert upkeep.health() == (
            "Loading or publishing failed: WarehouseError. What was taken in is kept. "
            "The site key can't be retired: ConfigurationError."
        )
        warehouse.unlink()
        await upkeep.round()
        assert upkeep.health() == "The site key can't be retired: ConfigurationError."
        retired.unlink()
        await upkeep.round()
        assert upkeep.health() is None

    in_collector(tmp_path, Clock(), scenario)
    said = capsys.readouterr().err.splitlines()
    assert "retired is not what a collector wrote" in said[0]
    assert "not a valid DuckDB database" in said[1]
    assert said[2:] == [
        "collector: loading and publishing works again",
        "collector: the site key can be retired again",
    ]


def test_a_warehouse_that_is_down_between_rounds_is_reported_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await upkeep.round()
        (tmp_path / "warehouse.duckdb").write_bytes(b"x" * 10_000)
        await commit.append(records(1))
        await commit.rotate()
        await upkeep.load_closed()
        assert upkeep.failure == "Loading or publishing failed: WarehouseError. What was taken in is kept."

    in_collector(tmp_path, Clock(), scenario, min_machines=1)
    assert "not a valid DuckDB database" in capsys.readouterr().err
