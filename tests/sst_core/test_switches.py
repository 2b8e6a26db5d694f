"""What a variable switches off is not imported, the product's own commands stay, and a slip is told."""

from collections.abc import Mapping

import pytest

from sst_core import SST
from sst_core.entry_points import installed
from sst_core.switches import Switches
from sst_core.testing import Machine, Probe, Watcher


@pytest.mark.parametrize(
    "environ",
    [
        {"SST_NO_PLUGINS": "1"},
        {"SST_DISABLE_PLUGINS": "rogue"},
        {"SST_DISABLE_PLUGINS": "rogue_dist"},
        {"SST_DISABLE_PLUGINS": " other , rogue ,"},
    ],
    ids=str,
)
def test_a_plugin_that_is_switched_off_is_never_imported(machine: Machine, environ: Mapping[str, str]) -> None:
    machine.project('build = ["true"]')
    machine.install("rogue_dist", "", {"sst.plugins": {"rogue": "rogue_dist"}})
    probe = Probe.on(machine)

    assert machine.sst("build").returncode == 0
    assert "rogue_dist" in probe.read().modules, "the probe would see it"

    run = machine.sst("build", env=environ)
    assert (run.returncode, run.stderr) == (0, "")
    probed = probe.read()
    assert "rogue_dist" not in probed.modules
    assert "sst_tasks" in probed.modules, "the product's own stay"


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("value", ["0", "", "false", "No", " off "])
def test_a_switch_that_is_set_to_no_switches_nothing_off(machine: Machine, watcher: Watcher, value: str) -> None:
    machine.project('build = ["true"]')

    machine.sst("build", env={"SST_NO_PLUGINS": value})

    assert len(watcher.finished) == 1


@pytest.mark.parametrize("environ", [{"SST_NO_PLUGINS": "1"}, {"SST_DISABLE_PLUGINS": "wild"}], ids=str)
def test_a_distribution_that_is_switched_off_loses_its_command_too(
    machine: Machine, environ: Mapping[str, str]
) -> None:
    machine.install("wild", "def command(): print('ran')", {"sst.commands": {"wild": "wild:command"}})

    assert machine.sst("wild").stdout == "ran\n"
    assert "wild" not in machine.sst("--help", env=environ).stdout
    (variable,) = environ
    refused = machine.sst("wild", env=environ)
    assert refused.returncode == 2
    assert refused.stderr.endswith(f"Error: The command 'wild' is not there: {variable} switches it off.\n")
    assert "No such command" in machine.sst("wilde", env=environ).stderr


def test_a_name_that_switches_nothing_off_is_told_where_somebody_looks(machine: Machine) -> None:
    machine.install("wild", "def command(): pass", {"sst.commands": {"wild": "wild:command"}})
    machine.project('build = ["true"]')
    slips = {"SST_DISABLE_PLUGINS": "telemtry, Telemetry,wild,x\x1b,tasks-"}
    line = "sst: SST_DISABLE_PLUGINS names nothing that is installed: telemtry, x\\x1b, tasks-\n"

    for command in ("telemetry", "telemetry --json", "plugins list", "plugins doctor"):
        assert machine.sst(*command.split(), env=slips).stderr == line, command
        assert machine.sst(*command.split(), env={"SST_DISABLE_PLUGINS": "telemetry,wild"}).stderr == "", command
    assert machine.sst("build", env=slips).stderr == "", "a build is not the place for it"
    seen = machine.on_terminal("telemetry", env={**slips, "COLUMNS": "60"}).text
    assert seen.startswith("sst: SST_DISABLE_PLUGINS names nothing that is installed:\ntelemtry, ")


def test_what_is_switched_off_is_known_by_name() -> None:
    switches = Switches(SST, installed(SST), {"SST_DISABLE_PLUGINS": "tasks,telemetry"})

    assert [entry.name for entry in switches.switched_off] == ["tasks"]


@pytest.mark.parametrize("typed", ["telemtry", "Telemetri", "sst_telemetry", "x, acme-telemetry"])
def test_a_name_that_may_be_meant_for_telemetry_switches_it_off(typed: str) -> None:
    why = Switches(SST, installed(SST), {"SST_DISABLE_PLUGINS": typed}).why_own_telemetry_is_off
    assert why == f"{typed.rpartition(' ')[2]!r} is nothing installed, and telemetry may be meant"


@pytest.mark.parametrize("typed", ["", "tasks", "sst", "teleport", "geometry"])
def test_another_name_leaves_telemetry_on(typed: str) -> None:
    assert not Switches(SST, installed(SST), {"SST_DISABLE_PLUGINS": typed}).why_own_telemetry_is_off


def test_an_installed_plugin_of_such_a_name_is_all_that_is_meant(consenting: Machine) -> None:
    consenting.install("acme_telemetry", "", {"sst.plugins": {"acme-telemetry": "acme_telemetry"}})
    consenting.project('build = ["true"]')

    consenting.sst("build", env={"SST_DISABLE_PLUGINS": "acme-telemetry"})

    assert len(consenting.queued()) == 1


def test_the_products_own_commands_can_not_be_switched_off(machine: Machine) -> None:
    run = machine.sst("telemetry", "disable", env={"SST_DISABLE_PLUGINS": "telemetry,tasks,sst", "SST_NO_PLUGINS": "1"})

    assert (run.returncode, run.stderr) == (0, "")


def test_nobody_is_told_how_to_switch_off_the_products_own_commands() -> None:
    found = installed(SST)
    switches = Switches(SST, found, {})
    own = [entry for entry in found.commands if entry.first_party]

    assert {entry.name for entry in own} >= {"telemetry", "plugins", "collector"}
    assert {switches.how_to_switch_off(entry) for entry in own} == {""}


def test_how_to_switch_a_plugin_off_is_by_its_name_where_that_is_enough(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for distribution, name in (("one", "twin"), ("two", "twin"), ("alone", "single"), ("spaced", "two words")):
        machine.install(distribution, "", {"sst.plugins": {name: distribution}})
    monkeypatch.syspath_prepend(str(machine.plugins))
    found = installed(SST)
    switches = Switches(SST, found, {})

    told = {entry.distribution: switches.how_to_switch_off(entry) for entry in found.plugins if not entry.first_party}

    names = {"one": "one", "two": "two", "alone": "single", "spaced": "spaced"}
    assert told == {which: f"SST_DISABLE_PLUGINS={name} switches it off" for which, name in names.items()}
