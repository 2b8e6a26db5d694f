"""Whether a person is there, whatever has become of the streams; and a line for them that never fails."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

import pytest

from sst_core import can_ask, is_terminal, output, output_result, printable, say
from sst_core.terminal import leads_nowhere, unwritten
from streaming import closed, open_terminal


@pytest.fixture
def terminal() -> Iterator[IO[str]]:
    with open_terminal() as stream:
        yield stream


def test_a_person_reads_stderr_and_types_on_stdin(terminal: IO[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    for stdin, can in ((terminal, True), (io.StringIO(), False), (None, False), (closed(), False)):
        monkeypatch.setattr(sys, "stdin", stdin)
        assert (is_terminal(sys.stderr), can_ask()) == (True, can)


def test_nobody_reads_what_is_no_terminal(terminal: IO[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", terminal)
    for stderr in (io.StringIO(), None, closed()):
        monkeypatch.setattr(sys, "stderr", stderr)
        assert (is_terminal(sys.stderr), can_ask()) == (False, False)


def test_what_is_thrown_away_leads_nowhere(terminal: IO[str], tmp_path: Path) -> None:
    with Path(os.devnull).open("w") as null, (tmp_path / "log").open("w") as log:
        assert [leads_nowhere(stream) for stream in (None, null)] == [True, True]
        assert [leads_nowhere(stream) for stream in (log, terminal, io.StringIO(), closed())] == [False] * 4


def test_a_line_is_told_or_it_is_not(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert say("a line") is True
    assert capsys.readouterr() == ("", "a line\n")
    for stderr in (None, closed(), object()):
        monkeypatch.setattr(sys, "stderr", stderr)
        assert say("a line") is False
    with open("/dev/full", "w") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stderr", full)
        assert say("a line") is False
        with suppress(OSError):
            full.close()
    assert capsys.readouterr().out == "", "and never on stdout"


def test_what_is_said_is_as_wide_as_the_terminal_if_it_is_to_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    say("a line that is longer than that")
    say("a line that is longer than that", fit=True)

    assert capsys.readouterr().err == "a line that is longer than that\na line that is\nlonger than that\n"


def test_what_could_steer_a_terminal_is_written_out_in_one_line() -> None:
    assert printable("plain Übersicht …") == "plain Übersicht …"
    assert printable("a\x1b[2J\nb\r\x7f\x9b\u2028\udce9") == r"a\x1b[2J\nb\r\x7f\x9b\u2028\udce9"
    assert printable(printable("\x1b")) == printable("\x1b")


def test_what_stdout_cannot_take_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1", newline=""))

    output("Ü … \x1b\nnext")

    assert written.getvalue() == b"\xdc \\u2026 \\x1b\nnext\n"


def test_what_is_to_fit_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    output("a line that is longer than that", fit=True)
    assert capsys.readouterr().out == "a line that is longer than that\n", "stdout is no terminal"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    output("a line that is longer than that")
    output("a line that is longer than that", fit=True)

    assert capsys.readouterr().out == "a line that is longer than that\na line that is\nlonger than that\n"


def test_a_result_is_words_for_people_or_whole_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    output_result({"left": "more than has room in a line"}, "a line that is longer than that", as_json=False)
    output_result({"left": "more than has room in a line"}, "a line that is longer than that", as_json=True)

    words, _, values = capsys.readouterr().out.partition("{")
    assert words == "a line that is\nlonger than that\n"
    assert values == '\n  "left": "more than has room in a line"\n}\n'


def test_what_stdout_does_not_take_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OSError, match="No space left"):
            output("a line")
        with suppress(OSError):
            full.close()


def test_a_stream_that_takes_nothing_is_let_go_of(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as ended:
        pass
    for stream in (None, ended, closed(), io.StringIO(), cast("IO[str]", object())):
        assert unwritten(stream) is None
    with open("/dev/full", "w") as full:  # noqa: PTH123
        full.write("a line")
        why = unwritten(full)
        assert why is not None
        assert why.strerror == "No space left on device"
        assert unwritten(full) is None
