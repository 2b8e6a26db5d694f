"""Starting the sender: at most one an interval, detached, with a reduced environment, and never waited for."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from consenting import Consenting, Spawned
from loopback import Loopback, hanging
from sst_core import SST as PRODUCT
from sst_core import Context
from sst_core.testing import PATIENCE, PROGRAM, Machine
from sst_telemetry import spawn
from sst_telemetry.queue import MAX_AGE
from sst_telemetry.spawn import CAME, INTERVAL, INTERVAL_IN_CI, STAMP, missing_since, start_sender_if_due
from waiting import eventually


@pytest.fixture
def building(machine: Machine, consenting: Consenting) -> Machine:
    """A machine with a project, on which runs are recorded."""
    machine.project('build = ["/bin/echo", "built"]')
    return machine


def sender(machine: Machine) -> int:
    """The process that holds the sender's lock."""
    return int((machine.state / "telemetry.lock").read_text())


def lives(process: int) -> bool:
    """Whether it does, and is a sender."""
    try:
        return b"sst_telemetry.sender" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def test_two_commands_in_a_row_start_one_sender(building: Machine, spawned: Spawned) -> None:
    building.sst("build")
    building.sst("build")

    assert len(spawned.senders) == 1
    assert spawned.senders[0]["arguments"][1:] == ["-P", "-m", "sst_telemetry.sender", "sst_core.sst:SST"]


