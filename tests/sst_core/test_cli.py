"""The last door: whatever goes wrong inside, a user sees a line and an exit code."""

import gc
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

import pytest

from installed import PYTHON
from sst_core import SST, cli, sst


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """A command has what is there at its start never looked at again: not so in this process."""
    yield
    gc.unfreeze()


def test_control_c_while_a_command_is_looked_up_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "command_table", interrupted)

    with pytest.raises(SystemExit) as ended:
        cli.run(SST, ["build"])
    assert ended.value.code == 130


def test_control_c_while_the_program_is_imported_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting:
        def find_spec(self, name: str, *_: Sequence[str]) -> None:
            if name == "sst_core.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "sst_core.cli")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    monkeypatch.delattr("sst_core.cli", raising=False)

    with pytest.raises(SystemExit) as ended:
        sst.main()
    assert ended.value.code == 130


@pytest.mark.parametrize("module", ["typing", "sst_core.fields", "sst_core.startup", "sst_core.cli", "typer"])
def test_control_c_ends_with_130_and_no_words_whatever_is_being_imported(module: str) -> None:
    program = """
import sys

class Interrupting:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            raise KeyboardInterrupt

sys.modules.pop(sys.argv[1], None)
sys.meta_path.insert(0, Interrupting())
from sst_core.sst import main
main()
"""
    ended = subprocess.run([*PYTHON, "-c", program, module], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device"), "sst: error: No space left on device. "),
        (ValueError("odd"), "sst: error: ValueError: odd. This is a bug, not something you did. "),
    ],
)
@pytest.mark.parametrize("debugging", ["", "1"])
def test_a_crash_is_a_line_and_its_traceback_for_who_asks(
    error: Exception, line: str, debugging: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SST_DEBUG_PLUGINS", debugging)

    with pytest.raises(SystemExit) as ended, cli.ending_in_words(SST, lambda: None):
        raise error

    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert told.startswith(f"{line}SST_DEBUG_PLUGINS=1 shows where.\n")
    assert ("Traceback" in told) is bool(debugging)


class Unsayable(ValueError):
    def __str__(self) -> str:
        raise RuntimeError("str")


def test_a_crash_whose_text_can_not_be_made_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, cli.ending_in_words(SST, lambda: None):
        raise Unsayable

    assert ended.value.code == 1
    assert "sst: error: Unsayable: <exception str() failed>. This is a bug" in capsys.readouterr().err
