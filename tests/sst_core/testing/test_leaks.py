"""What a run leaves behind fails the test; what it cleans up does not."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopback import Loopback, hanging
from sst_core.testing import Machine
from sst_core.testing.leaks import Watch

LEAKS = {
    "thread": (
        "threading.Thread(target=time.sleep, args=(1,), name='sleeper').start()",
        "thread sleeper is still alive",
    ),
    "child": ("kept.append(subprocess.Popen(['true']))", "child process"),
    "socket": ("kept.append(socket.socket())", "socket:["),
    "file": ("kept.append(open(__file__))", "/leaking.py is still open"),
    "environment": ("os.environ['LEAKED'] = '1'", "the variable LEAKED is another"),
    "handler": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "the handler of SIGTERM is another"),
    "a file outside": ("open(OUTSIDE + '/left', 'w').close()", "/left was made or changed"),
    "a folder outside": ("os.mkdir(OUTSIDE + '/left')", "/left was made or changed"),
    "a file that was there": ("os.remove(OUTSIDE + '/there')", "/there was removed"),
    "a file that is renamed": ("os.rename(OUTSIDE + '/there', OUTSIDE + '/left')", "/there was removed"),
}
CLEAN = {
    "nothing": "pass",
    "joined": "thread = threading.Thread(target=time.sleep, args=(0,)); thread.start(); thread.join()",
    "waited for": "subprocess.run(['true'])",
    "closed": "socket.socket().close()",
    "in HOME": "open(os.environ['HOME'] + '/mine', 'w').close()",
    "gone": "open(OUTSIDE + '/left', 'w').close(); os.remove(OUTSIDE + '/left')",
    "read": "open(OUTSIDE + '/there').close()",
}


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not the machine's."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "there").touch()
    return folder


@pytest.fixture
def watch(machine: Machine) -> Watch:
    machine.project('build = ["true"]')
    return Watch.on(machine)


@pytest.fixture
def kept() -> Iterator[list[object]]:
    """What a plugin keeps, ended after the test: only in the run is it a leak."""
    import builtins

    things: list[object] = []
    builtins.kept = things  # type: ignore[attr-defined]
    yield things
    for thing in things:
        getattr(thing, "wait", getattr(thing, "close", None))()  # type: ignore[misc]
    del builtins.kept  # type: ignore[attr-defined]


def plug(machine: Machine, outside: Path, code: str) -> None:
    """A plugin that does `code` when a command ends."""
    file = machine.root / "leaking.py"
    file.write_text(
        "import os, signal, socket, subprocess, threading, time\nfrom sst_core import hookimpl\n"
        f"OUTSIDE = {str(outside)!r}\n@hookimpl\ndef on_command_finished():\n    {code}\n"
    )
    machine.plug(file)


@pytest.mark.parametrize(("code", "words"), LEAKS.values(), ids=LEAKS)
def test_what_is_left_behind_in_this_process_is_a_leak(
    machine: Machine, watch: Watch, outside: Path, kept: list[object], code: str, words: str
) -> None:
    plug(machine, outside, code)

    run = machine.in_process("build")

    assert (run.returncode, run.stderr) == (0, "")
    found = watch.leaks()
    assert any(words in leak for leak in found), found


@pytest.mark.parametrize("code", CLEAN.values(), ids=CLEAN)
def test_what_is_cleaned_up_is_none(machine: Machine, watch: Watch, outside: Path, code: str) -> None:
    plug(machine, outside, code)

    assert machine.in_process("build").stderr == ""
    assert machine.sst("build").stderr == ""

    assert watch.leaks() == []


def test_a_file_outside_is_seen_in_a_process_and_in_those_that_it_starts(
    machine: Machine, watch: Watch, outside: Path
) -> None:
    child = "open({OUTSIDE!r} + '/by-child', 'w')"
    plug(
        machine,
        outside,
        f"import sys; open(OUTSIDE + '/left', 'w'); subprocess.run([sys.executable, '-c', f\"{child}\"], check=True)",
    )

    assert machine.sst("build").stderr == ""

    assert watch.leaks() == [f"{outside}/by-child was made or changed", f"{outside}/left was made or changed"]


def test_a_process_that_is_still_running_is_a_leak(machine: Machine, watch: Watch, outside: Path) -> None:
    plug(machine, outside, "print(subprocess.Popen(['sleep', '60'], stdout=-3, stderr=-3, start_new_session=True).pid)")

    run = machine.sst("build")
    try:
        assert watch.leaks() == ["the process sleep 60 is still running"]
    finally:
        os.kill(int(run.stdout + run.stderr), signal.SIGKILL)
    assert watch.leaks() == []


def test_the_sender_is_none(machine: Machine, watch: Watch, loopback: Loopback) -> None:
    loopback.otherwise = hanging
    assert machine.sst("telemetry", "enable").returncode == 0
    assert machine.sst("build", env={"SST_TELEMETRY_URL": loopback.url}).returncode == 0

    assert len(machine.queued()) == 1, "the sender has nothing to wait for"
    assert watch.leaks() == []


def test_the_fixture_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('from sst_core.testing import Machine\npytest_plugins = ["sst_core.testing"]')
    pytester.makepyfile(
        """
        from sst_core import hookimpl

        class Plugin:
            @hookimpl
            def on_command_finished(self):
                import os
                os.environ["LEAKED"] = "1"

        def test_that_leaks(machine, no_leaks):
            machine.plug(Plugin())
            machine.project('build = ["true"]')
            assert machine.in_process("build").returncode == 0

        def test_that_does_not(machine, watcher, no_leaks):
            machine.project('build = ["true"]')
            assert machine.in_process("build").returncode == 0
            assert watcher.ending() == (("build",), 0, "ok")
        """
    )

    ended = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error")

    ended.assert_outcomes(passed=2, errors=1)
    ended.stdout.fnmatch_lines(["*a run leaked: the variable LEAKED is another*"])
