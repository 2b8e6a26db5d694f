"""What a wait is for, told to a person who waits for longer than a moment."""

import sys
import threading

import pytest

from sst_core import timeline, waiting


class Terminal:
    """Where a person reads."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        self.told.set()


def test_a_person_who_waits_is_told_what_for(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(timeline, "SOON", 0.01)

    before = threading.enumerate()

    with waiting("Waiting for it."):
        assert terminal.told.wait(30)

    assert terminal.text == "Waiting for it.\n"
    assert set(threading.enumerate()) <= set(before)


def test_of_a_short_wait_nothing_is_told_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(timeline, "SOON", 1e6)
    before = threading.enumerate()

    with pytest.raises(KeyboardInterrupt), waiting("Waiting for it."):
        raise KeyboardInterrupt

    assert terminal.text == ""
    assert set(threading.enumerate()) <= set(before)


def test_where_no_person_is_no_thread_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(timeline, "SOON", 0.0)
    before = threading.enumerate()

    with waiting("Waiting for it."):
        assert set(threading.enumerate()) <= set(before)

    assert capsys.readouterr() == ("", "")
