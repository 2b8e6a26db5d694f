"""From one machine's DuckDB to a ClickHouse: everything once, and the same numbers."""

import json
import os
import secrets
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clickhouse_servers import PASSWORD, Servers
from collecting import Collector, StartCollector, a_run
from sst_collector.loader import load
from sst_collector.publishing.publication import publish
from sst_collector.warehouse import transfer as transferring
from sst_collector.warehouse.clickhouse.address import PASSWORD_VARIABLE
from sst_collector.warehouse.clickhouse.database import Database
from sst_collector.warehouse.clickhouse.warehouse import ClickhouseWarehouse
from sst_collector.warehouse.duckdb.warehouse import DuckdbWarehouse, opened
from sst_collector.warehouse.protocol import WarehouseError
from sst_collector.warehouse.transfer import checksum, transfer
from sst_core import SST
from sst_core.testing import PROGRAM, Machine
from warehousing import Place, SegmentOf, runs

pytestmark = pytest.mark.warehouses

LATER = datetime(2026, 12, 2, tzinfo=UTC)  # in 2026-W49


@pytest.fixture
def file(tmp_path: Path, segment_of: SegmentOf) -> Path:
    """A warehouse with two published weeks, one that is open, and a machine that was forgotten."""
    path = tmp_path / "warehouse.duckdb"
    forgotten = secrets.token_hex(16)
    with opened(path, SST.catalogue) as warehouse:
        for week, machines in (("2026-W46", 25), ("2026-W48", 40), ("2026-W49", 15)):
            mixed = [a_run(command="deploy" if number % 3 else "build", isCI=number == 7) for number in range(machines)]
            load([segment_of(*mixed, a_run(anonymousId=forgotten), {"rejected": 2}, week=week)], warehouse)
        load([segment_of({"forget": forgotten}, week="2026-W49")], warehouse)
        publish(warehouse, SST.catalogue, 10, LATER)
        assert [week.week for week in warehouse.published_weeks(since="")] == ["2026-W46", "2026-W48"]
    return path


def numbers(warehouse: Any) -> tuple[Any, ...]:
    weeks = ("2026-W46", "2026-W48", "2026-W49")
    return (
        checksum(warehouse.published_weeks(since="")),
        [sorted(map(repr, warehouse.cells(week))) for week in weeks],
        warehouse.rejected_lines(),
        list(warehouse.unpublished_weeks(before="2026-W50")),
    )


def test_everything_is_taken_over_once_and_the_numbers_are_the_same(file: Path, shared_place: Place) -> None:
    with opened(file, SST.catalogue) as source, shared_place.opened() as target:
        assert isinstance(target, ClickhouseWarehouse)
        before = numbers(source)
        for _ in range(2):
            moved = transfer(source, target, lambda _: None)
            assert (moved.runs, moved.published, moved.checksum) == (80, 2, before[0])
            assert numbers(target) == before


def test_it_is_told_how_far_it_has_come_within_a_week_too(
    file: Path, shared_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transferring, "BATCH", 10)
    told: list[str] = []
    with opened(file, SST.catalogue) as source, shared_place.opened() as target:
        assert isinstance(target, ClickhouseWarehouse)
        transfer(source, target, told.append)

    weeks = ["2026-W46", "2026-W48", "2026-W49"]
    assert [line for line in told if line.startswith("2026-W46: ")] == [
        f"2026-W46: {total} runs so far" for total in (10, 20, 25)
    ]
    comparing = [line for line in told if line.startswith("comparing")]
    assert comparing == [f"comparing: the runs of {week} {where}" for where in ("here", "there") for week in weeks]


def test_it_is_resumed_wherever_it_was_ended(file: Path, shared_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transferring, "BATCH", 10)
    insert, lives = Database.insert, 0

    def dying(database: Database, query: str, *lines: Any, **names: str) -> None:
        nonlocal lives
        if lives == 0:
            raise KeyboardInterrupt
        lives -= 1
        insert(database, query, *lines, **names)

    with opened(file, SST.catalogue) as source, shared_place.opened() as target:
        assert isinstance(target, ClickhouseWarehouse)
        before, ended = numbers(source), 0
        with monkeypatch.context() as killing:
            killing.setattr(Database, "insert", dying)
            while True:
                lives = 5
                try:
                    transfer(source, target, lambda _: None)
                except KeyboardInterrupt:
                    ended += 1
                else:
                    break
        assert ended >= 3
        assert numbers(target) == before


