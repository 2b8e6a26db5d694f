"""The data folder: made for its user alone, and nobody else's folder."""

import subprocess
from pathlib import Path

import pytest

from sst_collector.data_folder import claimed
from sst_core import ConfigurationError, ExitCode, SstError


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(ConfigurationError, match="holds something else than a collector's data"), claimed(tmp_path):
        pytest.fail("it was taken")

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("left", ["warehouse.duckdb", "warehouse.duckdb.moved", "collector-id"])
def test_a_folder_whose_lock_is_lost_is_taken_once_it_was_made_as_is_told(left: str, tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    with claimed(folder):
        (folder / left).touch()
    (folder / "lock").unlink()

    with pytest.raises(SstError, match="has lost its file lock") as refused, claimed(folder):
        pytest.fail("it was taken")

    assert refused.value.exit_code == ExitCode.FAILURE
    assert not (folder / "lock").exists()
    subprocess.run(["sh", "-c", str(refused.value).partition(" run: ")[2]], check=True)
    assert (folder / "lock").stat().st_mode & 0o777 == 0o600
    with claimed(folder):
        pass


def test_the_root_of_a_disk_is_empty_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()

    with claimed(tmp_path):
        assert tmp_path.stat().st_mode & 0o777 == 0o700
