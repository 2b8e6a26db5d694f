"""A person at a terminal of 80 columns: no line is wider, and who waits is told what for. In a pipe neither is so."""

import re
import socket
import subprocess
from collections.abc import Mapping

import pytest

from consenting import Consenting
from loopback import Loopback, answer
from sst_collector.data_folder import DataFolder, claimed
from sst_collector.warehouse.duckdb.warehouse import opened
from sst_core import SST, held
from sst_core.testing import PATIENCE, PROGRAM, Machine

WIDTH = 80
TEXTS = [
    "telemetry",
    "telemetry catalog",
    "telemetry enable",
    "telemetry forget",
    "plugins list",
    "plugins doctor",
    "collector stats --data nowhere",
    "collector doctor --data data",
    "deploy",
    "build prod",
    "plugins doctor tsks",
    "collector serve --data data --trusted-proxy localhost",
]


@pytest.fixture
def consenting(machine: Machine) -> Consenting:
    """A machine whose user has seen the notice."""
    there = Consenting(machine)
    there.consent().grant()
    return there


@pytest.mark.parametrize("arguments", TEXTS)
def test_no_line_is_wider_but_for_a_word_that_is(machine: Machine, arguments: str) -> None:
    (machine.folder / "data").mkdir()
    (machine.folder / "data" / "lock").touch()

    text = machine.on_terminal(*arguments.split(), env={"COLUMNS": str(WIDTH)}).text

    assert text
    for line in text.splitlines():
        assert len(line) <= WIDTH or " " not in re.split(r" {2,}", line.strip())[-1], line


def test_the_title_of_a_preview_is_no_wider(machine: Machine) -> None:
    text = machine.on_terminal("telemetry", "show", "--preview", "build", env={"COLUMNS": "40"}).text

    assert text.startswith("`sst build` would send, with ids made up\nfor this:\n{")


def test_a_group_alone_is_its_help_whatever_the_width(machine: Machine) -> None:
    alone, asked = (machine.on_terminal("plugins", *more, env={"COLUMNS": "50"}).text for more in ([], ["--help"]))

    assert alone == asked


def test_in_a_pipe_every_line_is_whole(machine: Machine) -> None:
    run = machine.sst("collector", "stats", "--data", "nowhere", env={"COLUMNS": str(WIDTH)})

    assert run.stderr.count("\n") == 1
    assert max(map(len, machine.sst("telemetry", "catalog", env={"COLUMNS": str(WIDTH)}).stdout.splitlines())) > WIDTH


@pytest.mark.parametrize("command", ["enable", "disable", "purge", "forget", "reset"])
def test_who_waits_for_a_sender_is_told(machine: Machine, consenting: Consenting, command: str) -> None:
    consenting.record("build")
    with held(consenting.locations.lock, 0):
        terminal = machine.terminal("telemetry", command)
        terminal.wait_for("Waiting for a sender or another change to end.")
        terminal.wait_for("\n")
    assert terminal.end().exit_code == 0


@pytest.mark.parametrize("command", ["forget", "reset"])
def test_who_asks_a_collector_is_told_for_how_long(
    machine: Machine, consenting: Consenting, loopback: Loopback, command: str
) -> None:
    consenting.record("build")
    consenting.deliver(loopback.url)
    loopback.otherwise = answer(200, b'{"forgotten": 1}')

    screen, piped = machine.on_terminal("telemetry", command), machine.sst("telemetry", command)

    assert screen.text.startswith("Asking the collector, for 60 seconds at most.\n")
    assert piped.stderr == ""
    assert "Asking" not in piped.stdout


def test_who_sends_what_is_queued_is_told_for_how_long(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    machine.environ["SST_TELEMETRY_URL"] = loopback.url
    consenting.record("build")
    screen = machine.on_terminal("telemetry", "flush")
    consenting.record("build")
    piped = machine.sst("telemetry", "flush")

    assert screen.text == "Sending what is queued, for 60 seconds at most.\nNothing is left to send.\n"
    assert (piped.stdout, piped.stderr) == ("Nothing is left to send.\n", "")


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("command", ["flush", "forget", "reset"])
@pytest.mark.parametrize("why", ["nothing", "no address", "off"])
def test_who_waits_for_no_request_is_told_of_none(
    machine: Machine, consenting: Consenting, loopback: Loopback, command: str, why: str
) -> None:
    machine.environ["SST_TELEMETRY_URL"] = "" if why == "no address" else loopback.url
    machine.environ["SST_TELEMETRY_DISABLED"] = "1" if why == "off" else ""
    if why != "nothing":
        consenting.record("build")

    screen = machine.on_terminal("telemetry", command)

    assert screen.text
    assert "60 seconds" not in screen.text
    assert loopback.requests == []


SLOW = "import os, time\nwhile not os.path.exists({go!r}): time.sleep(0.01)\nfrom sst_core import hookimpl\n"
LOADING: Mapping[str, str] = {
    "list": "Loading each plugin in a process of its own, which is given 10 seconds.",
    "doctor": "Loading slow in a process of its own, which is given 10 seconds.",
}


@pytest.mark.parametrize("command", LOADING)
def test_who_waits_for_a_plugin_is_told(machine: Machine, command: str) -> None:
    go = machine.root / "go"
    machine.install("slow", SLOW.format(go=str(go)), {"sst.plugins": {"slow": "slow"}})

    with subprocess.Popen(
        [PROGRAM, "plugins", command],
        cwd=machine.folder,
        env=machine.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as piped:
        terminal = machine.terminal("plugins", command)
        terminal.wait_for(LOADING[command])
        go.touch()
        terminal.end()

        assert "Loading" not in piped.communicate(timeout=PATIENCE)[1]


def test_who_starts_a_collector_with_packages_that_load_slowly_is_told(machine: Machine) -> None:
    go, slow = machine.root / "go", machine.root / "slow"
    slow.mkdir()
    waits = SLOW.format(go=str(go)).partition("from ")[0]
    (slow / "duckdb.py").write_text(f"{waits}raise ModuleNotFoundError('duckdb', name='duckdb')\n")
    machine.put_on_path(slow, first=True)

    terminal = machine.terminal("collector", "serve", "--data", "data")
    terminal.wait_for("Starting the collector.")
    go.touch()

    assert "needs packages that are not installed (duckdb)" in " ".join(terminal.end().text.split())


@pytest.mark.parametrize(
    ("command", "told"),
    [("doctor", "Looking at the data folder and its warehouse."), ("move", "Opening both warehouses.")],
)
def test_who_waits_for_a_warehouse_is_told(machine: Machine, command: str, told: str) -> None:
    data = DataFolder(machine.folder / "data")
    with claimed(data.path):
        if command == "move":  # or there is nothing to move, and the doctor would say so
            with opened(data.warehouse, SST.catalogue):
                pass
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"clickhouse://127.0.0.1:{silent.getsockname()[1]}/sst"
        terminal = machine.terminal("collector", command, "--data", "data", "--warehouse", url)
        terminal.wait_for(told)
    assert terminal.end().exit_code == 1
