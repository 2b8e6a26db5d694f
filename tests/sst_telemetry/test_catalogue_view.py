import json

import pytest

from sst_core import SST, CollectingPlugin
from sst_core.testing import Machine
from sst_telemetry.catalogue_view import catalogue_as_text


def test_catalog_names_everything_that_may_be_recorded_and_why(machine: Machine) -> None:
    listed = {field["key"]: field for field in json.loads(machine.sst("telemetry", "catalog", "--json").stdout)}
    text = machine.sst("telemetry", "catalog").stdout

    assert list(listed) == [field.key for field in SST.catalogue]
    for field in SST.catalogue:
        assert listed[field.key]["values"] == field.kind.describe()
        assert (listed[field.key]["sentence"], listed[field.key]["exception"]) == (field.sentence, field.exception)
        assert field.purpose in text
        assert (field.sentence or field.exception or "") in text


@pytest.mark.parametrize("mode", [{}, {"SST_TELEMETRY_DISABLED": "1"}])
def test_preview_shows_the_whole_envelope_and_keeps_nothing(machine: Machine, mode: dict[str, str]) -> None:
    line = machine.sst("telemetry", "show", "--preview", "deploy", "--json", env=mode).stdout

    envelope = json.loads(line)
    values = {**envelope["context"], **envelope["environment"], **envelope["events"][0]["properties"]}
    assert SST.catalogue.envelope(values) == envelope
    assert values["command"] == "deploy"
    assert list(machine.home.iterdir()) == []


def test_preview_of_a_plugins_command_says_plugin(machine: Machine) -> None:
    machine.install("acme", "def hello() -> None: pass", {"sst.commands": {"hello": "acme:hello"}})

    assert '"command":"plugin"' in machine.sst("telemetry", "show", "--preview", "hello").stdout


@pytest.mark.parametrize("name", ["nope", "telemetry"])
def test_preview_of_what_sends_nothing_is_an_error(machine: Machine, name: str) -> None:
    result = machine.sst("telemetry", "show", "--preview", name)

    assert result.returncode == 2
    assert result.stdout == ""


def test_purge_deletes_the_queue_and_the_last_batch_and_leaves_consent(machine: Machine) -> None:
    machine.see_notice()
    machine.sst("build")
    (machine.telemetry / "last-batch.ndjson").write_text("{}\n")

    assert json.loads(machine.sst("telemetry", "purge", "--json").stdout) == {"purged": 1}

    assert machine.queued() == []
    assert not (machine.telemetry / "last-batch.ndjson").exists()
    assert json.loads(machine.sst("telemetry", "--json").stdout)["enabled"] is True


class TestProjectChoice:
    def test_disable_keeps_comments_and_order_and_says_to_commit(self, machine: Machine) -> None:
        file = machine.project('build = ["true"]  # quick', extra="# the end")
        before = file.read_text()

        result = machine.sst("telemetry", "disable", "--project")

        assert "Commit it" in result.stdout
        assert file.read_text().startswith(before.rstrip("\n").removesuffix("# the end").rstrip())
        assert "# quick" in file.read_text()
        assert "# the end" in file.read_text()
        assert "off  project" in machine.sst("telemetry").stdout

    def test_enable_takes_it_out_again(self, machine: Machine) -> None:
        file = machine.project('build = ["true"]  # quick')
        before = file.read_text()
        machine.sst("telemetry", "disable", "--project")

        assert machine.sst("telemetry", "enable", "--project").returncode == 0

        assert file.read_text().split() == before.split()
        assert "off  project" not in machine.sst("telemetry").stdout

    def test_from_a_subfolder_the_nearest_file_is_the_one(self, machine: Machine) -> None:
        file = machine.project('build = ["true"]')
        below = machine.folder / "src"
        below.mkdir()

        machine.sst("telemetry", "disable", "--project", folder=below)

        assert "enabled = false" in file.read_text()
        assert list(below.iterdir()) == []

    def test_where_there_is_no_project_file_one_is_made_for_everybody_to_read(self, machine: Machine) -> None:
        machine.sst("telemetry", "disable", "--project")

        file = machine.folder / "sst.toml"
        assert file.stat().st_mode & 0o777 == 0o644
        assert file.read_text() == "[telemetry]\nenabled = false\n"

    def test_a_file_that_does_not_parse_is_left_as_it_is(self, machine: Machine) -> None:
        file = machine.folder / "sst.toml"
        file.write_text("[telemetry\n")

        result = machine.sst("telemetry", "disable", "--project")

        assert result.returncode == 2
        assert str(file) in result.stderr
        assert file.read_text() == "[telemetry\n"

    def test_it_is_the_projects_choice_and_not_the_users(self, machine: Machine) -> None:
        machine.see_notice()
        machine.sst("build")

        machine.sst("telemetry", "disable", "--project")

        assert len(machine.queued()) == 1
        assert not machine.config_file.exists()


def test_a_plugin_that_declares_nothing_is_named_with_where_it_sends() -> None:
    told = catalogue_as_text(SST.catalogue, (CollectingPlugin("nosy", "https://nosy.example"),))

    assert told.endswith(
        "Plugin nosy collects too, and sends to https://nosy.example:\n"
        "  it declares no values, so what it collects is not known here"
    )
