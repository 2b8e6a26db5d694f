"""A lock that goes with its process."""

import stat
import subprocess
from pathlib import Path

import pytest

from installed import PYTHON
from sst_core import held, held_if_free

_HOLD = (
    "import sys; from pathlib import Path; from sst_core import held\n"
    "with held(Path(sys.argv[1]), 30.0): print('held', flush=True); sys.stdin.read()"
)


# As on Windows: a byte far beyond what is written is locked, from where the file stands.
_ON_WINDOWS = """
import fcntl, os, sys, types
from pathlib import Path

def locking(descriptor, mode, size):
    assert mode == 2
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, size, os.lseek(descriptor, 0, os.SEEK_CUR))

sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
sys.platform = "win32"
from sst_core.locks import held, held_if_free
"""


def on_windows(path: Path, code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*PYTHON, "-c", _ON_WINDOWS + code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_on_windows_a_lock_is_one_too_and_what_its_holder_writes_is_at_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("of before")
    holding = "with held(Path(sys.argv[1]), 0) as lock: os.write(lock, b'7'); print(flush=True); sys.stdin.read()"
    asking = (
        "with held_if_free(Path(sys.argv[1])) as mine: print(mine is not None and os.read(mine, 9))\n"
        "try:\n    with held(Path(sys.argv[1]), 0): print('taken')\nexcept TimeoutError: print('held')"
    )
    with on_windows(path, holding) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "\n"
        assert path.read_bytes() == b"7"
        assert on_windows(path, asking).communicate(timeout=30)[0] == "False\nheld\n"
        first.kill()

    assert on_windows(path, asking).communicate(timeout=30)[0] == "b'7'\ntaken\n"


def holder(path: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [*PYTHON, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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
