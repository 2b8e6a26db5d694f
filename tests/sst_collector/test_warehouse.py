import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collecting import Values, a_run
from sst_collector.duckdb_warehouse import DuckdbWarehouse, opened
from sst_collector.loader import load
from sst_collector.warehouse import Cell, PublishedWeek, WarehouseError
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
        assert [cell for cell in warehouse.cells(WEEK) if cell.dimension == "distro"] == [
            Cell("distro", "debian-12", 1, 1)
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


def test_migrations_are_applied_once_each(file: Path) -> None:
    for _ in range(2):
        with opened(file, SST.catalogue):
            pass
    with duckdb.connect(file) as connection:
        assert connection.execute("SELECT name FROM migrations").fetchall() == [("001_runs_and_publications.sql",)]
