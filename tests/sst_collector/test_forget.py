"""A machine that asks to be forgotten."""

import json
from pathlib import Path

import pytest

from collecting import StartCollector
from sst_collector.receiving.schema import MAX_FORGOTTEN, RejectedLine, decode_forget
from sst_core.testing import Machine

ID = "0123456789abcdef0123456789abcdef"


def test_ids_of_the_catalogues_shape_are_taken() -> None:
    assert decode_forget(json.dumps({"anonymousIds": [ID]}).encode()) == [ID]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"anonymousIds": []}',
        b'{"anonymousIds": "0123456789abcdef0123456789abcdef"}',
        b'{"anonymousIds": ["0123456789ABCDEF0123456789ABCDEF"]}',
        json.dumps({"anonymousIds": [f"{ID}\n"]}).encode(),
        json.dumps({"anonymousIds": [ID] * (MAX_FORGOTTEN + 1)}).encode(),
        json.dumps({"anonymousIds": [ID], "more": 1}).encode(),
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(RejectedLine):
        decode_forget(body)


def test_forget_takes_a_machine_out_of_the_numbers_and_leaves_the_others(
    machine: Machine, start_collector: StartCollector, tmp_path: Path
) -> None:
    collector = start_collector()
    machine.environ["SST_TELEMETRY_URL"] = f"http://127.0.0.1:{collector.port}/events"
    other = Machine(home=tmp_path / "other", folder=machine.folder, environ={**machine.environ})
    other.home.mkdir()
    other.environ["HOME"] = str(other.home)
    machine.project('build = ["true"]', 'deploy = ["true"]')
    for user, command in ((machine, "build"), (other, "deploy")):
        assert user.sst("telemetry", "enable").returncode == 0
        assert user.sst(command).returncode == 0
    collector.wait_until(lambda: collector.runs() == {"build": 1, "deploy": 1})

    forgotten = machine.sst("telemetry", "forget", "--json")

    assert (forgotten.returncode, json.loads(forgotten.stdout)["pending"]) == (0, 0)
    collector.wait_until(lambda: collector.runs() == {"deploy": 1})
    assert not (machine.state / "forget.json").exists()


def test_a_collector_that_is_away_leaves_the_request_pending_even_when_off(
    machine: Machine, start_collector: StartCollector
) -> None:
    collector = start_collector()
    machine.environ["SST_TELEMETRY_URL"] = f"http://127.0.0.1:{collector.port}/events"
    machine.project('build = ["true"]')
    machine.sst("telemetry", "enable")
    machine.sst("build")
    assert machine.sst("telemetry", "flush").returncode == 0
    collector.end()

    assert machine.sst("telemetry", "forget").returncode == 1
    assert machine.sst("telemetry", "disable").returncode == 0

    status = json.loads(machine.sst("telemetry", "--json").stdout)
    assert status["pending_forget"] > 0
    assert "forget" in machine.sst("telemetry").stdout
