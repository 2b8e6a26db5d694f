"""`sst plugins list`: each plugin, its hooks, what became of it and why, and nothing imported that is not to be."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sst_core import SST
from sst_core.cli import run
from sst_core.testing import Machine, Probe

HELLO = "from sst_core import hookimpl\n@hookimpl\ndef on_command_finished(): pass\n"


@pytest.fixture
def crowded(machine: Machine) -> Machine:
    """A machine with plugins of every kind."""
    machine.install("hello", HELLO, {"sst.plugins": {"hello": "hello"}}, version="2.5")
    machine.install("broken", "import no_such_module", {"sst.plugins": {"broken": "broken"}})
    machine.install("deadly", "import os; os._exit(0)", {"sst.plugins": {"deadly": "deadly"}})
    machine.install("counting", HELLO, {"sst.telemetry": {"counting": "counting"}})
    machine.install("twin", HELLO, {"sst.plugins": {"tasks": "twin"}})
    machine.install(
        "greeting", "def greet(): pass", {"sst.commands": {"greet": "greeting:greet", "build": "greeting:greet"}}
    )
    return machine


def listed(machine: Machine, env: Mapping[str, str] | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """What is listed, by name and group."""
    run = machine.sst("plugins", "list", "--json", env=env)
    assert run.returncode == 0
    return {(each["name"], each["group"].partition(".")[2]): each for each in json.loads(run.stdout)}


def test_each_has_a_state_and_why(crowded: Machine) -> None:
    found = listed(crowded)

    states = {(each["distribution"], each["name"]): (each["state"], each["why"]) for each in found.values()}
    assert states.pop(("hello", "hello")) == ("loaded", "")
    state, why = states.pop(("broken", "broken"))
    assert state == "failed"
    assert "no_such_module" in why
    assert states.pop(("deadly", "deadly")) == ("failed", "it ended the process while it was loaded (exit code 0)")
    for collecting in (("counting", "counting"), ("sst", "telemetry")):
        state, why = states.pop(collecting)
        assert state == "replaced"
        assert why.startswith("telemetry is off; notice: not seen on a terminal yet (")
    assert states.pop(("greeting", "greet")) == ("command", "imported when it is run")
    assert states.pop(("greeting", "build")) == ("failed", "the name is taken: the command is the program's own")
    # Of one name in one group the product's own is told of here, and the other one below.
    assert states.pop(("twin", "tasks"))[0] == "failed"
    assert {states.pop(("sst", name)) for name in ("cdk", "sam")} == {("loaded", "")}
    assert states == {}


def test_hooks_and_origins_are_told(machine: Machine) -> None:
    machine.install("hello", HELLO, {"sst.plugins": {"hello": "hello"}}, version="2.5")

    found = listed(machine)

    assert found["hello", "plugins"] == {
        "name": "hello",
        "distribution": "hello",
        "version": "2.5",
        "first_party": False,
        "group": "sst.plugins",
        "target": "hello",
        "state": "loaded",
        "why": "",
        "hooks": ["on_command_finished"],
    }
    assert "detect_provider" in found["tasks", "plugins"]["hooks"]
    assert found["tasks", "plugins"]["first_party"]


@pytest.mark.parametrize(
    ("variable", "value", "state"),
    [("SST_DISABLE_PLUGINS", "hello,greeting", "loaded"), ("SST_NO_PLUGINS", "1", "switched_off")],
)
def test_what_is_switched_off_says_by_which_variable(crowded: Machine, variable: str, value: str, state: str) -> None:
    found = listed(crowded, {variable: value})

    for name in (("hello", "plugins"), ("greet", "commands")):
        assert found[name]["state"] == "switched_off"
        assert found[name]["why"] == f"{variable} switches it off"
    assert found["deadly", "plugins"]["state"] == ("failed" if state == "loaded" else state)


def test_a_collecting_plugin_is_imported_under_consent_alone(machine: Machine) -> None:
    note = f"open({str(machine.root / 'imported')!r}, 'a').write('x')\n"
    machine.install("counting", note + HELLO, {"sst.telemetry": {"counting": "counting"}})

    off = listed(machine, {"DO_NOT_TRACK": "1"})
    assert off["counting", "telemetry"]["why"].startswith("telemetry is off; environment: set (DO_NOT_TRACK)")
    assert not (machine.root / "imported").exists()

    machine.sst("telemetry", "enable")
    assert listed(machine)["counting", "telemetry"]["state"] == "loaded"
    assert (machine.root / "imported").exists()


def test_what_is_switched_off_is_imported_by_nobody(machine: Machine) -> None:
    note = f"open({str(machine.root / 'imported')!r}, 'a').write('x')\n"
    machine.install("hello", note + HELLO, {"sst.plugins": {"hello": "hello"}, "sst.commands": {"hi": "hello:hi"}})

    assert listed(machine, {"SST_DISABLE_PLUGINS": "hello"})["hello", "plugins"]["state"] == "switched_off"
    assert machine.sst("plugins", "doctor", env={"SST_DISABLE_PLUGINS": "hello"}).returncode == 0
    assert not (machine.root / "imported").exists()
    listed(machine)
    assert (machine.root / "imported").exists()


def test_no_plugin_is_imported_into_the_commands_own_process(machine: Machine) -> None:
    machine.install("hello", HELLO, {"sst.plugins": {"hello": "hello"}})
    probe = Probe.on(machine)

    assert machine.sst("plugins", "list", env={"SST_NO_PLUGINS": "1"}).returncode == 0
    modules = probe.read().modules

    assert "sst_tasks" in modules, "the product's own are told as in any command"
    assert machine.sst("plugins", "list").returncode == 0
    (own,) = [set(line.split()) for line in probe.log.read_text().splitlines() if "'modules'" in line]
    assert "sst_tasks" in own
    assert "hello" not in own


def test_each_is_a_line_and_its_hooks_or_why_stand_below(crowded: Machine) -> None:
    run = crowded.sst("plugins", "list")

    assert run.returncode == 0
    lines = run.stdout.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("tasks"))
    second = lines[first + 1]
    assert lines[first].split() == ["tasks", "loaded", "sst", "0.1.0,", "sst.plugins"]
    assert second.strip() == "build, deploy, detect_provider, diff, remove, start"


def test_a_program_without_plugins_has_none_to_list(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(machine.home))
    monkeypatch.setenv("BARE_TELEMETRY_DISABLED", "1")  # in CI the notice would come
    built_in = (("commands", "plugins", "sst_core.authoring.cli:app"),)
    bare = replace(SST, name="bare", distribution="bare", env_prefix="BARE", built_in=built_in)

    with pytest.raises(SystemExit) as ended:
        run(bare, ["plugins", "list"])

    assert (ended.value.code, capsys.readouterr()) == (0, ("", ""))


def test_it_is_recorded_as_the_command_that_it_is(machine: Machine) -> None:
    machine.sst("telemetry", "enable")

    machine.sst("plugins", "list")

    (run,) = machine.queued()
    assert json.loads(run.read_text())["command"] == "plugins"
