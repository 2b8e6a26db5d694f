"""A lock that goes with its process."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sst_core import held, held_if_free

_HOLD = (
    "import sys; from pathlib import Path; from sst_core import held\n"
    "with held(Path(sys.argv[1]), 30.0): print('held', flush=True); sys.stdin.read()"
)


def holder(path: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_free_until_held_and_again_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held_if_free(path) as mine:
        assert mine
    with holder(path) as process:
        with held_if_free(path) as mine:
            assert not mine
        process.communicate("")
    with held_if_free(path) as mine:
        assert mine
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_lock_goes_with_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        process.kill()
        process.communicate()

    with held(path, 30.0), held_if_free(path) as mine:
        assert not mine


def test_a_lock_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), held(tmp_path / "no" / "lock", 30.0):
        raise AssertionError("held")
