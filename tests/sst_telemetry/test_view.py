"""`sst telemetry show`: everything that is queued and that was sent, whatever state the rest is in."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consenting import Consenting
from loopback import Loopback, answer
from sst_core import week_of
from sst_core.testing import Machine
from sst_telemetry.identity import machine_secret, weekly_id


def shown(machine: Machine, **environ: str) -> dict[str, Any]:
    """What `sst telemetry show --json` prints."""
    ended = machine.sst("telemetry", "show", "--json", env=environ)
    assert (ended.returncode, ended.stderr) == (0, "")
    values: dict[str, Any] = json.loads(ended.stdout)
    assert values.keys() >= {"queued", "unusable", "last_batch"}
    return values


def commands(lines: list[str]) -> list[str]:
    """The recorded commands of these lines."""
    return [json.loads(line)["events"][0]["properties"]["command"] for line in lines]


def test_nothing_yet(machine: Machine, consenting: Consenting) -> None:
    assert machine.sst("telemetry", "show").stdout == "Nothing is queued.\n\nNothing was ever sent.\n"
    assert shown(machine) == {
        "queued": [],
        "made_up_id": False,
        "unusable": [],
        "of_other_versions": [],
        "last_batch": None,
    }
    assert shown(machine, DO_NOT_TRACK="1")["made_up_id"] is False, "none is shown"


def test_what_is_queued_is_shown_in_order_and_what_is_no_run_is_named(machine: Machine, consenting: Consenting) -> None:
    consenting.record("build")
    torn = consenting.record("start")
    torn.write_text("secret notes")
    (machine.queue / "notes.txt").write_text("secret notes")
    others = consenting.record("remove")
    others.write_text(others.read_text().replace('"remove"', '"a command of another version"'))
    consenting.record("deploy")

    found = shown(machine)

    assert commands(found["queued"]) == ["build", "deploy"]
    assert (found["unusable"], found["of_other_versions"]) == ([torn.name], [others.name])
    lines = machine.sst("telemetry", "show").stdout.splitlines()
    assert lines[0] == "Queued (2), as they would be sent:"
    assert lines[1:3] == found["queued"]
    assert lines[3] == f"Not a recorded run, and not sent: {torn.name}"
    assert lines[4] == f"Recorded by another version, which alone can send it: {others.name}"
    assert torn in machine.queued(), "looking moves nothing"


def test_a_failed_batch_is_shown_with_its_answer(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    consenting.record("build")
    loopback.script = [answer(500)]
    consenting.deliver(loopback.url)

    found = shown(machine)

    assert found["last_batch"]["body"].encode() == loopback.requests[0].body
    assert found["last_batch"]["outcome"] == "500"
    assert commands(found["queued"]) == ["build"]


def test_looking_while_off_shows_what_is_there_and_leaves_no_id(machine: Machine, consenting: Consenting) -> None:
    consenting.record("build")

    assert commands(shown(machine, DO_NOT_TRACK="1")["queued"]) == ["build"]

    assert not (machine.telemetry / "secret").exists()


@pytest.mark.parametrize("shape", ["a folder", "open to all"])
def test_what_is_there_is_shown_when_the_secret_cannot_be_used(
    machine: Machine, consenting: Consenting, loopback: Loopback, shape: str
) -> None:
    consenting.record("build")
    consenting.deliver(loopback.url)
    consenting.record("deploy")
    path = machine.telemetry / "secret"
    if shape == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.chmod(0o666)

    found = shown(machine)

    assert commands(found["queued"]) == ["deploy"]
    assert found["last_batch"]["body"].encode() == loopback.requests[0].body


def test_it_never_shows_the_secret(machine: Machine, consenting: Consenting) -> None:
    consenting.record("build")
    text = machine.sst("telemetry", "show").stdout

    assert Path(machine.telemetry / "secret").read_bytes().hex() not in text


def test_while_off_it_says_whether_the_id_is_the_machines_or_made_up(machine: Machine, consenting: Consenting) -> None:
    consenting.record()
    off = {"DO_NOT_TRACK": "1"}

    made_up = machine.sst("telemetry", "show", env=off).stdout
    machine_secret(machine.telemetry)
    kept = machine.sst("telemetry", "show", env=off).stdout

    assert made_up.startswith("Queued (1), as they would be sent, but for a weekly id made up for this:\n")
    assert kept.startswith("Queued (1), as they would be sent:\n")
    assert weekly_id(machine_secret(machine.telemetry), week_of(datetime.now(UTC))) in kept
    assert shown(machine, **off)["made_up_id"] is False


@pytest.mark.parametrize(
    ("content", "mode", "environ"),
    [(b"torn", 0o600, {"DO_NOT_TRACK": "1"}), (b"x" * 32, 0o666, {})],
    ids=["torn while off", "not trusted while on"],
)
def test_an_id_in_place_of_one_of_a_secret_that_cannot_be_used_is_said_to_be_made_up(
    machine: Machine, consenting: Consenting, content: bytes, mode: int, environ: dict[str, str]
) -> None:
    consenting.record()
    secret = machine.telemetry / "secret"
    secret.write_bytes(content)
    secret.chmod(mode)

    text, found = machine.sst("telemetry", "show", env=environ).stdout, shown(machine, **environ)

    assert text.startswith("Queued (1), as they would be sent, but for a weekly id made up for this:\n")
    assert found["made_up_id"] is True
    assert found["queued"][0] not in text, "another is made up each time"
