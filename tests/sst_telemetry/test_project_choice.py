"""`--project`: the team's choice, which is in its project and nobody's own."""

import json

import pytest

from sst_core.testing import Machine


def test_disable_keeps_comments_and_order_and_says_to_commit(machine: Machine) -> None:
    file = machine.project('build = ["true"]  # quick', extra="# the end")
    before = file.read_text()

    result = machine.sst("telemetry", "disable", "--project")

    assert "Commit it" in result.stdout
    assert file.read_text().startswith(before.rstrip("\n").removesuffix("# the end").rstrip())
    assert "# quick" in file.read_text()
    assert "# the end" in file.read_text()
    assert "off  project" in machine.sst("telemetry").stdout


def test_enable_takes_it_out_again(machine: Machine) -> None:
    file = machine.project('build = ["true"]  # quick')
    before = file.read_text()
    machine.sst("telemetry", "disable", "--project")

    assert machine.sst("telemetry", "enable", "--project").returncode == 0

    assert file.read_text().split() == before.split()
    assert "off  project" not in machine.sst("telemetry").stdout


def test_from_a_subfolder_the_nearest_file_is_the_one(machine: Machine) -> None:
    file = machine.project('build = ["true"]')
    below = machine.folder / "src"
    below.mkdir()

    machine.sst("telemetry", "disable", "--project", folder=below)

    assert "enabled = false" in file.read_text()
    assert list(below.iterdir()) == []


def test_where_there_is_no_project_file_one_is_made_for_everybody_to_read(machine: Machine) -> None:
    machine.sst("telemetry", "disable", "--project")

    file = machine.folder / "sst.toml"
    assert file.stat().st_mode & 0o777 == 0o644
    assert file.read_text() == "[telemetry]\nenabled = false\n"


def test_a_file_that_does_not_parse_is_left_as_it_is(machine: Machine) -> None:
    file = machine.folder / "sst.toml"
    file.write_text("[telemetry\n")

    result = machine.sst("telemetry", "disable", "--project")

    assert result.returncode == 2
    assert str(file) in result.stderr
    assert file.read_text() == "[telemetry\n"


def test_it_is_the_projects_choice_and_not_the_users(machine: Machine) -> None:
    machine.see_notice()
    machine.sst("build")

    machine.sst("telemetry", "disable", "--project")

    assert len(machine.queued()) == 1
    assert not machine.config_file.exists()


@pytest.mark.parametrize(
    ("switch", "changed", "says"),
    [
        ("enable", False, "does not say enabled = false; nothing was to be changed. Here, telemetry is on."),
        ("disable", True, "says enabled = false. Commit it, so that it holds for the team. Here, telemetry is off."),
    ],
)
def test_it_says_what_the_file_says_and_what_holds_here(
    machine: Machine, switch: str, changed: bool, says: str
) -> None:
    machine.see_notice()
    file = machine.project('build = ["true"]')

    told = json.loads(machine.sst("telemetry", switch, "--project", "--json").stdout)

    assert told == {
        "enabled": switch == "enable",
        "changed": changed,
        "still_off": [],
        "what": f"{file} {says}",
        "pending_forget": 0,
    }


def test_it_names_what_else_is_off_here_and_needs_no_home(machine: Machine) -> None:
    machine.project('build = ["true"]')

    told = json.loads(
        machine.sst("telemetry", "disable", "--project", "--json", env={"HOME": "nowhere", "DO_NOT_TRACK": "1"}).stdout
    )

    assert [source["where"] for source in told["still_off"]] == ["DO_NOT_TRACK", "HOME", "HOME"]
    assert told["pending_forget"] == 0
