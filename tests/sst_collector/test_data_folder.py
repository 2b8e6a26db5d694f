"""The data folder: made for its user alone, one collector's at a time, and nobody else's folder."""

from pathlib import Path

import pytest

from sst_collector.clickhouse_address import parse_address
from sst_collector.data_folder import claimed
from sst_collector.moving import move
from sst_core import SST, ConfigurationError


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(ConfigurationError, match="holds something else than a collector's data"), claimed(tmp_path):
        pytest.fail("it was taken")

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_root_of_a_disk_is_empty_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()

    with claimed(tmp_path):
        assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_folder_is_one_collectors_at_a_time(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "data"),
        pytest.raises(ConfigurationError, match="in use by another collector"),
        claimed(tmp_path / "data"),
    ):
        pytest.fail("it was taken twice")


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(ConfigurationError, match=r"can't be used: Not a directory\. Name another with --data\."),
        claimed(tmp_path / "file" / "data"),
    ):
        pytest.fail("it was taken")


def test_there_is_nothing_to_move_where_nothing_was_loaded(tmp_path: Path) -> None:
    address = parse_address("clickhouse://127.0.0.1:9/sst", {})
    with claimed(tmp_path / "data"):
        pass

    with pytest.raises(ConfigurationError, match=r"There is no warehouse in .*: there is nothing to move"):
        move(tmp_path / "data", address, SST.catalogue, print)
    with pytest.raises(ConfigurationError, match="was not made by a collector"):
        move(tmp_path / "other", address, SST.catalogue, print)
