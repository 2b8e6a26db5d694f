"""What a run leaves behind: the catalogue's fields, one file, and never a trace in the command's own result."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consenting import Consenting, Spawned
from required_programs import absent
from sst_core import SST as PRODUCT
from sst_core import Choice, Moment
from sst_core.testing import PATIENCE, PROGRAM, Machine
from sst_telemetry.record import as_json


def only_run(machine: Machine) -> dict[str, Any]:
    """The one queued run."""
    (path,) = machine.queued()
    values: dict[str, Any] = json.loads(path.read_text())
    return values


@pytest.fixture
def recording(machine: Machine, consenting: Consenting) -> Machine:
    """A machine with a project, on which runs are recorded and no sender starts."""
    machine.project('build = ["echo", "built"]', 'deploy = ["sh", "-c", "echo failing >&2; exit 3"]')
    consenting.hold_back_senders()
    return machine


def test_a_run_is_exactly_what_the_catalogue_takes_in_the_run(recording: Machine) -> None:
    recording.sst("build")

    run = only_run(recording)
    assert run.keys() == {field.key for field in PRODUCT.catalogue.taken_at(Moment.RUN)}
    session = run.pop("sessionId")
    assert PRODUCT.catalogue["sessionId"].kind.accepts(session)
    assert run == {
        "sstVersion": PRODUCT.version,
        "pythonVersion": f"{sys.version_info.major}.{sys.version_info.minor}",
        "isCI": False,
        "ciName": None,
        "command": "build",
    }


@given(st.data())
def test_whatever_the_catalogue_allows_is_written_as_json(data: st.DataObject) -> None:
    kinds = {field.key: field.kind for field in PRODUCT.catalogue.taken_at(Moment.RUN)}
    choices = [kind.values for kind in kinds.values() if isinstance(kind, Choice)]
    facts = {
        "choice": data.draw(st.sampled_from([value for values in choices for value in values])),
        "none": None,
        "flag": data.draw(st.booleans()),
        "number": data.draw(st.integers()),
        "version": data.draw(st.from_regex(r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}", fullmatch=True)),
        "id": data.draw(st.binary(min_size=16, max_size=16)).hex(),
    }

    assert json.loads(as_json(facts)) == facts


def test_no_word_of_the_catalogue_has_to_be_escaped() -> None:
    for field in PRODUCT.catalogue:
        if isinstance(field.kind, Choice):
            assert all(json.dumps(value) == f'"{value}"' for value in field.kind.values), field.key


def test_each_run_has_a_session_of_its_own(recording: Machine) -> None:
    for _ in range(3):
        recording.sst("build")

    assert len({json.loads(path.read_text())["sessionId"] for path in recording.queued()}) == 3


def test_what_was_typed_and_the_environment_are_not_in_it(recording: Machine) -> None:
    recording.sst("build", "--", "--token", "hunter2", env={"TOKEN": "hunter2"})

    (path,) = recording.queued()
    assert b"hunter2" not in path.read_bytes()
    assert str(recording.folder).encode() not in path.read_bytes()


def test_a_failing_command_is_recorded_and_its_result_is_its_own(recording: Machine) -> None:
    ended = recording.sst("deploy")

    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", "failing\n")
    assert only_run(recording)["command"] == "deploy"


def test_a_command_that_is_killed_is_recorded(recording: Machine) -> None:
    recording.project('start = ["sh", "-c", "echo started; exec sleep 60"]')
    process = subprocess.Popen(
        [PROGRAM, "start"],
        cwd=recording.folder,
        env=recording.environ,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process, process.stdout as output:
        assert output.readline() == b"started\n"
        os.killpg(process.pid, signal.SIGKILL)

    assert only_run(recording)["command"] == "start"


PLUGIN = """
import typer

def secretproject() -> None:
    print("plugin at work")

group = typer.Typer()

@group.command()
def build() -> None:
    print("plugin at work")

