"""Three Typer programs from PyPI, unchanged, wrapped from outside: they work as before, and say nothing of it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from installed import PYTHON
from projects import write_script
from sst_core.testing import Machine


@dataclass(frozen=True, slots=True)
class Program:
    """One of them, and how it is used here."""

    name: str
    module: str
    """Where its Typer app is, as `app`."""
    distribution: str
    works: tuple[Sequence[str], ...]
    """What is run, each recorded under its first word; some of it fails, in the program's own way."""


PROGRAMS = (
    Program(
        "usethis",
        "usethis._ui.app",
        "usethis",
        works=(["version"], ["show", "name"], ["tool", "ruff", "--no-such"]),
    ),
    Program(
        "toml",
        "toml_cli",
        "toml-cli",
        works=(["set", "table.key", "2"], ["get", "table.key"], ["get", "nothing"], ["get", "--help"]),
    ),
    Program("cruft", "cruft._cli", "cruft", works=(["check"], ["link", "--help"], ["create"])),
)


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.name)
def program(request: pytest.FixtureRequest, machine: Machine) -> Program:
    """Installed twice: as it is, in `plain/`, and wrapped by a module of two lines."""
    found: Program = request.param
    site, scripts = machine.home.parent / "plugins", machine.home.parent / "bin"
    site.mkdir()
    (scripts / "plain").mkdir(parents=True)
    (site / "wrapped.py").write_text(
        f"from {found.module} import app\nfrom sst_core import adopt\n"
        f"main = adopt(app, {found.name!r}, distribution={found.distribution!r})\n"
    )
    write_script(scripts / "plain" / found.name, f"{found.module}:app")
    write_script(scripts / found.name, "wrapped:main")
    machine.environ |= {"PYTHONPATH": str(site), "COLUMNS": "160"}
    machine.program = scripts / found.name
    (machine.folder / "config.toml").write_text("[table]\nkey = 1\n")
    return found


def plain(machine: Machine) -> tuple[str, ...]:
    """The program as it is."""
    return (str(machine.program.parent / "plain" / machine.program.name),)


def run(machine: Machine, arguments: Sequence[str], program: tuple[str, ...] = ()) -> tuple[int, str, str, list[str]]:
    """What it said, how it ended, and the files it left."""
    ended = machine.sst(*arguments, program=program)
    left = sorted(f"{path.name}: {path.read_text()}" for path in machine.folder.iterdir())
    (machine.folder / "config.toml").write_text("[table]\nkey = 1\n")
    for path in machine.folder.iterdir():
        if path.name != "config.toml":
            path.unlink()
    return ended.returncode, ended.stdout, ended.stderr, left


def test_its_commands_work_as_before_and_are_recorded_as_registered(machine: Machine, program: Program) -> None:
    before = [run(machine, arguments, plain(machine)) for arguments in program.works]
    assert machine.sst("telemetry", "enable").returncode == 0

    now = [run(machine, arguments) for arguments in program.works]

    assert now == before
    assert any(ended[0] == 0 for ended in now)
    assert any(ended[0] != 0 for ended in now)
    ran = [arguments[0] for arguments in program.works if not set(arguments) & {"--help", "--no-such", "create"}]
    recorded = [json.loads(path.read_text()) for path in machine.queued()]
    assert [run["command"] for run in recorded] == ran
    assert {run["version"] for run in recorded} == {_version(program.distribution)}


def test_its_help_lists_one_command_more_and_its_catalogue_what_is_registered(
    machine: Machine, program: Program
) -> None:
    before = [line.split() for line in machine.sst("--help", program=plain(machine)).stdout.splitlines()]
    now = machine.sst("--help").stdout
    added = [line.split() for line in now.splitlines() if line.split() not in before]

    assert [line for line in before if line not in [line.split() for line in now.splitlines()]] == []
    assert [line for line in added if line[1:2] == ["telemetry"]] == [
        ["│", "telemetry", "See", "and", "control", "what", "is", "recorded.", "│"]
    ]
    assert len(added) == 1 or [line[1] for line in added] == ["Commands", "telemetry"]
    assert "sst" not in now.replace("assist", "")

    names = "import json, typer.main; from wrapped import main; print(json.dumps([" + (
        "list(typer.main.get_command(main.app).commands), list(main.product.catalogue['command'].kind.values)]))"
    )
    registered, listed = json.loads(machine.sst("-c", names, program=(sys.executable,)).stdout)
    assert listed == [*registered, "plugin"]
    assert len(registered) > 1


def _version(distribution: str) -> str:
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    return subprocess.run([*PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
