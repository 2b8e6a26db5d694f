"""From a command to a published number, with every part as it is installed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collecting import Collector, collectors
from consenting import Consenting
from locking import is_held
from sst_core.testing import Machine
from waiting import eventually

HELLO = """
def hello() -> None:
    print("hello")
"""


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A private collector that publishes every second."""
    with collectors(tmp_path / "collector") as start:
        yield start()


def events(collector: Collector) -> str:
    """Where events go."""
    return f"http://127.0.0.1:{collector.port}/events"


def numbers(collector: Collector, dimension: str) -> dict[str, tuple[int, int | None]]:
    """Runs and machines by value."""
    totals = collector.stats()["windows"]["30"][dimension]
    return {total["value"]: (total["runs"], total.get("machines")) for total in totals}


def telemetry(machine: Machine) -> dict[str, Any]:
    """What `sst telemetry --json` says."""
    values: dict[str, Any] = json.loads(machine.sst("telemetry", "--json").stdout)
    return values


def test_what_a_user_runs_becomes_exactly_these_numbers(machine: Machine, collector: Collector) -> None:
    machine.environ["SST_TELEMETRY_URL"] = events(collector)
    machine.install("hello", HELLO, {"sst.commands": {"hello": "hello:hello"}})
    machine.project('build = ["echo", "built"]', 'deploy = ["false"]')

    # Shown the notice: not recorded. The first recorded run has a sender started, and waits for nothing.
    assert "This run is not recorded" in machine.on_terminal("build").text
    assert machine.on_terminal("build").text == "built\n"
    eventually(lambda: telemetry(machine)["queued"] == 0, "a delivery by the detached sender")
    # Which looks at the queue once more.
    eventually(lambda: not is_held(machine.state / "telemetry.lock"), "its end")

    # These wait for the interval to end.
    assert machine.sst("build").stdout == "built\n"
    assert machine.sst("deploy").returncode == 1
    assert machine.sst("nonsense").returncode == 2
    assert machine.sst("build", "--help").returncode == 0
    assert machine.sst("hello").stdout == "hello\n"
    assert machine.sst("build", env={"SST_TELEMETRY_DISABLED": "1"}).stdout == "built\n"
    assert telemetry(machine)["queued"] == 3
    Consenting(machine).let_a_sender_start()
    assert machine.sst("build").stdout == "built\n"
    eventually(lambda: telemetry(machine)["queued"] == 0, "a delivery of the rest")
    last = telemetry(machine)["last_delivery"]
    assert (last["sent"], last["accepted"], last["outcome"]) == (4, 4, "200")

    expected = {"build": (3, 1), "deploy": (1, 1), "plugin": (1, 1)}
    eventually(lambda: numbers(collector, "command") == expected, f"{expected} in /stats.json")
    for dimension in ("version", "platform", "distro", "architecture", "cpus", "python"):
        assert list(numbers(collector, dimension).values()) == [(5, 1)], dimension

    # Off: what is run now, or was waiting, never arrives.
    machine.sst("build")
    assert telemetry(machine)["queued"] == 1
    assert machine.sst("telemetry", "disable").returncode == 0
    assert machine.sst("build").stdout == "built\n"
    assert machine.sst("build", env={"CI": "1"}).stdout == "built\n"
    assert machine.sst("telemetry", "flush").returncode == 0
    assert list(machine.state.iterdir()) == [machine.state / "telemetry.lock"]

    # On again, this is another machine; once its run is counted, whatever had been on its way would be too.
    machine.sst("telemetry", "enable")
    machine.sst("build")
    machine.sst("telemetry", "flush")
    expected = {"build": (4, 2), "deploy": (1, 1), "plugin": (1, 1)}
    eventually(lambda: numbers(collector, "command") == expected, f"{expected} in /stats.json")
    assert collector.stats()["rejected"] == 0


def test_the_same_batch_delivered_twice_counts_once(machine: Machine, collector: Collector) -> None:
    machine.environ["SST_TELEMETRY_URL"] = events(collector)
    consenting = Consenting(machine)
    consenting.consent().grant()
    runs = {path: path.read_bytes() for path in (consenting.record("build"), consenting.record("deploy"))}

    assert machine.sst("telemetry", "flush").returncode == 0
    for path, content in runs.items():
        path.write_bytes(content)  # as if the sender had been killed before it removed them
    consenting.record("start")
    assert machine.sst("telemetry", "flush").returncode == 0
    batch = (machine.telemetry / "last-batch.ndjson").read_bytes()
    assert collector.send(batch).json() == {"accepted": 3, "rejected": []}
    consenting.record("diff")
    assert machine.sst("telemetry", "flush").returncode == 0

    eventually(lambda: "diff" in numbers(collector, "command"), "the last run in /stats.json")
    assert numbers(collector, "command") == {
        "build": (1, 1),
        "deploy": (1, 1),
        "diff": (1, 1),
        "start": (1, 1),
    }


def test_what_could_not_be_delivered_is_delivered_once_the_collector_is_back(
    machine: Machine, collector: Collector
) -> None:
    consenting = Consenting(machine)
    consenting.consent().grant()
    machine.project('build = ["echo", "built"]')
    machine.environ["SST_TELEMETRY_URL"] = events(collector)
    collector.end()
    for _ in range(3):
        consenting.let_a_sender_start()
        ended = machine.sst("build")
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "built\n", "")
    eventually(lambda: consenting.state.failures > 0, "a failure to deliver")
    assert len(machine.queued()) == 3

    collector.start()
    machine.environ["SST_TELEMETRY_URL"] = events(collector)
    assert machine.sst("telemetry", "flush").returncode == 0

    eventually(lambda: numbers(collector, "command") == {"build": (3, 1)}, "three runs of one machine")


def test_a_run_in_ci_counts_as_a_run_and_as_no_machine(machine: Machine, collector: Collector) -> None:
    machine.project('build = ["true"]')
    machine.environ |= {"SST_TELEMETRY_URL": events(collector), "GITHUB_ACTIONS": "true"}

    machine.sst("build")

    eventually(lambda: machine.queue.is_dir() and not machine.queued(), "a delivery")
    eventually(lambda: collector.stats()["windows"]["30"]["ci"] != [], "a run in CI in /stats.json")
    assert numbers(collector, "command") == {}
    assert not Path(machine.telemetry / "secret").exists()
