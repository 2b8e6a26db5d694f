"""Where a command works: the folder that it was called in, if that is still there."""

from pathlib import Path

import pytest

from sst_core import ConfigurationError
from sst_core.project import existing, working_folder


def test_a_working_directory_that_was_deleted_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert working_folder() == existing(working_folder()) == tmp_path
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert working_folder() is None
    with pytest.raises(ConfigurationError, match="does not exist any more"):
        existing(working_folder())
