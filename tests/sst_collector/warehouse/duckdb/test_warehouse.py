"""What DuckDB alone promises, beside the contract that every warehouse keeps."""

import errno
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collecting import a_run
from installed import PYTHON
from sst_collector.loader import load
from sst_collector.warehouse.duckdb import file as duckdb_file
from sst_collector.warehouse.duckdb.file import (
    CONFIGURATION,
    WRITTEN_ANEW_SECONDS,
    is_moved,
    mark_moved,
    mark_of,
    stale_mark_of,
    write_anew,
)
from sst_collector.warehouse.duckdb.warehouse import DuckdbWarehouse, opened
from sst_collector.warehouse.protocol import PublishedWeek, WarehouseError
from sst_collector.weeks import shifted
from sst_core import SST
from warehousing import WEEK, SegmentOf, runs


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def warehouse(file: Path) -> Iterator[DuckdbWarehouse]:
    with opened(file, SST.catalogue) as warehouse:
        yield warehouse


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


def test_a_file_that_is_no_database_is_an_error_in_words(file: Path) -> None:
    file.write_bytes(b"x" * 10_000)
    with (
        pytest.raises(WarehouseError, match=r"the warehouse .* failed: IOException: .*not a valid DuckDB"),
        opened(file, SST.catalogue),
    ):
        pass


def test_a_move_that_was_ended_before_the_file_went_is_none(file: Path) -> None:
    for _ in range(2):
        with opened(file, SST.catalogue):
            assert not is_moved(file)
        mark_moved(file)
    file.unlink()
    assert is_moved(file)


def test_an_error_that_could_quote_a_row_is_told_by_its_type_alone(file: Path) -> None:
    with pytest.raises(WarehouseError, match=r"failed: ConversionException$"), opened(file, SST.catalogue) as warehouse:
        warehouse._connection.execute("SELECT 'hunter2'::INTEGER")


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


def test_what_marks_bytes_of_deleted_rows_is_left_as_it_is_where_it_is_roots(file: Path, segment_of: SegmentOf) -> None:
    """Whose it isn't may not set its time: every load would fail."""
    machine = secrets.token_hex(16)
    stale_mark_of(file).touch()
    os.utime(stale_mark_of(file), (0, 0))
    with opened(file, SST.catalogue) as warehouse:
        load([segment_of(a_run(anonymousId=machine), a_run()), segment_of({"forget": machine})], warehouse)
        assert stale_mark_of(file).stat().st_mtime == 0
        assert runs(warehouse) == 1


def test_what_a_killed_process_had_spilled_is_gone_from_the_disk(file: Path) -> None:
    with spilling(file) as process:
        process.kill()
    assert spilled(file)
    with opened(file, SST.catalogue) as warehouse:
        assert not file.with_name(f"{file.name}.tmp").exists()
        warehouse._connection.execute("SET memory_limit = '20MB'")
        warehouse._connection.execute("CREATE TEMP TABLE more AS SELECT uuid()::VARCHAR AS a FROM range(1000000)")
        assert spilled(file)


def test_what_another_program_has_spilled_is_left_to_it(file: Path) -> None:
    with spilling(file) as process:
        before = spilled(file)
        with pytest.raises(WarehouseError, match="lock"), opened(file, SST.catalogue):
            pytest.fail("the file was opened")
        assert spilled(file) == before != []
        process.kill()


