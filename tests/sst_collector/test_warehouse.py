import errno
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collecting import Values, a_run
from sst_collector.duckdb_warehouse import (
    WRITTEN_ANEW_SECONDS,
    DuckdbWarehouse,
    mark_of,
    opened,
    stale_mark_of,
)
from sst_collector.loader import load
from sst_collector.warehouse import Cell, PublishedWeek, WarehouseError
from sst_collector.weeks import shifted, week_of
from sst_core import SST, Catalogue

WEEK = "2026-W48"
SegmentOf = Callable[..., Path]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def warehouse(file: Path) -> Iterator[DuckdbWarehouse]:
    with opened(file, SST.catalogue) as warehouse:
        yield warehouse


@pytest.fixture
def segment_of(tmp_path: Path) -> SegmentOf:
    """Makes a closed segment. Its folder's name is full of what a glob would take for its own."""
    folder = tmp_path / "journal [*?]'"
    folder.mkdir()

    def segment_of(*records: Values, week: str = WEEK, tail: bytes = b"") -> Path:
        path = folder / f"{secrets.token_hex(8)}.ndjson"
        path.write_bytes(b"".join(json.dumps({"week": week, **one}).encode() + b"\n" for one in records) + tail)
        return path

    return segment_of


def runs(warehouse: DuckdbWarehouse, week: str = WEEK) -> int:
    return sum(cell.runs for cell in warehouse.cells(week) if cell.dimension == "command")


def test_a_segment_is_loaded_once_however_often_it_is_tried(file: Path, segment_of: SegmentOf) -> None:
    segment = segment_of(a_run(), {"rejected": 2})
    for _ in range(2):  # as after a kill between the commit and the deletion
        with opened(file, SST.catalogue) as warehouse:
            warehouse.load(segment)
            assert (runs(warehouse), warehouse.rejected_lines()) == (1, 2)


def test_a_session_counts_once_in_a_segment_and_across_them(warehouse: DuckdbWarehouse, segment_of: SegmentOf) -> None:
    one = a_run()
    load([segment_of(one, one), segment_of(one, a_run(), week="2026-W49")], warehouse)
    assert (runs(warehouse), runs(warehouse, "2026-W49")) == (1, 1)


@pytest.mark.parametrize(
    "tail",
    [b'{"week":"2026-W48","sess', b"\0" * 5000, b"\0" * 5000 + b'\n{"week":', b"\xff\xfe\n{}\n[]\n8\n", b""],
    ids=["cut", "zeros", "zeros and a cut", "rubbish", "nothing"],
)
def test_what_a_crash_tore_is_skipped(tail: bytes, warehouse: DuckdbWarehouse, segment_of: SegmentOf) -> None:
    load([segment_of(a_run(), tail=tail), segment_of(tail=tail)], warehouse)
    assert (runs(warehouse), warehouse.rejected_lines()) == (1, 0)


def test_however_much_a_crash_filled_with_zeros_it_is_skipped(
    warehouse: DuckdbWarehouse, segment_of: SegmentOf
) -> None:
    zeros = b"\0" * (17 << 20)  # DuckDB reads no line of more than 16 MiB
    torn = [segment_of(a_run(), tail=zeros), segment_of(tail=zeros), segment_of(a_run(), tail=b'{"week":' + zeros)]
    load(torn, warehouse)
    assert (runs(warehouse), any(segment.exists() for segment in torn)) == (2, False)


