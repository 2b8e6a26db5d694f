"""The tests of a plugin, with the fixtures of `sst_core.testing`."""

import subprocess
from pathlib import Path
from typing import assert_type

from sst_core import Outcome, Result
from sst_core.testing import PATIENCE, PROGRAM, Call, Finished, Invoked, Machine, Probe, Probed, Screen, Watcher

assert_type(PATIENCE, float)
assert_type(PROGRAM, Path)


class Plugin:
    """Any object may be one."""


def test_a_command(machine: Machine, watcher: Watcher, no_leaks: None) -> None:
    machine.plug(Plugin(), name="mine")
    machine.project('build = ["true"]')
    run = machine.sst("build", env={"CI": "true"})
    assert_type(run, subprocess.CompletedProcess[str])
    assert_type(machine.in_process("build"), subprocess.CompletedProcess[str])
    assert_type(machine.on_terminal("build"), Screen)
    assert_type(watcher.calls, tuple[Call, ...])
    assert_type(watcher.notified, tuple[Invoked | Finished, ...])
    assert_type(watcher.finished[0].outcome, Outcome)
    assert watcher.finished[0].outcome.result is Result.OK
    assert_type(machine.queued(), list[Path])


def test_what_is_imported(machine: Machine) -> None:
    probe = Probe.on(machine)
    probed = probe.read()
    assert_type(probed, Probed)
    assert_type(probed.imported("mine"), set[str])


def test_what_is_wrong(machine: Machine, watcher: Watcher) -> None:
    machine.sst(["build"])  # E: arg-type reportArgumentType
    machine.project(Path("sst.toml"))  # E: arg-type reportArgumentType
    print(watcher.failed)  # E: attr-defined reportAttributeAccessIssue
    Probe(machine)  # E: arg-type reportArgumentType
    print(watcher.finished[0].settings)  # E: attr-defined reportAttributeAccessIssue
