"""The plugin, as its user has it: installed on a machine, beside everything else."""

from pathlib import Path

import pytest
from sst_core.testing import Machine

PROJECT = Path(__file__).parents[1]

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def installed(machine: Machine) -> Machine:
    """A machine with an app to build, and the plugin as pyproject.toml has it."""
    machine.plug_project(PROJECT)
    machine.project('build = ["echo", "built"]')
    return machine


def test_it_says_how_a_command_ended(installed: Machine) -> None:
    run = installed.in_process("build")

    assert (run.returncode, run.stdout) == (0, "built\n")
    assert run.stderr == "example: build ended with 0\n"


def test_its_command_is_listed_and_runs(installed: Machine) -> None:
    run = installed.in_process("example", "greet", "--name", "you")

    assert run.stdout == "Hello, you!\n"
    assert "example" in installed.in_process("--help").stdout


def test_the_doctor_finds_nothing_wrong(installed: Machine) -> None:
    run = installed.sst("plugins", "doctor", "example")

    assert run.returncode == 0, run.stdout
