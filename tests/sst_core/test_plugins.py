"""A plugin can't break the command that it watches; who did what is said in one line; blocking prevents the import."""

from collections.abc import Mapping

import pytest

from machine import Machine
from probing import Probe
from watching import Watcher

PRIVATE = "correct-horse"

_OBSERVER = "from sst_core import hookimpl, PluginError\n\n"

BROKEN = {
    "exception in invoked": (
        f"@hookimpl\ndef on_command_invoked(): raise ValueError('{PRIVATE}')",
        "on_command_invoked",
        "ValueError",
    ),
    "exception in finished": (
        f"@hookimpl\ndef on_command_finished(outcome): raise LookupError('{PRIVATE}')",
        "on_command_finished",
        "LookupError",
    ),
    "exit in invoked": (f"@hookimpl\ndef on_command_invoked(): raise SystemExit('{PRIVATE}')", "invoked", "SystemExit"),
    "exit with zero": ("@hookimpl\ndef on_command_invoked(): raise SystemExit(0)", "invoked", "SystemExit"),
    "exit in finished": ("@hookimpl\ndef on_command_finished(): raise SystemExit(9)", "finished", "SystemExit"),
    "base exception": (
        f"class Odd(BaseException): pass\n@hookimpl\ndef on_command_invoked(): raise Odd('{PRIVATE}')",
        "invoked",
        "Odd",
    ),
    "the core's own error": (
        f"@hookimpl\ndef on_command_invoked(): raise PluginError('{PRIVATE}')",
        "on_command_invoked",
        "PluginError",
    ),
    "unknown hook": ("@hookimpl\ndef on_command_begun(): pass", "loading", "PluginValidationError"),
    "unknown argument": ("@hookimpl\ndef on_command_invoked(argv): pass", "loading", "PluginValidationError"),
    "wrapper": (
        "@hookimpl(wrapper=True)\ndef on_command_invoked(): return (yield)",
        "loading",
        "on_command_invoked is a notification and can't be wrapped",
    ),
    "old wrapper": (
        "@hookimpl(hookwrapper=True)\ndef on_command_finished(): yield",
        "loading",
        "on_command_finished is a notification and can't be wrapped",
    ),
    "import error": ("import no_such_module_anywhere", "loading", "ModuleNotFoundError"),
    "exception while imported": (f"raise RuntimeError('{PRIVATE}')", "loading", "RuntimeError"),
    "exit while imported": (f"raise SystemExit('{PRIVATE}')", "loading", "SystemExit"),
    "syntax error": ("def (", "loading", "SyntaxError"),
}


def install(machine: Machine, code: str, *, name: str = "rogue", group: str = "sst.plugins") -> None:
    """A plugin of that name, from a distribution `<name>_dist` of version 2.5."""
    machine.install(f"{name}_dist", _OBSERVER + code, {group: {name: f"{name}_dist"}}, version="2.5")