def test_a_run_that_comes_after_it_and_was_there_before_counts_once(
    file: Path, shared_place: Place, segment_of: SegmentOf
) -> None:
    again = a_run()
    segment = segment_of(again, a_run(), week="2026-W48")
    with opened(file, SST.catalogue) as source, shared_place.opened() as target:
        assert isinstance(target, ClickhouseWarehouse)
        source.load(segment)  # and the process died before it deleted it
        before = runs(source, "2026-W49")
        transfer(source, target, lambda _: None)
        load([segment, segment_of(again, a_run(), week="2026-W49")], target)
        assert runs(target, "2026-W49") == before + 1


def test_a_warehouse_with_another_history_is_refused(file: Path, shared_place: Place, segment_of: SegmentOf) -> None:
    with opened(file, SST.catalogue) as source, shared_place.opened() as target:
        assert isinstance(target, ClickhouseWarehouse)
        load([segment_of(*(a_run() for _ in range(30)), week="2026-W47")], target)
        publish(target, SST.catalogue, 10, LATER)
        with pytest.raises(WarehouseError, match="has published 2026-W47 already"):
            transfer(source, target, lambda _: None)


def test_a_file_of_another_programs_runs_is_refused(file: Path, shared_place: Place) -> None:
    """Opened with a catalogue that lacks a field, it would lose that field, and nobody could tell by comparing."""
    less = replace(SST.catalogue, fields=tuple(field for field in SST.catalogue if field.key != "sstVersion"))
    with opened(file, less) as source, shared_place.opened() as target:
        assert isinstance(target, ClickhouseWarehouse)
        with pytest.raises(WarehouseError, match=r"runs with a sstVersion.*--product"):
            transfer(source, target, lambda _: None)


def test_a_difference_is_found(file: Path, shared_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = DuckdbWarehouse.kept_runs

    def losing(warehouse: DuckdbWarehouse, week: str, size: int) -> Any:
        return (batch[1:] for batch in kept(warehouse, week, size))

    with opened(file, SST.catalogue) as source, shared_place.opened() as target:
        assert isinstance(target, ClickhouseWarehouse)
        monkeypatch.setattr(DuckdbWarehouse, "kept_runs", losing)
        with pytest.raises(WarehouseError, match="the two warehouses differ"):
            transfer(source, target, lambda _: None)


def test_the_command_moves_a_collector_and_nothing_counts_twice(
    start_collector: StartCollector, one_clickhouse: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    url = one_clickhouse.url(one_clickhouse.new_database())
    collector = start_collector()
    batch = [a_run() for _ in range(20)]
    collector.post(*batch)
    collector.wait_until(lambda: collector.runs() == {"build": 20})
    collector.end()

    refused = sst(collector, "serve", "--port", "0", "--warehouse", url)
    assert (refused.returncode, "sst collector move" in refused.stderr) == (2, True)
    moved = sst(collector, "move", "--warehouse", url, "--json")
    assert (moved.returncode, moved.stderr) == (0, "")
    told = json.loads(moved.stdout)
    assert (told["runs"], told["published"], len(told["checksum"])) == (20, 0, 64)
    assert Path(told["file"]).is_file()
    again = sst(collector, "move", "--warehouse", url)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == f"What was in {told['file']} has been moved. Start the collector with --warehouse.\n"
    (collector.data / "warehouse.duckdb.moved").unlink()
    refused = sst(collector, "serve", "--port", "0")
    assert (refused.returncode, "was moved to another warehouse. Start with --warehouse" in refused.stderr) == (2, True)
    examined = sst(collector, "doctor")
    assert (examined.returncode, "was moved to another warehouse\n" in examined.stdout) == (1, True), examined

    collector.options += ["--warehouse", url]
    collector.start()
    collector.post(*batch, a_run())
    collector.wait_until(lambda: collector.runs() == {"build": 21})
    assert "the warehouse holds 41 runs as written" in sst(collector, "doctor", "--warehouse", url).stdout


def test_a_person_at_a_terminal_sees_how_far_it_has_come(
    machine: Machine, start_collector: StartCollector, one_clickhouse: Servers
) -> None:
    url = one_clickhouse.url(one_clickhouse.new_database())
    collector = start_collector()
    collector.post(*[a_run() for _ in range(20)])
    collector.wait_until(lambda: collector.runs() == {"build": 20})
    collector.end()

    screen = machine.on_terminal(
        "collector", "move", "--data", str(collector.data), "--warehouse", url,
        env={PASSWORD_VARIABLE: PASSWORD, "SST_TELEMETRY_DISABLED": "1"},
    )  # fmt: skip

    assert screen.exit_code == 0, screen.text
    # On a busy machine it says before that that it is opening both.
    assert any(line.endswith(": 20 runs so far") for line in screen.text.splitlines())
    assert "\n20 runs and 0 published weeks are in both" in screen.text


def sst(collector: Collector, command: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, "collector", command, "--data", collector.data, *options],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
