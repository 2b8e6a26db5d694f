import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from collecting import Values, a_run
from sst_collector.duckdb_warehouse import opened
from sst_collector.group_commit import GroupCommit
from sst_collector.journal import Journal
from sst_collector.upkeep import Upkeep
from sst_core import SST

SUNDAY = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = SUNDAY

    def __call__(self) -> datetime:
        return self.now


def in_collector(
    folder: Path, clock: Clock, scenario: Callable[[GroupCommit, Upkeep], Awaitable[None]], min_machines: int = 10
) -> None:
    """Run `scenario` with the parts of a collector whose data is in `folder`."""

    async def main() -> None:
        with ThreadPoolExecutor(1) as journal_thread, ThreadPoolExecutor(1) as warehouse_thread:
            journal = Journal(folder / "journal", clock)
            commit = GroupCommit(journal, journal_thread)
            upkeep = Upkeep(
                commit=commit,
                open_warehouse=lambda: opened(folder / "warehouse.duckdb", SST.catalogue),
                thread=warehouse_thread,
                catalogue=SST.catalogue,
                snapshot_file=folder / "snapshot.json",
                min_machines=min_machines,
                clock=clock,
            )
            await scenario(commit, upkeep)
            journal.close()

    asyncio.run(main())


def builds(upkeep: Upkeep) -> list[Values]:
    cells: list[Values] = json.loads(upkeep.snapshot)["windows"]["30"]["command"]
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
        assert json.loads(upkeep.snapshot)["snapshot"] is None
        await commit.append(records(1))
        await upkeep.round()
        assert (tmp_path / "snapshot.json").read_bytes() == upkeep.snapshot

    async def second(_commit: GroupCommit, upkeep: Upkeep) -> None:
        assert builds(upkeep) == [{"value": "build", "runs": 1, "machines": 1}]

    in_collector(tmp_path, Clock(), first, min_machines=1)
    in_collector(tmp_path, Clock(), second, min_machines=1)


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
    (line,) = capsys.readouterr().err.splitlines()
    assert "not a valid DuckDB database" in line


def test_between_rounds_the_warehouse_is_free_for_others(tmp_path: Path) -> None:
    async def scenario(commit: GroupCommit, upkeep: Upkeep) -> None:
        await commit.append(records(3))
        await upkeep.round()
        with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
            assert connection.execute("SELECT count(*) FROM runs").fetchall() == [(3,)]

    in_collector(tmp_path, Clock(), scenario)
