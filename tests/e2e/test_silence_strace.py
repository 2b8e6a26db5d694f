"""Off is silent as the system sees it: no socket, no process but the project's own, no thread, no write."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loopback import Loopback
from permissions import only_root
from required_programs import absent, needed
from sst_core.testing import PROGRAM, Machine
from tracing import Traced, trace

TASK = "true"


@pytest.fixture
def consenting(machine: Machine, loopback: Loopback) -> Machine:
    """A machine with a project and a collector, whose user has said yes: nothing but a *no* keeps it quiet."""
    machine.project(f'build = ["{TASK}"]')
    machine.environ["SST_TELEMETRY_URL"] = loopback.url
    assert machine.sst("telemetry", "enable").returncode == 0
    return machine


Way = Callable[[Machine], dict[str, str]]


def variable(machine: Machine) -> dict[str, str]:
    """The variable of the public page."""
    return {"SST_TELEMETRY_DISABLED": "1"}


def variable_in_ci(machine: Machine) -> dict[str, str]:
    """The same where no notice is asked for."""
    return {"SST_TELEMETRY_DISABLED": "1", "CI": "true"}


def do_not_track(machine: Machine) -> dict[str, str]:
    """The variable that many programs share."""
    return {"DO_NOT_TRACK": "1"}


def user(machine: Machine) -> dict[str, str]:
    """The user has said no."""
    assert machine.sst("telemetry", "disable").returncode == 0
    return {}


def project(machine: Machine) -> dict[str, str]:
    """The project says no."""
    assert machine.sst("telemetry", "disable", "--project").returncode == 0
    return {}


def notice_unseen(machine: Machine) -> dict[str, str]:
    """Nobody has said anything, and there is no terminal to ask on."""
    shutil.rmtree(machine.state)
    return {}


def plugin_blocked(machine: Machine) -> dict[str, str]:
    """The telemetry plugin is switched off by name."""
    return {"SST_DISABLE_PLUGINS": "telemetry"}


@pytest.mark.parametrize(
    "way",
    [variable, variable_in_ci, do_not_track, user, project, notice_unseen, plugin_blocked],
    ids=lambda way: str(way.__name__),
)
def test_off_is_silent(consenting: Machine, loopback: Loopback, way: Way) -> None:
    environ = way(consenting)

    assert _noise(trace(consenting, "build", env=environ)) == []
    assert loopback.requests == []


def test_the_administrators_no_is_as_silent(consenting: Machine, tmp_path: Path) -> None:
    only_root("show a command another /etc")
    # This machine's own /etc is left alone: the command sees a copy in its place.
    etc, script = tmp_path / "etc", 'mount --bind "$1" /etc && shift && exec "$@"'
    in_its_place = (needed("unshare"), "--mount", "sh", "-c", script, "sh", str(etc))
    # Other tests put policies of their own there and take them away meanwhile: that one vanished does not matter.
    subprocess.run(["cp", "--archive", "/etc", etc], check=False)
    assert (etc / "passwd").is_file()
    if subprocess.run([*in_its_place, "true"], capture_output=True, check=False).returncode:
        absent("this machine mounts nothing for us")
    policy = etc / "sst" / "policy.toml"
    policy.parent.mkdir()
    policy.write_text("[telemetry]\nenabled = true\n")

    on = trace(consenting, "build", around=in_its_place)
    assert any("sst_telemetry.sender" in program for program in on.programs), "nothing else is off"
    policy.write_text("[telemetry]\nenabled = false\n")

    assert _noise(trace(consenting, "build", around=in_its_place)) == []


def test_on_is_seen_by_the_same_check(consenting: Machine, loopback: Loopback) -> None:
    on = trace(consenting, "build")

    assert loopback.commands == ["build"], "strace waits for the sender"
    task, sender = sorted(on.programs[1:], key=lambda program: "sender" in program)
    assert f'["{TASK}"]' in task
    assert "sst_telemetry.sender" in sender
    written = {call.path for call in on.writes}
    assert any(path.startswith(f"{consenting.queue}/.") for path in written)
    moved = {call.path for call in on.named("rename", "renameat", "renameat2")}
    assert any(path.startswith(f"{consenting.queue}/.") for path in moved)
    assert all(path.startswith(str(consenting.state)) for path in written | moved), "and nowhere else"
    port = loopback.url.split(":")[2].partition("/")[0]
    assert any(f"sin_port=htons({port})" in call.arguments for call in on.named("connect"))
    command, *_ = on.calls
    assert command.process not in {call.process for call in on.named("socket", "connect")}, "the command itself: never"
    assert command.process not in {call.process for call in on.threads}
    assert _noise(on)


NOISES = {
    "a file": "open('made', 'w')",
    "a file to append to": "open('/dev/full', 'a')",
    "a folder": "os.mkdir('made')",
    "a rename": "os.rename('here', 'there')",
    "a link": "os.symlink('here', 'made')",
    "a deletion": "os.unlink('here')",
    "a time": "os.utime('here')",
    "a socket": "socket.socket()",
    "a pair of sockets": "socket.socketpair()",
    "a thread": "threading.Thread(target=int).start()",
    "a fork": "os._exit(0) if os.fork() == 0 else os.wait()",
    "a program": "subprocess.run(['true'])",
    "another program": "os.execvp('true', ['true'])",
}


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_every_noise_is_heard(machine: Machine, noise: str) -> None:
    (machine.folder / "here").touch()
    code = f"import os, socket, subprocess, threading\nsubprocess.run(['{TASK}'])\n"
    program = (sys.executable, "-c")

    assert _noise(trace(machine, code, program=program), sys.executable) == []
    assert _noise(trace(machine, code + noise, program=program), sys.executable)


def _noise(traced: Traced, program: str = str(PROGRAM)) -> list[object]:
    """Everything but the command itself and the project's own task."""
    noise: list[object] = [*traced.others, *traced.writes, *traced.threads, *traced.processes[1:]]
    expected = [f'"{program}", ', f'["{TASK}"], ']
    for executed in traced.programs:
        known = next((each for each in expected if each in executed), None)
        expected.remove(known) if known else noise.append(executed)
    assert expected == [], "neither of the two was seen"
    return noise
