"""`--json`: each command has it, or the page says what a script reads instead; its keys, and how an error looks."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sst_collector.data_folder import DataFolder, claimed
from sst_collector.publishing.snapshot import nothing_published
from sst_collector.warehouse.duckdb.file import mark_moved
from sst_core import SST
from sst_core.testing import Machine

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
_SECTION = PAGE.read_text().partition("\n## JSON\n")[2].partition("\n## ")[0]


def rows(heading: str) -> Mapping[str, str]:
    """The last cell of each row, by each command of its first: of the table whose heading that is."""
    table = _SECTION.partition(f"| command | {heading} |")[2].partition("\n\n")[0]
    found = re.findall(r"^\| (`sst.*?`) \| (?:.* \| )?(.*) \|$", table, re.MULTILINE)
    return {command: last for commands, last in found for command in re.findall(r"`([^`]+)`", commands)}


KEYS = {
    command: re.findall(r"`(\w+)`", keys)
    for command, keys in rows("what it prints with `--json` | the keys of an object").items()
}
OTHERS = rows("what a script reads")
WAREHOUSE = "--warehouse clickhouse://127.0.0.1:9/sst"

# How each is called so that it prints something.
CALLS: Mapping[str, str] = {
    "sst collector doctor": "--data data",
    "sst collector move": f"--data data {WAREHOUSE}",
    "sst collector export": "site --data data",
    "sst collector stats": "--data data",
    "sst plugins new": "sst-hello",
}
# How each is called so that it can't do what it should, with the exit code. A command line that is wrong is for all.
FAILING: Mapping[str, tuple[str, int]] = {
    "sst deploy": ("--stage dev", 2),
    "sst remove": ("--stage dev", 2),
    "sst diff": ("", 2),
    "sst collector doctor": ("--data data --warehouse http://127.0.0.1", 2),
    "sst collector move": (f"--data nowhere {WAREHOUSE}", 2),
    "sst collector export": ("site --data nowhere", 1),
    "sst collector stats": ("--data nowhere", 1),
    "sst plugins doctor": ("no-such-plugin", 2),
    "sst plugins new": ("sst", 2),
    "sst telemetry enable": ("", 2),
    "sst telemetry disable": ("", 2),
    "sst telemetry show": ("--preview no-such-command", 2),
    "sst telemetry purge": ("", 2),
    "sst telemetry forget": ("", 2),
    "sst telemetry reset": ("", 2),
    "sst telemetry flush": ("", 2),
}
# These answer whatever is wrong, since that is what they are asked for.
ALWAYS_ANSWER = {"sst plugins list", "sst telemetry", "sst telemetry status", "sst telemetry catalog"}


@pytest.fixture
def served(machine: Machine) -> Machine:
    """A machine with a project that can be deployed, and the data folder of a collector whose runs were moved."""
    machine.project(*(f'{name} = ["true"]' for name in ("deploy", "remove", "diff")))
    data = DataFolder(machine.folder / "data")
    with claimed(data.path):
        data.snapshot.write_bytes(nothing_published(SST.catalogue))
        mark_moved(data.warehouse)
    return machine


def test_each_command_has_it_or_there_is_a_reason(helps: Mapping[str, str]) -> None:
    commands = {path for path, text in helps.items() if "COMMAND [ARGS]" not in text}
    having = {path for path, text in helps.items() if "--json" in text}

    assert having == KEYS.keys()
    assert commands - having == OTHERS.keys() - {"sst --version"}


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("command", KEYS)
def test_what_is_printed_has_the_keys_that_the_page_says(served: Machine, command: str) -> None:
    run = served.sst(*command.split()[1:], *CALLS.get(command, "").split(), "--json")

    told = json.loads(run.stdout)
    if command != "sst collector stats":  # which are the bytes of /stats.json
        assert run.stdout == json.dumps(told, indent=2) + "\n"
    for each in told if isinstance(told, list) else [told]:
        assert list(each) == KEYS[command]


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("command", KEYS)
def test_of_a_wrong_command_line_nothing_is_on_stdout(machine: Machine, command: str) -> None:
    run = machine.sst(*command.split()[1:], "--json", "--no-such-option")

    assert (run.returncode, run.stdout) == (2, "")
    assert "No such option: --no-such-option" in run.stderr


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("command", FAILING)
def test_an_error_is_a_line_on_stderr_and_nothing_on_stdout(machine: Machine, command: str) -> None:
    arguments, code = FAILING[command]
    # Without a home folder, nothing that is kept of a user can be found.
    env = {"HOME": "nowhere"} if command.startswith("sst telemetry") else {}

    run = machine.sst(*command.split()[1:], *arguments.split(), "--json", env=env)

    assert (run.returncode, run.stdout) == (code, ""), run.stderr
    assert re.search(r"^(sst: error: |Error: |Invalid value)", run.stderr, re.MULTILINE), run.stderr
    assert "\x1b" not in run.stderr
    assert "Traceback" not in run.stderr


def test_whoever_can_fail_is_tried() -> None:
    assert FAILING.keys() | ALWAYS_ANSWER == KEYS.keys()


READ: Mapping[str, Callable[[Machine], bool]] = {
    "sst --version": lambda machine: machine.sst("--version").stdout == f"sst {SST.version}\n",
    "sst build": lambda machine: machine.sst("build").stdout == "",
    "sst start": lambda machine: machine.sst("start").stdout == "",
}


@pytest.mark.parametrize("command", READ)
def test_the_others_print_what_the_page_says_that_a_script_reads(machine: Machine, command: str) -> None:
    machine.project('build = ["true"]', 'start = ["true"]')

    assert READ[command](machine)
    assert OTHERS.keys() == READ.keys() | {"sst collector serve"}, "which is in the tests of serve"
