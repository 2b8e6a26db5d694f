"""A disk that takes nothing more: a limit of no bytes for any file stands in for it, in the process itself."""

import json

import pytest

from sst_core.testing import PROGRAM, Machine

FULL = ("sh", "-c", 'ulimit -f 0; exec "$0" "$@"', str(PROGRAM))


@pytest.fixture
def recording(machine: Machine) -> Machine:
    """A machine whose user has seen the notice, and that has a run queued."""
    machine.see_notice()
    machine.project('build = ["echo", "built"]')
    machine.sst("build")
    return machine


def test_a_command_is_not_touched_and_nothing_is_recorded(recording: Machine) -> None:
    before = recording.queued()

    run = recording.sst("build", program=FULL)

    assert (run.returncode, run.stdout, run.stderr) == (0, "built\n", "")
    assert recording.queued() == before
    assert [path for path in recording.queue.iterdir() if path not in before] == []


def test_enable_says_that_it_could_not_be_saved_and_it_stays_off(machine: Machine) -> None:
    run = machine.sst("telemetry", "enable", program=FULL)

    assert run.returncode == 1
    assert "can't be saved" in run.stderr
    assert json.loads(machine.sst("telemetry", "--json").stdout)["enabled"] is False


def test_enable_does_not_take_an_off_back_where_the_rest_can_not_be_saved(recording: Machine) -> None:
    recording.config_file.parent.mkdir(parents=True, exist_ok=True)
    recording.config_file.write_text("[telemetry]\nenabled = false\n")

    run = recording.sst("telemetry", "enable", program=FULL)

    assert run.returncode == 1
    assert run.stderr.endswith("Telemetry stays as it was.\n")
    assert json.loads(recording.sst("telemetry", "--json").stdout)["enabled"] is False


def test_disable_deletes_all_the_same_and_says_what_could_not_be_saved(recording: Machine) -> None:
    run = recording.sst("telemetry", "disable", program=FULL)

    assert run.returncode == 1
    assert "can't be saved" in run.stderr
    assert "SST_TELEMETRY_DISABLED=1" in run.stderr
    assert not recording.telemetry.exists()
    assert json.loads(recording.sst("telemetry", "--json").stdout)["enabled"] is False


@pytest.mark.parametrize("command", ["status", "show", "catalog"])
def test_what_only_looks_works(recording: Machine, command: str) -> None:
    run = recording.sst("telemetry", command, "--json", program=FULL)

    assert run.returncode == 0
    assert json.loads(run.stdout)


def test_purge_makes_room(recording: Machine) -> None:
    assert recording.sst("telemetry", "purge", program=FULL).returncode == 0
    assert recording.queued() == []
