"""Long lines: broken between words for a person at a terminal, and left whole for a script."""

import io
from collections.abc import Iterator
from typing import IO

import pytest

from sst_core import fitted
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
def test_where_no_person_reads_it_stays_whole(stream: IO[str] | None) -> None:
    assert fitted(LONG, stream) == LONG


def test_a_line_is_as_wide_as_the_terminal(terminal: IO[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(len(LONG)))
    assert fitted(LONG, terminal) == LONG
    monkeypatch.setenv("COLUMNS", "5")
    assert max(map(len, fitted("  a b c d e f", terminal).splitlines())) <= 5


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