def test_what_is_spilled_while_the_file_is_opened_is_not_taken_for_left(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(file, SST.catalogue):
        pass
    dying = """if True:
        import duckdb, os, sys
        connection = duckdb.connect(sys.argv[1], config={"threads": 1})
        connection.execute("SET checkpoint_threshold = '1TB'")
        connection.execute("CREATE TABLE kept (text VARCHAR)")
        for _ in range(30):
            connection.execute("INSERT INTO kept SELECT uuid()::VARCHAR || uuid()::VARCHAR FROM range(20000)")
        os._exit(0)
    """
    subprocess.run([*PYTHON, "-c", dying, str(file)], check=True)
    monkeypatch.setitem(CONFIGURATION, "memory_limit", "20MB")
    with opened(file, SST.catalogue) as warehouse:
        assert spilled(file)
        warehouse.checkpoint()
        assert warehouse._connection.execute("SELECT count(text) FROM kept").fetchall() == [(600_000,)]


def test_a_name_that_is_used_anew_is_not_taken_for_left(file: Path) -> None:
    folder = file.with_name(f"{file.name}.tmp")
    folder.mkdir()
    for name in ("one", "other"):
        (folder / name).write_bytes(b"rows")
        os.utime(folder / name, (1, 1))
    left = duckdb_file.spilled(file)
    (folder / "other").write_bytes(b"rows of this process: in a container, each has the same id")
    duckdb_file.drop_left(left)
    assert spilled(file) == [folder / "other"]


@contextmanager
def spilling(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the file open and more rows than it has memory for."""
    script = """if True:
        import duckdb, sys, time
        connection = duckdb.connect(sys.argv[1], config={"memory_limit": "20MB", "threads": 1})
        connection.execute("CREATE TEMP TABLE spilled AS SELECT uuid()::VARCHAR || uuid()::VARCHAR FROM range(500000)")
        print("spilled", flush=True)
        time.sleep(600)
    """
    with subprocess.Popen([*PYTHON, "-c", script, str(file)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"spilled\n"
        yield process


def spilled(file: Path) -> list[Path]:
    return sorted(file.with_name(f"{file.name}.tmp").glob("*"))


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


def test_the_file_is_written_anew_for_the_forgotten_though_nothing_else_can_be_done(
    file: Path, segment_of: SegmentOf
) -> None:
    version, machine = "9876.5432.1098", secrets.token_hex(16)
    with opened(file, SST.catalogue) as warehouse:
        load([segment_of(a_run(sstVersion=version, anonymousId=machine), a_run())], warehouse)
        load([segment_of({"forget": machine})], warehouse)
    assert version.encode() in file.read_bytes()
    os.utime(mark_of(file), (0, 0))  # it was last written anew long ago
    with pytest.raises(WarehouseError, match="CatalogException"), opened(file, SST.catalogue) as warehouse:
        warehouse._connection.execute("SELECT * FROM nothing")
    assert (version.encode() in file.read_bytes(), stale_mark_of(file).exists()) == (False, False)


def test_what_was_put_into_the_place_of_an_open_file_is_left_as_it_is(file: Path, segment_of: SegmentOf) -> None:
    with opened(file, SST.catalogue) as warehouse:
        load([segment_of(a_run())], warehouse)
    another, bytes_of_another = file.with_name("a backup"), file.read_bytes()
    another.write_bytes(bytes_of_another)
    inode = another.stat().st_ino
    stale_mark_of(file).touch()
    os.utime(mark_of(file), (0, 0))  # it is due to be written anew
    with (
        pytest.raises(WarehouseError, match="deleted or replaced while it was in use"),
        opened(file, SST.catalogue) as warehouse,
    ):
        another.replace(file)
        load([segment_of(a_run())], warehouse)
    assert (file.stat().st_ino, file.read_bytes()) == (inode, bytes_of_another)


def test_space_that_can_not_be_given_back_costs_nothing_else(
    file: Path, segment_of: SegmentOf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with opened(file, SST.catalogue) as warehouse:
        load([segment_of(a_run(), week="2026-W30"), segment_of(a_run())], warehouse)
        warehouse.publish(PublishedWeek("2026-W30", (), withheld=0))
        warehouse.expire(before=WEEK)
        monkeypatch.setattr("sst_collector.warehouse.duckdb.file.sync_path", fail)
    assert "was not given back to the disk: No space left on device" in capsys.readouterr().err
    assert not file.with_suffix(".anew").exists()
    with opened(file, SST.catalogue) as warehouse:
        assert (runs(warehouse, "2026-W30"), runs(warehouse)) == (0, 1)


def test_migrations_are_applied_once_each(file: Path) -> None:
    for _ in range(2):
        with opened(file, SST.catalogue):
            pass
    with duckdb.connect(file) as connection:
        assert connection.execute("SELECT name FROM migrations").fetchall() == [("001_runs_and_publications.sql",)]


def test_what_is_not_published_yet_does_not_expire(warehouse: DuckdbWarehouse, segment_of: SegmentOf) -> None:
    warehouse.load(segment_of(a_run()))

    warehouse.expire(before=shifted(WEEK, 100))

    assert (runs(warehouse), warehouse.has_expired) == (1, False)


def test_a_file_that_was_not_closed_is_not_written_anew(
    file: Path, segment_of: SegmentOf, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(file, SST.catalogue) as warehouse:
        warehouse.load(segment_of(a_run()))
    code = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('SET checkpoint_threshold = \\'1TB\\'');"
        "c.execute('CREATE TABLE more (x INTEGER)'); os._exit(0)"
    )
    subprocess.run([*PYTHON, "-c", code, file], check=True)
    assert file.with_name(f"{file.name}.wal").exists()
    before = file.read_bytes()

    write_anew(file)

    assert f"the warehouse {file} was not closed" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert not file.with_suffix(".anew").exists()
