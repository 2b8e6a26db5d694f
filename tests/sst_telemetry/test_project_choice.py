"""`--project`: the team's choice, which is in its project and nobody's own."""

import json

import pytest

from consenting import Consenting
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


def test_where_nothing_else_was_in_the_file_it_says_that_it_is_gone(machine: Machine) -> None:
    machine.sst("telemetry", "disable", "--project")

    told = machine.sst("telemetry", "enable", "--project").stdout

    assert not (machine.folder / "sst.toml").exists()
    assert told.startswith(
        f"{machine.folder}/sst.toml is deleted: nothing but enabled = false was in it. Commit that, "
    )


@pytest.mark.parametrize(
    "above", ["[telemetry]\nenabled = false\n", "telemetry = 5\n"], ids=["says no", "is no answer"]
)
def test_an_off_that_enabling_here_would_not_take_out_is_named_with_its_file(
    machine: Machine, consenting: Consenting, above: str
) -> None:
    (machine.folder / "sst.toml").write_text(above)
    below = machine.folder / "child"
    below.mkdir()
    machine.project('build = ["true"]', folder=below)
    advice = f"Next: to switch it on, see to {machine.folder}/sst.toml, which is for everybody below it."

    assert machine.sst("telemetry", folder=below).stdout.splitlines()[-1] == advice
    assert machine.sst("telemetry", "enable", "--project", folder=below).stdout.splitlines()[-1] == advice


def test_an_off_that_enabling_does_not_mend_is_named_with_its_file(machine: Machine, consenting: Consenting) -> None:
    team, user = machine.folder / "sst.toml", machine.config_file
    for file in (team, user):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("[telemetry]\nenable = false\n")
        file.chmod(0o644)
    advice = f"Next: to switch it on, mend {team}; mend {user}."

    told = machine.sst("telemetry", "enable", "--project").stdout

    assert "Off by project: [telemetry] has 'enable'" in told
    for shown in (told, machine.sst("telemetry").stdout, machine.sst("telemetry", "enable").stdout):
        assert shown.splitlines()[-1] == advice


def test_it_names_what_else_is_off_here_and_needs_no_home(machine: Machine) -> None:
    machine.project('build = ["true"]')

    told = json.loads(
        machine.sst("telemetry", "disable", "--project", "--json", env={"HOME": "nowhere", "DO_NOT_TRACK": "1"}).stdout
    )

    assert [source["where"] for source in told["still_off"]] == ["DO_NOT_TRACK", "HOME", "HOME"]
    assert told["pending_forget"] == 0
