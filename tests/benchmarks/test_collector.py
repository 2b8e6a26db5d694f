"""The collector's tables say what was measured, and whether that is what it should be."""

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest

from collector import COLLECTOR, Lap, Measured, main
from intake import history, servers
from intake.events import load
from intake.history import History
from intake.sending import send

ROOT = Path(__file__).parents[2]


def lap(number: int, server: str, shape: str, acknowledged: float, whole: float | None = None) -> Lap:
    return Lap(number, server, shape, 1000, 20_000, acknowledged, whole, 2 * acknowledged)


@pytest.fixture
def measured() -> Measured:
    """Two laps; PostgreSQL was not there."""
    one, twenty = "1 per request", "20 per request"
    laps = [
        *(lap(number, "echo", one, 0.1) for number in (0, 1)),
        lap(0, COLLECTOR, one, 0.5, 0.7),
        lap(1, COLLECTOR, one, 0.4, 0.7),
        *(lap(number, COLLECTOR, twenty, 0.1, 0.25) for number in (0, 1)),
        *(lap(number, "echo", twenty, 0.05) for number in (0, 1)),
    ]
    histories = [History(1_000_000, 40.0, 1.0, 1.5, 102_400), History(10_000_000, 38.0, 9.0, 13.5, 204_800)]
    return Measured(laps, [0.001] * 90 + [0.1] * 10, histories, {"postgresql": "It is not installed."})


def tables(measured: Measured, folder: Path, *options: str) -> str:
    (folder / "measured.json").write_text(json.dumps(asdict(measured)))
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patching, redirect_stdout(printed):
        patching.setattr(sys, "argv", ["collector.py", "--from", str(folder / "measured.json"), *options])
        main()
    return printed.getvalue()


def test_each_line_is_compared_with_the_echo_of_its_lap(measured: Measured, tmp_path: Path) -> None:
    lines = tables(measured, tmp_path).splitlines()
    assert (
        "| 1 per request | `sst collector` | 2,250 (2,000–2,500) | 0.23 (0.20–0.25) "  # noqa: RUF001
        "| 45,000 (40,000–50,000) | 28,571 (28,571–28,571) | 0.50 (0.50–0.50) |"  # noqa: RUF001
    ) in lines


def test_what_is_met_and_what_is_missed_is_said(measured: Measured, tmp_path: Path) -> None:
    text = " ".join(tables(measured, tmp_path).split())
    assert "0.225 of the echo's requests per CPU second; the target, 0.18, is met." in text
    assert "80,000 events per CPU second; the target, 90,000, is MISSED." in text
    assert "this one did 10,000: measured by those, 8.00 where 0.80 was aimed at." in text
    assert "99 % within 100.0 ms, the slowest 100 ms; the target, 20 ms at the 99th percentile, is MISSED." in text
    assert "38 bytes each: the target, 60, is met. A snapshot in 9.0 s: the target, 10 s, is met." in text
    assert "1.33 µs of CPU more for each event of the week, so 134 s for a week of a hundred million" in text
    assert "Not measured: PostgreSQL behind our front, `COPY`. It is not installed." in text


def test_the_docs_have_a_place_for_them(measured: Measured, tmp_path: Path) -> None:
    page = tmp_path / "collector.md"
    page.write_text((ROOT / "docs" / "collector.md").read_text())
    printed = tables(measured, tmp_path, "--write", str(page))
    assert f"<!-- measured: bench_collector -->\n\n{printed}\n<!-- end -->" in page.read_text()


def test_some_requests_are_sent_twice_and_no_event_is_in_two_others() -> None:
    sent = load(1000, 10, zipped=False, seed=1)
    assert (len(sent.requests), sent.sent, sent.distinct) == (102, 1020, 1000)
    assert len(set(sent.requests)) == 100
    assert load(1000, 10, zipped=False, seed=2).requests != sent.requests


def test_a_history_is_counted_and_takes_some_bytes(tmp_path: Path) -> None:
    took = history.measured(tmp_path, 1000)
    assert took.events == 1000
    assert took.bytes_each > 10
    assert took.seconds > 0


def test_a_lap_far_shorter_than_a_tick_of_the_processor_took_something(tmp_path: Path) -> None:
    with servers.echo(tmp_path) as server:
        taken = [server.cpu()]
        for request in load(5, 1, zipped=False, seed=1).requests:
            send(server.port, [request], 1)
            taken.append(server.cpu())
    assert all(after > before for before, after in pairwise(taken))
