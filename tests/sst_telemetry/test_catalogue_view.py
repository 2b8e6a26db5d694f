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


def test_a_plugin_that_declares_nothing_is_named_with_where_it_sends() -> None:
    told = catalogue_as_text(SST.catalogue, (CollectingPlugin("nosy", "https://nosy.example"),))

    assert told.endswith(
        "Plugin nosy collects too, and sends to https://nosy.example:\n"
        "  it declares no values, so what it collects is not known here"
    )
