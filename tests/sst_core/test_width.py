"""Long lines: broken between words for a person at a terminal, and left whole for a script."""

import io
import termios
from collections.abc import Iterator
from typing import IO

import pytest

from sst_core.testing import PROGRAM, Machine
from sst_core.width import fitted
from streaming import closed, open_terminal


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[IO[str]]:
    """One of 40 columns."""
    monkeypatch.setenv("COLUMNS", "40")
    with open_terminal() as stream:
        yield stream


LONG = "sst: error: there is nothing here that anybody could build."


def test_a_long_line_is_broken_between_words(terminal: IO[str]) -> None:
    assert fitted(LONG, terminal) == "sst: error: there is nothing here that\nanybody could build."


@pytest.mark.parametrize("stream", [None, io.StringIO(), closed()])
def test_where_no_person_reads_it_stays_whole(stream: IO[str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert fitted(LONG, stream) == LONG


def test_a_line_is_as_wide_as_the_terminal(terminal: IO[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(len(LONG)))
    assert fitted(LONG, terminal) == LONG
    monkeypatch.setenv("COLUMNS", "5")
    assert max(map(len, fitted("  a b c d e f", terminal).splitlines())) <= 5


@pytest.mark.parametrize("columns", [None, "0", "wide"])
def test_where_nothing_says_otherwise_it_is_the_streams_own_terminal(
    terminal: IO[str], monkeypatch: pytest.MonkeyPatch, columns: str | None
) -> None:
    monkeypatch.delenv("COLUMNS")
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    for width, widest in ((30, 30), (0, 80)):
        termios.tcsetwinsize(terminal, (24, width))
        widths = [len(line) for line in fitted("a " * 60, terminal).splitlines()]
        assert widest - 1 <= max(widths) <= widest


def test_what_only_says_that_it_is_a_terminal_has_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)

    assert len(fitted("a " * 60, stream).splitlines()[0]) == 79


def test_an_error_is_as_wide_as_stderr_where_stdout_is_a_file(machine: Machine) -> None:
    script = 'stty columns 50 <&2; exec "$0" build > "$HOME/out"'

    off = {"SST_TELEMETRY_DISABLED": "1"}
    screen = machine.terminal("-c", script, str(PROGRAM), env=off, program=("/bin/sh",)).end()

    assert screen.text.splitlines()[0] == "sst: error: Nothing here says how to build the"


def test_a_mistake_that_finds_no_room_beside_its_label_has_one(machine: Machine) -> None:
    off = {"SST_TELEMETRY_DISABLED": "1", "COLUMNS": "8"}

    assert machine.on_terminal("nowhere", env=off).text.endswith("Error: No such\ncommand\n'nowhere'.\n")
    assert machine.on_terminal("--nowhere", env=off).text.endswith("Error: No such\noption:\n--nowhere\n")


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        ("  ok  user     there is no objection in it", "  ok  user     there is no objection in\n               it"),
        ("       Run it as the user that it runs as.", "       Run it as the user that it runs\n       as."),
        ("Sent to    nobody: it stays on this machine", "Sent to    nobody: it stays on this\n           machine"),
        (f"  kept     {'x' * 40}", f"  kept     {'x' * 40}"),
        (f"{'x' * 38}  there is no room beside", f"{'x' * 38}\nthere is no room beside"),
        ("Run it as who it is: `sst deploy --stage dev`", "Run it as who it is:\n`sst deploy --stage dev`"),
        ("", ""),
    ],
)
def test_what_follows_stands_below_the_last_column(terminal: IO[str], line: str, broken: str) -> None:
    assert fitted(f"first\n{line}\nlast", terminal) == f"first\n{broken}\nlast"
