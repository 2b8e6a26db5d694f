"""A peer that can't be installed is reported with what was said last, and never faked."""

from pathlib import Path

import pytest

from installing import NotInstalled, environment


def test_what_was_said_last_is_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(NotInstalled, match="Not a directory"):
        environment(tmp_path / "file" / "peer", ["a-peer"])
