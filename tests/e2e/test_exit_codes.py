"""The exit codes: each row of the table in `docs/commands.md`, by commands that end so."""

import re
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from loopback import Loopback
from sst_collector.data_folder import claimed
from sst_core import ExitCode
from sst_core.testing import Machine

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
TABLE = PAGE.read_text().partition("generated: exit_codes -->")[2].partition("<!-- end -->")[0]
_ENDING = """
from sst_core import Detected, hookimpl

@hookimpl
def detect_provider(context, root, settings): return Detected("ending", "it is a test")

@hookimpl
def build(context, project, options): raise {error}
"""


def succeeds(machine: Machine) -> int:
    return machine.sst("--version").returncode


def fails(machine: Machine) -> int:
    machine.install("ending", _ENDING.format(error="ValueError('odd')"), {"sst.plugins": {"ending": "ending"}})
    run = machine.sst("build")
    assert "ValueError: odd" in run.stderr
    return run.returncode


def leaves_something_to_ask(machine: Machine) -> int:
    collector = Loopback()
    url = machine.environ["SST_TELEMETRY_URL"] = collector.url
    machine.project('build = ["true"]')
    for arguments in (("telemetry", "enable"), ("build",), ("telemetry", "flush")):
        assert machine.sst(*arguments).returncode == 0
    collector.close()
    for command in ("forget", "reset"):
        run = machine.sst("telemetry", command)
        assert run.stderr.startswith(f"sst: error: {url} did not confirm ("), command
        assert run.stdout == ""
    return run.returncode


def finds_something_wrong(machine: Machine) -> int:
    run = machine.sst("collector", "doctor", "--data", "nowhere")
    assert run.stdout.startswith("wrong: there is no folder nowhere")
    assert run.stderr == "", "what it found is its answer"
    return run.returncode


def has_nothing_published(machine: Machine) -> int:
    (machine.folder / "empty").mkdir()
    for command in (("stats",), ("export", "site")):
        run = machine.sst("collector", *command, "--data", "empty")
        assert run.stderr.startswith("sst: error: Nothing was published in empty yet."), command
        assert (run.returncode, (machine.folder / "site").exists()) == (1, False), command
    return run.returncode


def finds_its_port_taken(machine: Machine) -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = machine.sst("collector", "serve", "--data", "data", "--port", port)
    assert "Address already in use" in run.stderr
    return run.returncode


def finds_its_folder_in_use(machine: Machine) -> int:
    with claimed(machine.folder / "data"):
        run = machine.sst("collector", "serve", "--data", "data", "--port", "0")
    assert "is in use by another collector" in run.stderr
    return run.returncode


def names_what_is_no_host(machine: Machine) -> int:
    run = machine.sst("collector", "serve", "--data", "data", "--host", "no host")
    assert "Can't listen on no host: " in run.stderr
    assert not (machine.folder / "data").exists(), "nothing was done"
    return run.returncode


def names_what_is_no_certificate(machine: Machine) -> int:
    (machine.folder / "pem").touch()
    run = machine.sst("collector", "serve", "--data", "data", "--tls-cert", "pem", "--tls-key", "pem")
    assert "TLS can't be used with pem and pem: not PEM, or not a pair." in run.stderr
    assert not (machine.folder / "data").exists(), "nothing was done"
    return run.returncode


def is_mistyped(machine: Machine) -> int:
    return machine.sst("bild").returncode


def is_configured_wrongly(machine: Machine) -> int:
    machine.project("no TOML")
    return machine.sst("build").returncode


def has_no_project(machine: Machine) -> int:
    return machine.sst("deploy").returncode


def lacks_its_tool(machine: Machine) -> int:
    machine.project('build = ["no-such-program"]')
    return machine.sst("build").returncode


def is_interrupted(machine: Machine) -> int:
    machine.project(f'build = ["{sys.executable}", "-c", "print(\'begun\', flush=True); import time; time.sleep(60)"]')
    terminal = machine.terminal("build")
    terminal.wait_for("begun")
    terminal.type("\x03")
    return terminal.end().exit_code


def has_its_tool_killed(machine: Machine) -> int:
    for number in (signal.SIGHUP, signal.SIGKILL):
        machine.project(f'build = ["sh", "-c", "kill -{int(number)} $$"]')
        assert machine.sst("build").returncode == 128 + number
    machine.project('build = ["sh", "-c", "kill -TERM $$"]')
    return machine.sst("build").returncode


def ends_as_its_tool_does(machine: Machine) -> int:
    machine.project('build = ["sh", "-c", "exit 7"]')
    return machine.sst("build").returncode


def ends_as_a_plugin_says(machine: Machine) -> int:
    machine.install("ending", _ENDING.format(error="SystemExit(9)"), {"sst.plugins": {"ending": "ending"}})
    return machine.sst("build").returncode


CASES: Mapping[Callable[[Machine], int], tuple[str, int]] = {
    succeeds: ("0", 0),
    fails: ("1", 1),
    leaves_something_to_ask: ("1", 1),
    finds_something_wrong: ("1", 1),
    has_nothing_published: ("1", 1),
    finds_its_port_taken: ("1", 1),
    finds_its_folder_in_use: ("1", 1),
    names_what_is_no_host: ("2", 2),
    names_what_is_no_certificate: ("2", 2),
    is_mistyped: ("2", 2),
    is_configured_wrongly: ("2", 2),
    has_no_project: ("2", 2),
    lacks_its_tool: ("127", 127),
    is_interrupted: ("130", 130),
    has_its_tool_killed: ("128 + N", 143),
    ends_as_its_tool_does: ("other", 7),
    ends_as_a_plugin_says: ("other", 9),
}


@pytest.mark.parametrize("ends", CASES, ids=lambda case: case.__name__)
def test_a_command_ends_as_the_table_says(machine: Machine, ends: Callable[[Machine], int]) -> None:
    assert ends(machine) == CASES[ends][1]


def test_there_is_a_case_for_each_row_and_a_row_for_each_code_of_the_cores() -> None:
    rows = set(re.findall(r"^\| ([^|]+) \| [^|]+ \|$", TABLE, re.MULTILINE)) - {"exit code"}

    assert rows == {row for row, _ in CASES.values()}
    assert rows - {"128 + N", "other"} == {str(int(code)) for code in ExitCode}
