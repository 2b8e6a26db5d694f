"""The notice on a real terminal, and what becomes of a run."""

from sst_core.testing import Machine


def test_first_run_on_a_terminal_shows_the_notice_and_records_nothing(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')

    first = machine.on_terminal("build")

    assert first.exit_code == 0
    assert "sst telemetry disable" in first.text
    assert first.text.endswith("built\n")
    assert machine.queued() == []


def test_the_run_after_the_notice_is_recorded_and_says_nothing(machine: Machine) -> None:
    machine.see_notice()

    assert machine.on_terminal("build").text == ""
    assert len(machine.queued()) == 1
