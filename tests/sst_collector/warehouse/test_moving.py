"""`sst collector move`, where there is nothing to move; tests of the transfer need the real servers."""

from pathlib import Path

import pytest

from collecting import a_run
from sst_collector.data_folder import DataFolder, claimed
from sst_collector.warehouse.clickhouse.address import parse_address
from sst_collector.warehouse.duckdb.file import mark_moved
from sst_collector.warehouse.duckdb.warehouse import opened
from sst_collector.warehouse.moving import move
from sst_collector.warehouse.protocol import PublishedWeek
from sst_collector.weeks import shifted
from sst_core import SST, ConfigurationError, ExitCode, SstError, utc_now, week_of
from warehousing import SegmentOf


def test_there_is_nothing_to_move_where_nothing_was_loaded(tmp_path: Path) -> None:
    address = parse_address("clickhouse://127.0.0.1:9/sst", {})
    with claimed(tmp_path / "data"):
        pass

    with pytest.raises(SstError, match=r"There is no warehouse in .*: there is nothing to move"):
        move(tmp_path / "data", address, SST.catalogue, print)
    with pytest.raises(ConfigurationError, match="was not made by a collector"):
        move(tmp_path / "other", address, SST.catalogue, print)


def test_a_folder_whose_lock_is_lost_is_told_from_one_that_no_collector_made(tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb").touch()

    with pytest.raises(SstError, match=r"has lost its file lock\. If no collector is running on it, run: "):
        move(tmp_path, parse_address("clickhouse://127.0.0.1:9/sst", {}), SST.catalogue, print)


@pytest.mark.parametrize("is_published", [True, False])
def test_a_week_that_has_not_begun_is_not_moved(tmp_path: Path, is_published: bool, segment_of: SegmentOf) -> None:
    data = tmp_path / "data"
    with claimed(data), opened(DataFolder(data).warehouse, SST.catalogue) as warehouse:
        if is_published:
            warehouse.publish(PublishedWeek("2999-W01", (), withheld=0))
        else:
            warehouse.load(segment_of(a_run(), week="2999-W01"))

    with pytest.raises(SstError, match="2999-W01 is in the warehouse and has not begun") as refused:
        move(data, parse_address("clickhouse://127.0.0.1:9/sst", {}), SST.catalogue, print)
    assert refused.value.exit_code == ExitCode.FAILURE


def test_what_a_clock_leaves_that_was_less_than_a_week_ahead_is_moved(tmp_path: Path, segment_of: SegmentOf) -> None:
    data = tmp_path / "data"
    with claimed(data), opened(DataFolder(data).warehouse, SST.catalogue) as warehouse:
        warehouse.publish(PublishedWeek(week_of(utc_now()), (), withheld=0))
        warehouse.load(segment_of(a_run(), week=shifted(week_of(utc_now()), 1)))

    with pytest.raises(SstError, match="can't be reached"):
        move(data, parse_address("clickhouse://127.0.0.1:9/sst", {}), SST.catalogue, print)


def test_what_was_moved_stays_moved_when_its_file_is_deleted(tmp_path: Path) -> None:
    with claimed(tmp_path):
        mark_moved(DataFolder(tmp_path).warehouse)

    moved = move(tmp_path, parse_address("clickhouse://127.0.0.1:9/sst", {}), SST.catalogue, print)

    assert moved.as_text() == f"What was in {moved.file} has been moved. Start the collector with --warehouse."