def test_of_many_that_find_it_due_at_the_same_moment_one_starts_it(
    building: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    monkeypatch.setattr("sst_telemetry.spawn.os.posix_spawn", lambda *_, **__: started.append(1))
    for name, value in building.environ.items():
        monkeypatch.setenv(name, value)
    context = Context(product=PRODUCT, ci=None)
    for attempt in range(100):
        stamp = building.telemetry / STAMP
        stamp.unlink(missing_ok=True)
        if attempt % 2:
            stamp.write_bytes(b"1")
            os.utime(stamp, (1, 1))
        started.clear()
        together = threading.Barrier(6)

        def command(together: threading.Barrier = together) -> None:
            together.wait()
            start_sender_if_due(context, None)

        threads = [threading.Thread(target=command) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(started) == 1


def test_when_the_interval_is_over_many_at_once_start_one_more(building: Machine, spawned: Spawned) -> None:
    building.sst("build")
    stamp = building.telemetry / STAMP
    long_ago = time.time() - INTERVAL - 1
    os.utime(stamp, (long_ago, long_ago))

    commands = [
        subprocess.Popen([PROGRAM, "build"], cwd=building.folder, env=building.environ, stdout=subprocess.DEVNULL)
        for _ in range(8)
    ]
    assert [command.wait(PATIENCE) for command in commands] == [0] * 8

    assert len(spawned.senders) == 2


@pytest.mark.parametrize("clock", [-365 * 86400, 365 * 86400, -INTERVAL, 1.0 + INTERVAL])
def test_a_clock_that_was_set_starts_the_next_sender(building: Machine, spawned: Spawned, clock: float) -> None:
    building.sst("build")
    stamp = building.telemetry / STAMP
    then = time.time() - clock
    os.utime(stamp, (then, then))

    building.sst("build")
    building.sst("build")

    assert len(spawned.senders) == 2


@pytest.mark.parametrize(("came", "kept"), [(None, 0), (1, 0), (2, 1)], ids=["never", "not to the last", "yes"])
def test_where_no_sender_comes_a_command_keeps_the_queue_within_its_bounds(
    building: Machine, consenting: Consenting, monkeypatch: pytest.MonkeyPatch, came: int | None, kept: int
) -> None:
    started: list[int] = []
    monkeypatch.setattr("sst_telemetry.spawn.os.posix_spawn", lambda *_, **__: started.append(1))
    for name, value in building.environ.items():
        monkeypatch.setenv(name, value)
    consenting.record(at=time.time() - MAX_AGE - 60)
    consenting.hold_back_senders()
    os.utime(building.telemetry / STAMP, (2, 2))
    consenting.locations.lock.touch()  # as `enable`, `purge` or `forget` does
    if came is not None:
        (building.telemetry / CAME).touch()
        os.utime(building.telemetry / CAME, (came, came))

    start_sender_if_due(Context(product=PRODUCT, ci=None), None)

    assert (len(building.queued()), consenting.state.dropped, started) == (kept, 1 - kept, [1])


def test_a_sender_is_missed_from_its_start_until_one_has_come(consenting: Consenting) -> None:
    telemetry = consenting.locations.telemetry
    assert missing_since(consenting.locations) is None

    (telemetry / STAMP).touch()
    os.utime(telemetry / STAMP, (2, 2))
    assert missing_since(consenting.locations) == 2.0

    (telemetry / CAME).touch()
    assert missing_since(consenting.locations) is None


def test_a_disk_that_keeps_the_queue_from_being_trimmed_keeps_no_sender_from_starting(
    building: Machine, consenting: Consenting, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    monkeypatch.setattr("sst_telemetry.spawn.os.posix_spawn", lambda *_, **__: started.append(1))
    for name, value in building.environ.items():
        monkeypatch.setenv(name, value)
    consenting.hold_back_senders()
    os.utime(building.telemetry / STAMP, (2, 2))
    consenting.locations.lock.unlink(missing_ok=True)
    consenting.locations.lock.mkdir()

    start_sender_if_due(Context(product=PRODUCT, ci=None), None)

    assert started == [1]


def test_a_program_that_is_its_own_interpreter_is_not_run_as_a_sender(
    building: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sst_telemetry.spawn.os.posix_spawn", lambda *_, **__: pytest.fail("one was started"))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    for variable, content in building.environ.items():
        monkeypatch.setenv(variable, content)

    start_sender_if_due(Context(product=PRODUCT, ci=None), None)

    assert (building.telemetry / STAMP).exists(), "one was due"


def test_within_the_interval_none_is_started(building: Machine, spawned: Spawned) -> None:
    building.sst("build")
    stamp = building.telemetry / STAMP
    then = time.time() - INTERVAL / 2
    os.utime(stamp, (then, then))

    building.sst("build")

    assert len(spawned.senders) == 1


def test_in_ci_a_run_starts_one_unless_one_has_not_looked_yet(building: Machine, spawned: Spawned) -> None:
    stamp = building.telemetry / STAMP
    for expected in (1, 1, 2):
        if expected == 2:
            stamp.unlink()  # as a sender does that is about to look at the queue
        building.sst("build", env={"CI": "true"})
        assert len(spawned.senders) == expected
    assert all(started["environ"]["CI"] == "1" for started in spawned.senders)


def test_in_ci_a_run_that_a_sender_has_in_hand_starts_none(building: Machine, spawned: Spawned) -> None:
    building.project(f'build = ["sh", "-c", "rm {building.queue}/*"]')

    building.sst("build", env={"CI": "true"})

    assert spawned.senders == []


def test_in_ci_a_sender_that_died_is_not_waited_for_longer_than_it_could_live(
    building: Machine, spawned: Spawned
) -> None:
    building.sst("build", env={"CI": "true"})
    long_ago = time.time() - INTERVAL_IN_CI - 1
    os.utime(building.telemetry / STAMP, (long_ago, long_ago))

    building.sst("build", env={"CI": "true"})

    assert len(spawned.senders) == 2


def test_a_failing_command_starts_one_too(building: Machine, spawned: Spawned) -> None:
    building.project('build = ["false"]')

    assert building.sst("build").returncode == 1

    assert len(spawned.senders) == 1


def test_none_is_started_while_off(building: Machine, spawned: Spawned) -> None:
    building.sst("build", env={"SST_TELEMETRY_DISABLED": "1"})
    building.sst("build", env={"DO_NOT_TRACK": "1", "CI": "1"})

    assert spawned.senders == []


ALLOWED = {
    "HOME",
    "LANG",
    "PYTHONPATH",
    "SST_TELEMETRY_URL",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "LD_LIBRARY_PATH",
}


def test_the_sender_is_detached_and_knows_nothing_that_it_does_not_need(building: Machine, loopback: Loopback) -> None:
    loopback.otherwise = hanging
    secrets = {
        "SECRET": "hunter2",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "GITHUB_TOKEN": "hunter2",
        "USER": "hunter2",
        "HTTP_PROXY": "hunter2",
    }
    needed = {
        "SST_TELEMETRY_URL": loopback.url,
        "HTTPS_PROXY": "http://proxy:1",
        "NO_PROXY": "*",
        "SSL_CERT_FILE": "/x",
        "LD_LIBRARY_PATH": "/y",
    }

    building.sst("build", env={**secrets, **needed})

    eventually(lambda: len(loopback.requests) == 1, "a request")
    there = Path(f"/proc/{sender(building)}")
    environ = dict(
        variable.split("=", 1) for variable in (there / "environ").read_bytes().decode().split("\0") if variable
    )
    assert environ.keys() == ALLOWED
    assert "hunter2" not in str(environ)
    assert environ.items() >= needed.items()
    assert not {str(building.folder), str(PROGRAM.parent)} & {*environ["PYTHONPATH"].split(os.pathsep)}
    assert (there / "cwd").readlink() == Path("/")
    assert {(there / "fd" / number).readlink() for number in "012"} == {Path("/dev/null")}
    assert os.getsid(sender(building)) == sender(building)


def test_a_command_whose_output_is_read_ends_while_its_sender_still_hangs(
    building: Machine, loopback: Loopback
) -> None:
    loopback.otherwise = hanging

    ended = building.sst("build", env={"SST_TELEMETRY_URL": loopback.url})

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "built\n", "")
    # A sender that held the command's streams would have kept it until its own end.
    eventually(lambda: len(loopback.requests) == 1, "a request")
    assert lives(sender(building))


def test_a_pipe_that_the_command_was_handed_ends_while_its_sender_still_hangs(
    building: Machine, loopback: Loopback
) -> None:
    loopback.otherwise = hanging
    ours, theirs = os.pipe()
    with subprocess.Popen(
        [PROGRAM, "build"],
        cwd=building.folder,
        env={**building.environ, "SST_TELEMETRY_URL": loopback.url},
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs],
    ):
        os.close(theirs)

    assert os.read(ours, 1) == b""
    os.close(ours)
    eventually(lambda: len(loopback.requests) == 1, "a request")
    assert lives(sender(building))


def test_the_sender_never_has_a_file_that_the_command_was_handed(
    building: Machine, loopback: Loopback, tmp_path: Path
) -> None:
    assert building.plugins is not None
    building.plugins.mkdir()
    seen = tmp_path / "seen"
    (building.plugins / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'sst_telemetry.sender' in sys.orig_argv:\n"
        f"    open({str(seen)!r}, 'w').write(' '.join(os.readlink(f'/proc/self/fd/{{n}}') for n in range(40)"
        " if os.path.exists(f'/proc/self/fd/{n}')))\n"
    )
    building.environ["PYTHONPATH"] = str(building.plugins)
    handed = tmp_path / "handed"
    handed.touch()
    # As every stream, and as the first number behind them.
    script = 'exec < "$1" > "$1" 2> "$1" 3> "$1"; exec "$0" build'
    env = {"SST_TELEMETRY_URL": loopback.url}
    assert building.sst("-c", script, str(PROGRAM), str(handed), program=("sh",), env=env).returncode == 0

    eventually(lambda: loopback.commands == ["build"], "a delivery")
    assert str(handed) not in seen.read_text()
    assert "/dev/null" in seen.read_text()


def test_what_ends_a_sender_is_not_kept_from_it_by_what_the_command_blocks(
    building: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    loopback.otherwise = hanging
    blocking = (
        "import os, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )

    program = (sys.executable, "-c", blocking, str(PROGRAM))
    building.sst("build", env={"SST_TELEMETRY_URL": loopback.url}, program=program)

    eventually(lambda: len(loopback.requests) == 1, "a request")
    process = sender(building)
    os.kill(process, signal.SIGALRM)  # as when its ten seconds are over
    eventually(lambda: not lives(process), "its end")
    assert consenting.status["last_delivery"]["outcome"] == "none yet", "and not that of a request that was given up"
    assert len(building.queued()) == 1


def test_a_module_in_the_working_directory_is_not_the_senders(building: Machine, loopback: Loopback) -> None:
    (building.folder / "httpx.py").write_text("raise SystemExit\n")
    (building.folder / "sst_telemetry.py").write_text("raise SystemExit\n")

    building.sst("build", env={"SST_TELEMETRY_URL": loopback.url})

    eventually(lambda: loopback.commands == ["build"], "a delivery")


@pytest.mark.parametrize("entries", [".", ":/x", "/x:", "below", "/x:below/../below", "./"])
def test_a_path_that_leads_to_wherever_a_command_is_run_leads_its_sender_nowhere(
    building: Machine, loopback: Loopback, entries: str
) -> None:
    (building.folder / "below").mkdir()
    for folder in (building.folder, building.folder / "below"):
        for module in ("httpx", "distro", "gzip"):  # which a command doesn't import, and its sender does
            (folder / f"{module}.py").write_text("raise SystemExit\n")

    building.sst("build", env={"SST_TELEMETRY_URL": loopback.url, "PYTHONPATH": entries})

    eventually(lambda: loopback.commands == ["build"], "a delivery")


def test_a_command_that_goes_elsewhere_leads_its_sender_to_neither_folder(
    building: Machine, spawned: Spawned, tmp_path: Path
) -> None:
    first, there = tmp_path / "first", tmp_path / "there"
    first.mkdir()
    there.mkdir()
    code = f"import os, sys; os.chdir({str(there)!r}); sys.path += [os.getcwd()]; from sst_core.sst import main; main()"
    building.project('build = ["/bin/echo", "built"]', folder=there)
    path = os.pathsep.join(["", str(first), building.environ["PYTHONPATH"]])

    building.sst("-c", code, "build", env={"PYTHONPATH": path, "PWD": str(building.folder)}, program=(sys.executable,))

    (started,) = spawned.senders
    found = started["environ"]["PYTHONPATH"].split(os.pathsep)
    assert str(first) in found
    assert str(building.folder) not in found
    assert str(there) not in found


def test_a_program_that_lies_in_the_working_directory_is_found_there_again(building: Machine, spawned: Spawned) -> None:
    (building.folder / "shop.py").write_text(
        "from dataclasses import replace\n"
        "from sst_core import SST, Context\n"
        "from sst_telemetry.spawn import start_sender_if_due\n"
        "PRODUCT = replace(SST, target='shop:PRODUCT')\n"
        "def main(): start_sender_if_due(Context(product=PRODUCT, ci=None), None)\n"
    )
    path = os.pathsep.join([".", building.environ["PYTHONPATH"]])

    program = (sys.executable, "-P", "-c", "import shop; shop.main()")
    ended = building.sst(env={"PYTHONPATH": path}, program=program)

    assert ended.stderr == ""
    (started,) = spawned.senders
    assert str(building.folder) in started["environ"]["PYTHONPATH"].split(os.pathsep)


@pytest.mark.parametrize("options", [["-m", "sst_core"], ["-I", "-m", "sst_core"], ["-P", "-m", "sst_core"]])
def test_however_the_command_is_started_its_sender_delivers(
    building: Machine, loopback: Loopback, options: list[str]
) -> None:
    (building.folder / "httpx.py").write_text("raise SystemExit\n")

    building.sst("build", env={"SST_TELEMETRY_URL": loopback.url, "PATH": ""}, program=(sys.executable, *options))

    eventually(lambda: loopback.commands == ["build"], "a delivery")


def test_all_that_the_command_imports_from_is_there_for_its_sender(
    building: Machine, spawned: Spawned, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    code = f"import sys; sys.path.insert(0, {str(first)!r}); from sst_core.sst import main; main()"

    building.sst("-c", code, "build", program=(sys.executable, "-P"))

    (started,) = spawned.senders
    assert started["environ"]["PYTHONPATH"].split(os.pathsep)[0] == str(first)


def test_an_interpreter_that_is_no_file_changes_nothing_about_the_command(building: Machine) -> None:
    program = (
        str(PROGRAM.with_name("python")),
        "-c",
        "import sys; sys.executable = '/nowhere/python'; from sst_core.sst import main; main()",
    )

    ended = building.sst("build", program=program)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "built\n", "")
    assert len(building.queued()) == 1


def test_an_interpreter_that_does_not_know_where_it_is_starts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def spawned(*_: object, **__: object) -> None:
        pytest.fail("a process was started")

    monkeypatch.setattr(os, "posix_spawn", spawned)
    monkeypatch.setattr(sys, "executable", "")

    spawn._spawn(PRODUCT, in_ci=False)


def test_the_sender_of_an_sst_in_a_task_outlives_the_task_that_is_interrupted(
    building: Machine, loopback: Loopback
) -> None:
    loopback.otherwise = hanging
    building.project(
        'build = ["/bin/echo", "built"]',
        f"""start = ["sh", "-c", "sleep 0.5; '{PROGRAM}' build; echo ready; sleep 60"]""",
    )
    terminal = building.terminal("start", env={"SST_TELEMETRY_URL": loopback.url})
    terminal.wait_for("ready")
    eventually(lambda: len(loopback.requests) == 1, "a request that has no answer")
    process = sender(building)

    terminal.type("\x03")

    assert terminal.end().exit_code == 130
    assert lives(process)
