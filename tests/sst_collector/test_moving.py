"""`sst collector move`, where there is nothing to move; tests of the transfer need the real servers."""

from pathlib import Path

import pytest

from sst_collector.clickhouse_address import parse_address
from sst_collector.data_folder import claimed
from sst_collector.moving import move
from sst_core import SST, ConfigurationError


def test_there_is_nothing_to_move_where_nothing_was_loaded(tmp_path: Path) -> None:
    address = parse_address("clickhouse://127.0.0.1:9/sst", {})
    with claimed(tmp_path / "data"):
        pass

    with pytest.raises(ConfigurationError, match=r"There is no warehouse in .*: there is nothing to move"):
        move(tmp_path / "data", address, SST.catalogue, print)
    with pytest.raises(ConfigurationError, match="was not made by a collector"):
        move(tmp_path / "other", address, SST.catalogue, print)
