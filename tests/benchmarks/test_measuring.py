"""What a run cost, and what it left behind."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apart import Apart, a_process_apart
from measuring import Failed, run

if sys.platform != "linux":
    pytest.skip("only Linux tells what became of a process that was left behind", allow_module_level=True)

STARTING = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {code!r}], start_new_session=True){wait}
"""
WORKING = """
import time
while time.process_time() < 0.5:
    pass
open("worked", "w")
"""
SLEEPING = "import time; open('slept', 'w'); time.sleep(1000)"


@pytest.fixture
def apart() -> Iterator[Apart]:
    """Calls a function in a process of its own."""
    with a_process_apart() as apart:
        yield apart


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


def test_what_a_command_leaves_behind_is_awaited_and_accounted_for_apart(apart: Apart, tmp_path: Path) -> None:
    ran = apart(run, python(STARTING.format(code=WORKING, wait="")), {}, tmp_path)

    assert (tmp_path / "worked").exists()
    assert ran.left >= 0.5
    assert ran.cpu < ran.left
    assert ran.wall < ran.stdout <= ran.gone, "it held stdout"
    assert ran.memory > 0


def test_what_a_command_waits_for_is_its_own(apart: Apart, tmp_path: Path) -> None:
    ran = apart(run, python(STARTING.format(code=WORKING, wait=".wait()")), {}, tmp_path)

    assert ran.cpu >= 0.5
    assert ran.left == 0


def test_what_is_left_behind_is_ended_when_patience_is_over(apart: Apart, tmp_path: Path) -> None:
    ran = apart(run, python(STARTING.format(code=SLEEPING, wait="")), {}, tmp_path, patience=2.0)

    assert (tmp_path / "slept").exists()
    assert ran.wall < ran.gone


def test_a_command_that_hangs_is_ended_and_has_not_failed(apart: Apart, tmp_path: Path) -> None:
    ran = apart(run, python(SLEEPING), {}, tmp_path, cap=2.0)

    assert ran.wall >= 2.0


def test_the_children_of_nobodys_run_are_left_alone(apart: Apart, tmp_path: Path) -> None:
    nobodys = apart(os.posix_spawn, sys.executable, python("import time; time.sleep(1000)"), {})

    apart(run, python(STARTING.format(code=SLEEPING, wait="")), {}, tmp_path, not_ours=[nobodys], patience=1.0)

    apart(os.kill, nobodys, signal.SIGTERM)
    assert apart(os.waitpid, nobodys, 0) == (nobodys, signal.SIGTERM)


def test_a_command_that_fails_says_why(apart: Apart, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="no such luck"):
        apart(run, python("import sys; print('Traceback', file=sys.stderr); sys.exit('no such luck')"), {}, tmp_path)
