"""A folder that somebody else filled: what lies in it, or is found through it, neither runs nor decides."""

import json
import os
import shutil
from pathlib import Path

import pytest

from loopback import Loopback
from sst_core.testing import Machine
from waiting import eventually

# What `sst`, its sender, Python and their libraries import, by names that a folder could take.
MODULES = ("sst_core", "sst_telemetry", "sst_tasks", "typer", "pluggy", "httpx", "distro", "json", "sitecustomize")
# What a library might ask about the machine, or Python be taken for.
PROGRAMS = ("python", "python3", "sst", "git", "uname", "lsb_release", "oslevel", "stty", "sh")
TRUE = shutil.which("true") or "/bin/true"


@pytest.fixture
def marker(machine: Machine) -> Path:
    """There once something of the folder has run."""
    return machine.root / "ran"


@pytest.fixture
def hostile(machine: Machine, marker: Path) -> Machine:
    """A consenting user's shell in that folder."""
    machine.see_notice()
    machine.project(f'build = ["{TRUE}"]')
    for module in MODULES:
        (machine.folder / f"{module}.py").write_text(f"open({str(marker)!r}, 'a').write({module!r})\n")
    for program in PROGRAMS:
        script = machine.folder / program
        script.write_text(f"#!/bin/sh\necho {program} >> {marker}\n")
        script.chmod(0o755)
    metadata = machine.folder / "evil-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[sst.plugins]\nevil = json\n[sst.commands]\nevil = json\n")
    return machine


COMMANDS = {
    "build": ["build"],
    "help": ["--help"],
    "status": ["telemetry", "--json"],
    "preview": ["telemetry", "show", "--preview", "build"],
    "list": ["plugins", "list"],
    "a command of the folder's": ["evil"],
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_nothing_that_lies_in_the_folder_is_run(hostile: Machine, marker: Path, arguments: list[str]) -> None:
    ended = hostile.sst(*arguments)

    assert ended.returncode == (2 if arguments == ["evil"] else 0), ended.stderr
    assert not marker.exists(), marker.read_text()


@pytest.mark.parametrize("first", ["", "."], ids=["the folder", "a relative one"])
def test_a_path_that_leads_into_the_folder_gives_it_no_say_in_what_is_started(
    hostile: Machine, marker: Path, loopback: Loopback, first: str
) -> None:
    """The command, what it looks at and its sender start nothing by a name; only a task is looked up, as in a shell."""
    path = os.pathsep.join([first or str(hostile.folder), hostile.environ["PATH"]])

    for arguments in (["build"], ["telemetry", "show", "--preview", "build"]):
        assert hostile.sst(*arguments, env={"PATH": path, "SST_TELEMETRY_URL": loopback.url}).returncode == 0

    eventually(lambda: loopback.commands == ["build"], "a delivery")
    assert not marker.exists(), marker.read_text()


def test_a_task_is_looked_up_on_the_path_as_a_shell_does(hostile: Machine, marker: Path) -> None:
    """So that the test above would notice: this is the folder's one way to run something, and its user asked for it."""
    hostile.project('build = ["uname"]')

    assert hostile.sst("build").returncode == 0
    assert not marker.exists()

    path = os.pathsep.join([str(hostile.folder), hostile.environ["PATH"]])
    assert hostile.sst("build", env={"PATH": path}).returncode == 0
    assert marker.read_text() == "uname\n"


@pytest.mark.parametrize("content", [f"{'a.' * 50_000}a = 1\n", f"x = {'[' * 50_000}\n"], ids=["deep keys", "nested"])
def test_a_file_that_would_take_all_the_memory_takes_none(hostile: Machine, content: str) -> None:
    (hostile.folder / "sst.toml").write_text(content)
    little = ("sh", "-c", 'ulimit -v 600000; exec "$@"', "sh", str(hostile.program))

    for arguments, code in ((["build"], 2), (["plugins", "list"], 0), (["telemetry", "--json"], 0), (["--help"], 0)):
        ended = hostile.sst(*arguments, program=little)
        assert ended.returncode == code, ended.stderr
    assert json.loads(hostile.sst("telemetry", "--json").stdout)["enabled"] is False


def test_no_env_file_is_read(hostile: Machine, loopback: Loopback) -> None:
    lines = [f"SST_TELEMETRY_URL={loopback.url}", "SST_TELEMETRY_DISABLED=1", "SST_NO_PLUGINS=1", "CI=true"]
    for name in (".env", ".env.local", ".envrc", ".sst/.env"):
        file = hostile.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join([*lines, ""]))

    assert hostile.sst("build").returncode == 0

    status = json.loads(hostile.sst("telemetry", "--json").stdout)
    assert (status["enabled"], status["collector"]) == (True, None)
    assert len(hostile.queued()) == 1
    assert hostile.sst("telemetry", "flush").returncode == 1, "nowhere to send it"
    assert loopback.requests == []


def test_a_projects_file_names_no_collector_and_turns_nothing_on(hostile: Machine, loopback: Loopback) -> None:
    hostile.project(f'build = ["{TRUE}"]', extra=f'[telemetry]\nenabled = true\ncollector = "{loopback.url}"\n')

    assert hostile.sst("build").returncode == 0
    assert json.loads(hostile.sst("telemetry", "--json").stdout)["collector"] is None
    hostile.sst("telemetry", "flush")
    assert loopback.requests == []

    assert hostile.sst("telemetry", "disable").returncode == 0
    assert hostile.sst("build").returncode == 0
    assert json.loads(hostile.sst("telemetry", "--json").stdout)["enabled"] is False
    assert not hostile.telemetry.exists()
