"""The tables say what was measured, and stand in the pages as they were printed."""

import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

import commands
from measuring import CAP, Run
from rows import Measured, Row

ROOT = Path(__file__).parents[2]
COMMANDS = ROOT / "benchmarks" / "commands.py"


def ran(*walls: float, left: float = 0.0) -> dict[int, Run]:
    """Runs of these many seconds, all of them CPU."""
    return {number: Run(wall, wall, left, wall, wall, 1024) for number, wall in enumerate(walls)}


@pytest.fixture
def measured() -> Measured:
    """Three rounds, with a peer that hung in the two that it took part in."""
    hung = {number: run for number, run in ran(0.1, CAP + 0.1, CAP + 0.2).items() if number}
    return Measured(
        3,
        [
            Row("cost bare", "bare Typer", runs=ran(0.1, 0.2, 0.1)),
            Row("cost off", "`sst` off", base="cost bare", runs=ran(0.2, 0.2, 0.2)),
            Row("control", "`sst` off, once more", base="cost off", runs=ran(0.2, 0.202, 0.19)),
            Row("cost on", "`sst` on", "refused", "cost off", ran(0.21, 0.21, 0.22, left=0.3), (1, 20)),
            Row("cost peer", "a peer 1.0", "hanging", "cost bare", hung),
        ],
        {"another peer": "ERROR: it does not exist"},
        [Row("sender up", "`sst` on", "up", runs=ran(0.2, left=0.4))],
        {"the first record": [0.3, 0.4, 0.9]},
    )


def tables(measured: Measured, folder: Path, *options: str) -> str:
    """What is printed of what was measured."""
    measured.save(folder / "measured.json")
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patching, redirect_stdout(printed):
        patching.setattr(sys, "argv", [str(COMMANDS), "--from", str(folder / "measured.json"), *options])
        commands.main()
    return printed.getvalue()


def test_each_line_has_its_medians_and_what_it_is_compared_with(measured: Measured, tmp_path: Path) -> None:
    lines = tables(measured, tmp_path).splitlines()

    assert "| `sst` on | refused | 210.0 (210.0–220.0) | 10.0 | 2.10 | 1 of 20 | 3 |" in lines  # noqa: RUF001
    assert "| `sst` on | refused | 210.0 (210.0–220.0) | 10.0 | 2.10 | 300.0 |  |" in lines  # noqa: RUF001
    assert "| `sst` on | refused | 1.050 (1.050–1.100) | 1.050 (1.050–1.100) | 3 |" in lines  # noqa: RUF001


def test_what_was_ended_is_shown_as_longer(measured: Measured, tmp_path: Path) -> None:
    line, _ = [line for line in tables(measured, tmp_path).splitlines() if "a peer" in line and "hanging" in line]

    assert line.startswith("| a peer 1.0 | hanging | > 30 s | > 30,000 | > 226.25 |")
    assert line.endswith(" | 2 |")


def test_who_could_not_be_measured_is_named_with_the_reason(measured: Measured, tmp_path: Path) -> None:
    assert "- Not measured: another peer. ERROR: it does not exist" in tables(measured, tmp_path)


@pytest.mark.parametrize(("again", "verdict"), [(0.203, "so that the others count"), (0.205, "DON'T count")])
def test_ratios_count_only_beside_a_quiet_control(
    measured: Measured, tmp_path: Path, again: float, verdict: str
) -> None:
    measured["control"].runs = ran(again, again, again)

    assert verdict in tables(measured, tmp_path)


@pytest.mark.parametrize(("ratio", "verdict"), [(1.0299, "within"), (1.0301, "MORE THAN")])
def test_the_highest_ratio_of_on_to_off_is_judged(
    measured: Measured, tmp_path: Path, ratio: float, verdict: str
) -> None:
    measured["cost on"].runs = ran(*[0.2 * ratio] * 3)

    assert f"{ratio:.3f}, which is {verdict} the 1.03" in tables(measured, tmp_path).replace("\n", " ")


@pytest.mark.parametrize(("key", "most"), [("cost off", 1.15), ("start off", 1.0), ("start many build", 1.1)])
def test_what_starting_up_takes_is_judged(measured: Measured, tmp_path: Path, key: str, most: float) -> None:
    if key != "cost off":
        measured.rows.append(Row(key, key, base="cost bare", runs=ran(*[0.0] * 3)))
    bare = measured["cost bare"].runs
    for factor, verdict in ((0.999, "within"), (1.001, "MORE THAN")):
        measured[key].runs = ran(*[run.wall * most * factor for run in bare.values()])

        assert f"{most * factor:.3f}, which is {verdict} the {most} " in tables(measured, tmp_path).replace("\n", " ")


def test_what_recording_takes_in_the_process_stands_beside_what_it_may_take(measured: Measured, tmp_path: Path) -> None:
    assert "| the first record | 0.40 (0.30–0.90) | 0.5 | 3 | within |" in tables(  # noqa: RUF001
        measured, tmp_path
    )


def test_the_summary_has_a_line_for_each_program(measured: Measured, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- measured: bench_summary -->\n<!-- end -->\n")

    tables(measured, tmp_path, "--write", str(page))

    assert (
        "a command, which takes 100.0 ms in bare Typer and 200.0 ms in `sst` with telemetry off:"
        in page.read_text().replace("\n", " ")
    )
    assert page.read_text().splitlines()[-5:-2] == [
        "|---| ---: | ---: | ---: | ---: |",
        "| `sst` on |  | 10.0 |  | 1 of 20 |",
        "| a peer 1.0 |  |  | > 30,000 |  |",
    ]


@pytest.mark.parametrize(("page", "name"), [("README.md", "bench_summary"), ("docs/benchmarks.md", "bench")])
def test_the_pages_have_a_place_for_them(page: str, name: str) -> None:
    text = (ROOT / page).read_text()

    assert text.count(f"<!-- measured: {name} -->\n") == 1
    assert text.index(f"<!-- measured: {name} -->") < text.index("<!-- end -->")


def test_they_take_the_place_of_the_old_ones_and_of_nothing_else(measured: Measured, tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("before\n<!-- measured: bench -->\nold\n<!-- end -->\nafter\n")

    printed = tables(measured, tmp_path, "--write", str(page))

    assert page.read_text() == f"before\n<!-- measured: bench -->\n\n{printed}\n<!-- end -->\nafter\n"


def test_a_page_without_a_place_for_them_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n")

    ended = subprocess.run(
        [sys.executable, str(COMMANDS), "--write", str(page)], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{page} has no place for the tables" in ended.stderr