@group.command()
def other() -> None: ...
"""


@pytest.mark.parametrize("typed", [["secretproject"], ["secretgroup", "build"]])
def test_a_plugins_command_is_recorded_as_plugin(recording: Machine, typed: list[str]) -> None:
    commands = {"secretproject": "acme_secret:secretproject", "secretgroup": "acme_secret:group"}
    recording.install("acme_secret", PLUGIN, {"sst.commands": commands})

    assert recording.sst(*typed).stdout == "plugin at work\n"

    assert only_run(recording)["command"] == "plugin"
    assert b"secret" not in recording.queued()[0].read_bytes()


def test_telemetrys_own_commands_are_never_recorded_and_start_no_sender(recording: Machine, spawned: Spawned) -> None:
    (recording.telemetry / "sender-started").unlink()
    for arguments in (
        [],
        ["--json"],
        ["status"],
        ["show"],
        ["show", "--json"],
        ["enable"],
        ["flush"],
        ["nonsense"],
        ["--help"],
    ):
        recording.sst("telemetry", *arguments)

    assert recording.queued() == []
    assert spawned.senders == []


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["--version"], ["build", "--help"], ["nonsense"], ["build", "--nonsense"]]
)
def test_what_runs_no_command_is_not_recorded(recording: Machine, arguments: list[str]) -> None:
    recording.sst(*arguments)

    assert recording.queued() == []


def test_debugging_prints_the_event_on_stderr_and_records_nothing(recording: Machine) -> None:
    ended = recording.sst("build", env={"SST_TELEMETRY_DEBUG": "1"})

    assert (ended.returncode, ended.stdout) == (0, "built\n")
    words, _, line = ended.stderr.rstrip("\n").partition(": ")
    assert words == "sst telemetry, printed and not recorded"
    envelope = json.loads(line)
    assert envelope["events"] == [{"name": "CLI_COMMAND", "properties": {"command": "build"}}]
    flat = {**envelope["context"], **envelope["environment"], **envelope["events"][0]["properties"]}
    assert json.loads(line) == PRODUCT.catalogue.envelope(flat)
    assert recording.queued() == []
    assert not (recording.telemetry / "secret").exists()


def test_debugging_that_is_switched_off_records(recording: Machine) -> None:
    assert recording.sst("build", env={"SST_TELEMETRY_DEBUG": "0"}).stderr == ""
    assert len(recording.queued()) == 1


def test_in_ci_the_first_run_counts_and_the_notice_is_in_the_log(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')

    ended = machine.sst("build", env={"GITHUB_ACTIONS": "true"})

    assert (ended.returncode, ended.stdout) == (0, "built\n")
    assert "In CI, recording begins with this run." in ended.stderr
    run = only_run(machine)
    assert (run["isCI"], run["ciName"]) == (True, "github-actions")
    assert not (machine.telemetry / "notice").exists(), "nobody has seen it"


def test_without_a_terminal_nobody_has_seen_the_notice_and_nothing_is_recorded(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')

    for _ in range(2):
        ended = machine.sst("build")
        assert (ended.stdout, ended.stderr) == ("built\n", "")

    assert not machine.telemetry.exists()


def _file_for_queue(machine: Machine) -> None:
    machine.queue.rmdir()
    machine.queue.touch()


def _file_for_stamp_folder(machine: Machine) -> None:
    (machine.telemetry / "sender-started").mkdir()


def _link_to_nowhere(machine: Machine) -> None:
    machine.queue.rmdir()
    machine.queue.symlink_to("/nowhere/at/all")


def _queue_on_a_strange_filesystem(machine: Machine) -> None:
    machine.queue.rmdir()
    machine.queue.symlink_to("/proc")


def _read_only(machine: Machine) -> None:
    machine.queue.chmod(0o500)  # no hindrance to root, for whom the others stand in


BROKEN = [_file_for_queue, _file_for_stamp_folder, _link_to_nowhere, _queue_on_a_strange_filesystem, _read_only]


@pytest.mark.parametrize("break_disk", BROKEN, ids=lambda function: str(function.__name__))
@pytest.mark.parametrize("command", ["build", "deploy"])
def test_a_failing_disk_changes_nothing_about_the_command(
    machine: Machine, consenting: Consenting, break_disk: Callable[[Machine], None], command: str
) -> None:
    machine.project('build = ["echo", "built"]', 'deploy = ["sh", "-c", "echo failing >&2; exit 3"]')
    off = machine.sst(command, env={"SST_TELEMETRY_DISABLED": "1"})
    break_disk(machine)

    on = machine.sst(command)

    assert (on.returncode, on.stdout, on.stderr) == (off.returncode, off.stdout, off.stderr)
    machine.queue.chmod(0o700) if break_disk is _read_only else None


@pytest.mark.parametrize("bytes_free", [0, 100])
def test_a_full_disk_changes_nothing_about_the_command(recording: Machine, bytes_free: int) -> None:
    full = (
        "import os, resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes_free}, {bytes_free}))\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )

    # Python tears its own files without a word, and the next test reads them.
    unkept = {"PYTHONDONTWRITEBYTECODE": "1"}
    ended = recording.sst("build", program=(sys.executable, "-c", full, str(PROGRAM)), env=unkept)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "built\n", "")
    assert list(recording.queue.iterdir()) == []


def test_a_disk_without_room_changes_nothing_about_the_command(recording: Machine, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small], stderr=subprocess.DEVNULL, check=False
    )
    if not mounted or mounted.returncode:
        absent("this machine mounts nothing for us")
    try:
        shutil.copytree(recording.telemetry, small / "sst" / "telemetry")
        (small / "sst" / "telemetry" / "queue").chmod(0o700)
        with (small / "filling").open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096) == 4096:
                    pass
            except OSError:
                pass

        ended = recording.sst("build", env={"XDG_STATE_HOME": str(small)})

        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "built\n", "")
        assert list((small / "sst" / "telemetry" / "queue").iterdir()) == []
    finally:
        subprocess.run(["umount", small], timeout=PATIENCE, check=True)


def test_no_home_records_nothing_and_changes_nothing(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')

    ended = machine.sst("build", env={"HOME": "nowhere", "CI": "1"})

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "built\n", "")
    assert not (machine.folder / "nowhere").exists()
