"""Environments with many distributions are found as such, and `sst` runs in them."""

import subprocess
from pathlib import Path

from distributions import environment
from sst_core.testing import PROGRAM


def test_there_are_as_many_as_are_wanted_and_sst_runs_among_them(tmp_path: Path) -> None:
    python, count = environment(tmp_path / "python", 300)

    found = subprocess.run(
        [python, "-c", "from importlib.metadata import distributions; print(len(set(distributions())))"],
        capture_output=True,
        text=True,
        check=True,
    )
    listed = subprocess.run([python, PROGRAM, "--help"], capture_output=True, text=True, check=True)

    assert (count, found.stdout) == (300, "300\n")
    assert "build" in listed.stdout


def test_what_is_there_already_is_counted_as_it_is(tmp_path: Path) -> None:
    _, count = environment(tmp_path / "python", 1)

    assert count > 1