@pytest.mark.parametrize(("code", "where", "what"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_costs_one_line_and_nothing_else(
    machine: Machine, watcher: Watcher, code: str, where: str, what: str
) -> None:
    machine.project('build = ["sh", "-c", "echo built; exit 3"]')
    install(machine, code)

    run = machine.sst("build")

    assert (run.returncode, run.stdout) == (3, "built\n")
    (line,) = run.stderr.splitlines()
    assert line.startswith("sst: plugin 'rogue' (rogue_dist 2.5) failed in ")
    assert where in line
    assert what in line
    assert "SST_DISABLE_PLUGINS=rogue switches it off" in line
    assert PRIVATE not in line
    assert watcher.ending() == (("build",), 3, "error"), "other plugins are told as if nothing had happened"


def test_the_line_says_what_switches_it_off(machine: Machine) -> None:
    machine.project('build = ["true"]')
    install(machine, BROKEN["exception in invoked"][0])

    run = machine.sst("build", env={"SST_DISABLE_PLUGINS": "rogue"})

    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("code", [BROKEN["exception in invoked"][0], BROKEN["exception while imported"][0]])
def test_debugging_adds_the_traceback(machine: Machine, code: str) -> None:
    machine.project('build = ["true"]')
    install(machine, code)

    run = machine.sst("build", env={"SST_DEBUG_PLUGINS": "1"})

    assert run.returncode == 0
    assert run.stderr.startswith("sst: plugin 'rogue'")
    assert "Traceback" in run.stderr
    assert "rogue_dist.py" in run.stderr
    assert PRIVATE in run.stderr


STRICT = ("exception in finished", "exit with zero", "base exception", "wrapper", "exit while imported")


@pytest.mark.parametrize(("code", "where", "what"), [BROKEN[kind] for kind in STRICT], ids=STRICT)
def test_strict_makes_it_the_commands_failure(machine: Machine, code: str, where: str, what: str) -> None:
    machine.project('build = ["true"]')
    install(machine, code)

    run = machine.sst("build", env={"SST_STRICT_PLUGINS": "1"})

    assert run.returncode == 1
    assert what in run.stderr


@pytest.mark.parametrize("hook", ["on_command_invoked", "on_command_finished"])
def test_an_interrupt_in_a_plugin_is_the_users(machine: Machine, watcher: Watcher, hook: str) -> None:
    machine.project('build = ["sh", "-c", "echo built"]')
    install(machine, f"@hookimpl\ndef {hook}(): raise KeyboardInterrupt", name="zz")

    run = machine.sst("build")

    assert run.returncode == 130
    assert run.stdout == ("" if hook == "on_command_invoked" else "built\n")


def test_who_was_told_of_a_beginning_is_told_of_its_end(machine: Machine, watcher: Watcher) -> None:
    machine.project('build = ["true"]')
    # Registered first, so called last: the watcher has been told when this is interrupted.
    install(machine, "@hookimpl\ndef on_command_invoked(): raise KeyboardInterrupt", name="aa")

    assert machine.sst("build").returncode == 130
    assert watcher.ending() == (("build",), 130, "interrupt")


@pytest.mark.parametrize(
    "bad",
    [
        "@hookimpl\ndef on_command_invoked(bogus): pass",
        "@hookimpl(wrapper=True)\ndef on_command_invoked(): return (yield)",
        "@hookimpl\ndef on_no_such_thing(): pass",
    ],
)
def test_a_plugin_that_is_refused_leaves_no_hook_behind(machine: Machine, watcher: Watcher, bad: str) -> None:
    machine.project('build = ["sh", "-c", "echo built"]')
    good = (
        "@hookimpl\ndef build(): raise RuntimeError('still registered')\n"
        "@hookimpl\ndef on_command_finished(): raise RuntimeError('still registered')\n"
    )
    install(machine, good + bad)

    run = machine.sst("build")

    assert (run.returncode, run.stdout) == (0, "built\n")
    (line,) = run.stderr.splitlines()
    assert "failed in loading" in line
    assert watcher.ending() == (("build",), 0, "ok")


def test_of_two_with_one_name_the_second_is_refused_unimported(machine: Machine, watcher: Watcher) -> None:
    machine.project('build = ["true"]')
    machine.install("second", "raise RuntimeError", {"sst.plugins": {"watcher": "zsecond:nothing"}}, version="3.0")

    run = machine.sst("build")

    assert run.returncode == 0
    (line,) = run.stderr.splitlines()
    assert "'watcher' (second 3.0)" in line
    assert "'watcher' (watcher 1.0) has that name already" in line
    assert "SST_DISABLE_PLUGINS=second switches it off" in line
    assert len(watcher.told()) == 2
    quiet = machine.sst("build", env={"SST_DISABLE_PLUGINS": "second"})
    assert quiet.stderr == ""
    assert len(watcher.told()) == 4


@pytest.mark.parametrize("name", ["tasks", "telemetry"])
def test_nobody_takes_the_name_of_one_of_the_products_own(consenting: Machine, name: str) -> None:
    consenting.install("thief", "raise RuntimeError('imported')", {"sst.plugins": {name: "thief"}})

    run = consenting.sst("build")

    assert run.returncode == 0
    (line,) = run.stderr.splitlines()
    assert f"'{name}' (sst " in line
    assert "SST_DISABLE_PLUGINS=thief switches it off" in line
    assert len(consenting.queued()) == 1


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
def test_a_blocked_plugin_is_never_imported(machine: Machine, environ: Mapping[str, str]) -> None:
    machine.project('build = ["true"]')
    install(machine, "")
    probe = Probe.on(machine)

    assert machine.sst("build").returncode == 0
    assert "rogue_dist" in probe.read().modules, "the probe would see it"

    run = machine.sst("build", env=environ)
    assert (run.returncode, run.stderr) == (0, "")
    probed = probe.read()
    assert "rogue_dist" not in probed.modules
    assert "sst_tasks" in probed.modules, "the product's own stay"


@pytest.mark.parametrize("value", ["0", "", "false", "No", " off "])
def test_a_switch_that_is_set_to_no_blocks_nothing(machine: Machine, watcher: Watcher, value: str) -> None:
    machine.project('build = ["true"]')

    machine.sst("build", env={"SST_NO_PLUGINS": value})

    assert len(watcher.told()) == 2


@pytest.mark.parametrize("environ", [{"SST_NO_PLUGINS": "1"}, {"SST_DISABLE_PLUGINS": "wild"}], ids=str)
def test_a_blocked_distribution_loses_its_command_too(machine: Machine, environ: Mapping[str, str]) -> None:
    machine.install("wild", "def command(): print('ran')", {"sst.commands": {"wild": "wild:command"}})

    assert machine.sst("wild").stdout == "ran\n"
    assert "wild" not in machine.sst("--help", env=environ).stdout
    assert machine.sst("wild", env=environ).returncode == 2


def test_the_products_own_commands_can_not_be_blocked(machine: Machine) -> None:
    run = machine.sst("telemetry", "disable", env={"SST_DISABLE_PLUGINS": "telemetry,tasks,sst", "SST_NO_PLUGINS": "1"})

    assert (run.returncode, run.stderr) == (0, "")


def test_telemetrys_own_failures_are_silent_unless_asked_for(consenting: Machine) -> None:
    consenting.queue.rmdir()
    consenting.queue.write_text("not a folder")

    run = consenting.sst("build")
    asked = consenting.sst("build", env={"SST_DEBUG_PLUGINS": "1"})

    assert (run.returncode, run.stderr) == (0, "")
    assert asked.returncode == 0
    assert "sst: plugin 'telemetry' (sst " in asked.stderr
    assert "Traceback" in asked.stderr


def test_a_strangers_collecting_plugin_that_fails_is_named(consenting: Machine) -> None:
    install(consenting, "@hookimpl\ndef on_command_invoked(): raise ValueError", group="sst.telemetry")
    assert consenting.sst("telemetry", "enable").returncode == 0

    run = consenting.sst("build")

    assert run.returncode == 0
    (line,) = run.stderr.splitlines()
    assert line.startswith("sst: plugin 'rogue' (rogue_dist 2.5) failed in on_command_invoked: ValueError")


def test_a_strangers_collecting_plugin_waits_for_consent(consenting: Machine) -> None:
    install(consenting, "", group="sst.telemetry")
    probe = Probe.on(consenting)

    consenting.sst("build")
    unseen = probe.read()
    assert unseen.imported("rogue_dist", "sst_telemetry") == set()

    consenting.sst("telemetry", "enable")
    probe.read()
    consenting.sst("build")
    assert probe.read().imported("rogue_dist", "sst_telemetry") == {"rogue_dist", "sst_telemetry"}

    consenting.sst("build", env={"DO_NOT_TRACK": "1"})
    assert probe.read().imported("rogue_dist", "sst_telemetry") == set()


def test_hooks_are_handed_frozen_data(machine: Machine) -> None:
    machine.project('build = ["sh", "-c", "exit 3"]')
    install(
        machine,
        """
import dataclasses
@hookimpl
def on_command_finished(context, command, outcome):
    for told in (context, command, outcome):
        try:
            setattr(told, dataclasses.fields(told)[0].name, 0)
        except dataclasses.FrozenInstanceError:
            print("frozen", hasattr(told, "__dict__"))
""",
    )

    run = machine.sst("build")

    assert (run.returncode, run.stdout) == (3, "frozen False\n" * 3)
