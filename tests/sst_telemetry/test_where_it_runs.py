"""Wherever a command runs, its sender does: isolated, from what can't be written, in a burst, and on other systems."""

import os
import site
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sst_core
import sst_telemetry
from consenting import Consenting, Spawned
from faults import apart
from installed import PYTHON
from loopback import Loopback
from sst_core import SST as PRODUCT
from sst_core import Context
from sst_core.testing import PATIENCE, PROGRAM, Machine
from sst_telemetry.spawn import start_sender_if_due
from waiting import eventually

# 200 processes that have all imported what they need, and record and start a sender at the same moment.
_BURST = """
import os
from sst_core import Command, Context, Origin, ci_name
from sst_core.sst import SST
from sst_telemetry import plugin

context, command = Context(product=SST, ci=ci_name(os.environ)), Command(path=("build",), origin=Origin.CORE)
waiting, go = os.pipe()
children = []
for _ in range(200):
    child = os.fork()
    if not child:
        os.close(go)
        os.read(waiting, 1)
        plugin.on_command_invoked(context, command)
        plugin.on_command_finished(context, command)
        os._exit(0)
    children.append(child)
os.close(go)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""


def test_two_hundred_commands_in_a_burst_start_one_sender(
    machine: Machine, consenting: Consenting, spawned: Spawned
) -> None:
    subprocess.run([*PYTHON, "-c", _BURST], env=machine.environ, timeout=PATIENCE, check=True)

    assert (len(machine.queued()), len(spawned.senders)) == (200, 1)


def test_in_ci_a_burst_is_one_senders_and_its_last_run_is_delivered_too(
    machine: Machine, consenting: Consenting, loopback: Loopback, spawned: Spawned
) -> None:
    environ = {**machine.environ, "CI": "true", "SST_TELEMETRY_URL": loopback.url}
    subprocess.run([*PYTHON, "-c", _BURST], env=environ, timeout=PATIENCE, check=True)

    eventually(lambda: machine.queued() == [], "the delivery of all")
    # One that was ended by its lifetime in between may have sent some twice.
    assert len({session for request in loopback.requests for session in request.sessions}) == 200
    # One, where nothing else keeps the machine from running the burst without a pause: see test_delivery.py.
    assert len(spawned.senders) < 5


def test_an_isolated_script_and_a_path_without_python(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    machine.project('build = ["/bin/true"]')

    run = machine.sst(
        "build",
        env={"SST_TELEMETRY_URL": loopback.url, "PATH": "/nowhere", "PYTHONHOME": "/nowhere"},
        program=(sys.executable, "-I", str(PROGRAM)),
    )

    assert (run.returncode, run.stderr) == (0, "")
    eventually(lambda: loopback.commands == ["build"], "a delivery")


def test_packages_that_cannot_be_written(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    machine.project('build = ["/bin/true"]')
    installed = {*site.getsitepackages(), *(each.__path__[0] for each in (sst_core, sst_telemetry))}
    there = [folder for folder in installed if Path(folder).is_dir()]
    read_only = " && ".join(f"mount --bind {each} {each} && mount -o remount,ro,bind {each}" for each in there)
    write = f"! touch {there[0]}/written 2> /dev/null"

    run = machine.sst(
        "build", env={"SST_TELEMETRY_URL": loopback.url}, program=apart("--mount", f"{read_only} && {write}")
    )

    assert (run.returncode, run.stderr) == (0, "")
    eventually(lambda: loopback.commands == ["build"], "a delivery")


def test_on_windows_the_sender_is_detached_and_has_no_window(
    machine: Machine, consenting: Consenting, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], dict[str, Any]]] = []
    monkeypatch.setattr("sst_telemetry.spawn.sys.platform", "win32")
    flags = {"DETACHED_PROCESS": 8, "CREATE_NEW_PROCESS_GROUP": 512, "CREATE_NO_WINDOW": 0x08000000}
    for flag, number in flags.items():
        monkeypatch.setattr(subprocess, flag, number, raising=False)
    monkeypatch.setattr(subprocess, "Popen", lambda arguments, **how: started.append((arguments, how)))
    monkeypatch.delattr(os, "posix_spawn")
    own = {"XDG_STATE_HOME": str(machine.state.parent), "SYSTEMROOT": "C:\\"}
    for name, value in {**machine.environ, **own}.items():
        monkeypatch.setenv(name, value)

    start_sender_if_due(Context(product=PRODUCT, ci=None), None)

    ((arguments, how),) = started
    assert arguments == [sys.executable, "-P", "-m", "sst_telemetry.sender", "sst_core.sst:SST"]
    assert how["creationflags"] == sum(flags.values())
    assert {how[stream] for stream in ("stdin", "stdout", "stderr")} == {subprocess.DEVNULL}
    assert how["env"]["SYSTEMROOT"] == "C:\\", "without it no socket opens there"


def test_a_system_that_does_not_list_open_files_starts_one_too(
    machine: Machine, consenting: Consenting, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(os, "posix_spawn", lambda *_, **how: started.append(how))

    def unlisted(path: str) -> list[str]:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "listdir", unlisted)
    for name, value in machine.environ.items():
        monkeypatch.setenv(name, value)

    start_sender_if_due(Context(product=PRODUCT, ci=None), None)

    assert [action[0] for action in started[0]["file_actions"]] == [os.POSIX_SPAWN_OPEN] * 3
    assert started[0]["setsid"] is True