def test_segments_are_deleted_only_after_a_checkpoint(
    warehouse: DuckdbWarehouse,
    segment_of: SegmentOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    segment = segment_of(a_run())
    with monkeypatch.context() as broken:
        broken.setattr(DuckdbWarehouse, "checkpoint", _fail)
        with pytest.raises(WarehouseError):
            load([segment], warehouse)
    assert segment.exists()
    load([segment], warehouse)
    assert not segment.exists()
    assert runs(warehouse) == 1


def _fail(_warehouse: DuckdbWarehouse) -> None:
    raise WarehouseError("no")


def test_a_segment_and_its_name_go_in_together_or_not_at_all(
    file: Path, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = segment_of(a_run())
    with opened(file, SST.catalogue) as warehouse:
        run_query = warehouse._run

        def stop_before_the_name(query: str, *values: object, **names: str) -> list[tuple[Any, ...]]:
            if query == "load_segment":
                raise KeyboardInterrupt
            return run_query(query, *values, **names)

        monkeypatch.setattr(warehouse, "_run", stop_before_the_name)
        with pytest.raises(KeyboardInterrupt):
            warehouse.load(segment)
    with opened(file, SST.catalogue) as warehouse:
        assert runs(warehouse) == 0
        warehouse.load(segment)
        assert runs(warehouse) == 1


def test_cells_count_runs_and_distinct_machines(warehouse: DuckdbWarehouse, segment_of: SegmentOf) -> None:
    machine = "ab" * 16
    load(
        [
            segment_of(
                a_run(anonymousId=machine),
                a_run(anonymousId=machine, command="deploy"),
                a_run(anonymousId=machine, command="deploy"),
                a_run(systemPlatform="darwin", distro=None, cpuCount=16),
            )
        ],
        warehouse,
    )
    cells = {(cell.dimension, cell.value): (cell.runs, cell.machines) for cell in warehouse.cells(WEEK)}
    assert cells == {
        ("version", "0.1.0"): (4, 2),
        ("platform", "darwin"): (1, 1),
        ("platform", "linux"): (3, 1),
        ("architecture", "x64"): (4, 2),
        ("distro", "debian-12"): (3, 1),
        ("cpus", "16"): (1, 1),
        ("cpus", "8"): (3, 1),
        ("python", "3.11"): (4, 2),
        ("command", "build"): (2, 2),
        ("command", "deploy"): (2, 1),
    }


def test_ci_runs_are_counted_in_their_own_dimension_and_in_no_other(
    warehouse: DuckdbWarehouse, segment_of: SegmentOf
) -> None:
    load([segment_of(a_run(isCI=True, ciName="gitlab"), a_run(isCI=True))], warehouse)
    assert warehouse.cells(WEEK) == [Cell("ci", "true", 2, None)]


def test_a_run_that_arrives_for_a_week_that_is_out_joins_the_first_that_is_not(
    warehouse: DuckdbWarehouse, segment_of: SegmentOf
) -> None:
    warehouse.publish(PublishedWeek("2026-W52", (), withheld=0))
    load([segment_of(a_run(), week="2026-W51"), segment_of(a_run(), week="2026-W52")], warehouse)
    assert runs(warehouse, "2026-W53") == 2


def test_what_was_published_is_read_back_as_it_was(warehouse: DuckdbWarehouse) -> None:
    published = PublishedWeek(WEEK, (Cell("ci", "true", 20, None), Cell("command", "build", 40, 12)), withheld=3)
    warehouse.publish(published)
    assert warehouse.published_weeks(since=WEEK) == [published]
    assert warehouse.published_weeks(since="2026-W49") == []


def test_a_field_that_the_catalogue_gains_becomes_a_column(file: Path, segment_of: SegmentOf) -> None:
    smaller = Catalogue(tuple(field for field in SST.catalogue if field.key != "distro"))
    with opened(file, smaller) as warehouse:
        load([segment_of(a_run())], warehouse)
    with opened(file, SST.catalogue) as warehouse:
        load([segment_of(a_run())], warehouse)
        assert [cell for cell in warehouse.cells(WEEK) if cell.dimension in ("distro", "platform")] == [
            Cell("platform", "linux", 1, 1),
            Cell("platform", "linux", 1, 1, unsaid="distro "),
            Cell("distro", "debian-12", 1, 1),
        ]


def test_a_file_that_is_no_database_is_an_error_in_words(file: Path) -> None:
    file.write_bytes(b"x" * 10_000)
    with (
        pytest.raises(WarehouseError, match=r"the warehouse .* failed: IOException: .*not a valid DuckDB"),
        opened(file, SST.catalogue),
    ):
        pass


def test_an_error_that_could_quote_a_row_is_told_by_its_type_alone(file: Path) -> None:
    with pytest.raises(WarehouseError, match=r"failed: ConversionException$"), opened(file, SST.catalogue) as warehouse:
        warehouse._connection.execute("SELECT 'hunter2'::INTEGER")


def test_runs_that_leave_the_same_unsaid_are_counted_apart_and_a_null_is_no_value(
    warehouse: DuckdbWarehouse, segment_of: SegmentOf
) -> None:
    nothing_said: Values = {"distro": None, "pythonVersion": None}
    darwin: Values = {"systemPlatform": "darwin"}
    runs = [a_run(), a_run(**nothing_said), a_run(**nothing_said), a_run(**darwin, **nothing_said), a_run(**darwin)]
    load([segment_of(*runs)], warehouse)
    cells = [cell for cell in warehouse.cells(WEEK) if cell.dimension in ("platform", "distro", "python")]
    # A distribution is Linux's: nothing is left unsaid where there is none, nor counted where one is claimed.
    assert cells == [
        Cell("platform", "darwin", 1, 1),
        Cell("platform", "darwin", 1, 1, unsaid="python "),
        Cell("platform", "linux", 1, 1),
        Cell("platform", "linux", 2, 2, unsaid="distro python "),
        Cell("distro", "debian-12", 1, 1),
        Cell("python", "3.11", 2, 2),
    ]


def test_a_session_counts_once_in_31_days(warehouse: DuckdbWarehouse, segment_of: SegmentOf) -> None:
    one = a_run()
    sunday = week_of(datetime(2026, 11, 1, tzinfo=UTC))
    monday_31_days_later = week_of(datetime(2026, 12, 2, tzinfo=UTC))
    load([segment_of(one, week=sunday), segment_of(one, week=monday_31_days_later)], warehouse)
    assert (runs(warehouse, sunday), runs(warehouse, monday_31_days_later)) == (1, 0)


def test_what_a_load_looks_through_does_not_grow_with_the_history(file: Path, segment_of: SegmentOf) -> None:
    with opened(file, SST.catalogue) as warehouse:
        scanned = [scanned_by_a_load(warehouse, segment_of, shifted(WEEK, week)) for week in range(40)]
    assert scanned[:8] == [1, 2, 3, 4, 5, 6, 6, 6]
    assert set(scanned[8:]) == {6}


def scanned_by_a_load(warehouse: DuckdbWarehouse, segment_of: SegmentOf, week: str) -> int:
    """Load a segment of a new week; how many partitions its plan scans."""
    run_query, scanned = warehouse._run, set()

    def explaining(query: str, *values: object, **names: str) -> list[tuple[Any, ...]]:
        if query == "load_runs":
            sql = warehouse._queries[query].substitute(names)
            plan = str(warehouse._connection.execute(f"EXPLAIN (FORMAT json) {sql}", values).fetchall())
            scanned.update(re.findall(r"runs (\d{4}-W\d\d)", plan))
            scanned.add(week)  # empty so far, so the plan leaves it out
        return run_query(query, *values, **names)

    warehouse._run = explaining  # type: ignore[method-assign]
    # Of some size: where the smallest and the largest session tell that none is the same, the plan scans nothing.
    load([segment_of(*(a_run() for _ in range(20)), week=week)], warehouse)
    warehouse._run = run_query  # type: ignore[method-assign]
    return len(scanned)


def test_only_published_weeks_expire(file: Path, segment_of: SegmentOf) -> None:
    with opened(file, SST.catalogue) as warehouse:
        load([segment_of(a_run(), week=week) for week in ("2026-W30", "2026-W31", "2026-W32")], warehouse)
        warehouse.publish(PublishedWeek("2026-W31", (), withheld=0))
        warehouse.publish(PublishedWeek("2026-W32", (), withheld=0))
        warehouse.expire(before="2026-W32")
        assert [runs(warehouse, f"2026-W{week}") for week in (30, 31, 32)] == [1, 0, 1]


def test_what_expired_is_gone_from_the_disk(file: Path, segment_of: SegmentOf) -> None:
    version = "9876.5432.1098"
    with opened(file, SST.catalogue) as warehouse:
        old = [segment_of(*(a_run(sstVersion=version) for _ in range(20_000)), week="2026-W30")]
        load([*old, segment_of(a_run())], warehouse)
        warehouse.publish(PublishedWeek("2026-W30", (), withheld=0))
    before = file.read_bytes()
    with opened(file, SST.catalogue) as warehouse:
        warehouse.expire(before=WEEK)
    after = file.read_bytes()
    assert (version.encode() in before, version.encode() in after) == (True, False)
    assert len(after) < len(before) - (1 << 19)
    assert {path.name for path in file.parent.iterdir() if path.is_file()} == {file.name, "warehouse.made"}
    with opened(file, SST.catalogue) as warehouse:
        assert (runs(warehouse, "2026-W30"), runs(warehouse)) == (0, 1)
        load([segment_of(a_run())], warehouse)
        assert runs(warehouse) == 2


def test_what_was_forgotten_is_gone_from_the_disk(file: Path, segment_of: SegmentOf) -> None:
    version = "9876.5432.1098"
    machine, another = secrets.token_hex(16), secrets.token_hex(16)
    with opened(file, SST.catalogue) as warehouse:
        load([segment_of(*(a_run(sstVersion=version, anonymousId=machine) for _ in range(20_000)), a_run())], warehouse)
    os.utime(mark_of(file), (0, 0))  # it was last written anew long ago
    with opened(file, SST.catalogue) as warehouse:
        load([segment_of({"forget": another})], warehouse)
    assert version.encode() in file.read_bytes()
    with opened(file, SST.catalogue) as warehouse:
        load([segment_of({"forget": machine})], warehouse)
    assert version.encode() not in file.read_bytes()
    assert {path.name for path in file.parent.iterdir() if path.is_file()} == {file.name, "warehouse.made"}
    with opened(file, SST.catalogue) as warehouse:
        assert runs(warehouse) == 1


def test_the_file_is_written_anew_for_the_forgotten_once_a_day(file: Path, segment_of: SegmentOf) -> None:
    machine = secrets.token_hex(16)
    with opened(file, SST.catalogue) as warehouse:
        load([segment_of(a_run(anonymousId=machine), a_run())], warehouse)
    written = file.stat().st_ino
    with opened(file, SST.catalogue) as warehouse:
        load([segment_of({"forget": machine})], warehouse)
    assert (file.stat().st_ino, stale_mark_of(file).exists()) == (written, True)
    yesterday = time.time() - WRITTEN_ANEW_SECONDS
    os.utime(mark_of(file), (yesterday, yesterday))
    with opened(file, SST.catalogue):
        pass  # the next round, whatever it has to do
    assert (file.stat().st_ino != written, stale_mark_of(file).exists()) == (True, False)


def test_space_that_can_not_be_given_back_costs_nothing_else(
    file: Path, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with opened(file, SST.catalogue) as warehouse:
        load([segment_of(a_run(), week="2026-W30"), segment_of(a_run())], warehouse)
        warehouse.publish(PublishedWeek("2026-W30", (), withheld=0))
        warehouse.expire(before=WEEK)
        monkeypatch.setattr("sst_collector.duckdb_warehouse._sync_file", fail)
    assert "was not given back to the disk: [Errno 28] No space left on device" in capsys.readouterr().err
    assert not file.with_suffix(".anew").exists()
    with opened(file, SST.catalogue) as warehouse:
        assert (runs(warehouse, "2026-W30"), runs(warehouse)) == (0, 1)


def test_a_machine_is_forgotten_in_every_week_that_is_kept(warehouse: DuckdbWarehouse, segment_of: SegmentOf) -> None:
    ids = [secrets.token_hex(16) for _ in range(3)]
    weeks = ("2026-W30", "2026-W31", "2026-W48")
    load(
        [segment_of(a_run(anonymousId=id), a_run(), week=week) for id, week in zip(ids, weeks, strict=True)], warehouse
    )
    load([segment_of(*({"forget": id} for id in ids))], warehouse)
    assert [runs(warehouse, week) for week in weeks] == [1, 1, 1]


def test_migrations_are_applied_once_each(file: Path) -> None:
    for _ in range(2):
        with opened(file, SST.catalogue):
            pass
    with duckdb.connect(file) as connection:
        assert connection.execute("SELECT name FROM migrations").fetchall() == [("001_runs_and_publications.sql",)]
