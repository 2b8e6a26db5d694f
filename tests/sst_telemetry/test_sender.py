"""The detached sender: it delivers, says nothing, ends in time, and loses nothing when it is killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from consenting import Consenting, names
from loopback import Loopback, hanging
from sst_core.testing import PATIENCE, Machine, Probe
from sst_telemetry.state import DeliveryState, write_state
from waiting import eventually


def start(machine: Machine, url: str, *, lifetime: float | None = None) -> "subprocess.Popen[bytes]":
    """A sender as a command starts it, but for its lifetime."""
    shorter = f"import sst_telemetry.sender as s; s.LIFETIME = {lifetime}; s.main('sst_core.sst:SST')"
    arguments = ["-c", shorter] if lifetime else ["-m", "sst_telemetry.sender", "sst_core.sst:SST"]
    return subprocess.Popen(
        [sys.executable, "-P", *arguments],
        env={**machine.environ, "SST_TELEMETRY_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, bytes]:
    """Its exit code and all that it said."""
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def test_it_delivers_and_says_nothing(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    consenting.record("build")
    consenting.record("deploy")

    assert ended(start(machine, loopback.url)) == (0, b"")

    assert [request.commands for request in loopback.requests] == [["build", "deploy"]]
    assert machine.queued() == []


def test_a_second_one_leaves_the_work_to_the_first(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    consenting.record()
    loopback.otherwise = hanging
    first = start(machine, loopback.url)
    eventually(lambda: len(loopback.requests) == 1, "a request")

    assert ended(start(machine, loopback.url)) == (0, b"")

    assert len(loopback.requests) == 1
    first.kill()
    ended(first)


def test_it_ends_whatever_the_collector_does_and_puts_off_the_next(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    consenting.record()
    loopback.otherwise = hanging

    code, output = ended(start(machine, loopback.url, lifetime=4.5))

    assert (code, output) == (-signal.SIGALRM, b"")
    assert len(loopback.requests) == 1
    assert len(machine.queued()) == 1
    assert consenting.state.failures == 1
    assert consenting.deliver(loopback.url, now_please=False).reason == "waiting after a failure"
    assert len(loopback.requests) == 1


def test_one_that_is_killed_in_the_midst_of_a_request_loses_nothing(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    runs = [consenting.record(command) for command in ("build", "deploy")]
    loopback.script = [hanging]
    killed = start(machine, loopback.url)
    eventually(lambda: len(loopback.requests) == 1, "a request")

    os.kill(killed.pid, signal.SIGKILL)
    ended(killed)

    assert names(machine.queued()) == names(runs)
    assert consenting.deliver(loopback.url).left == 0
    first, second = loopback.requests
    assert first.sessions == second.sessions, "the collector counts them once"
    assert machine.queued() == []


def test_a_user_sees_what_one_that_was_killed_had_sent(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    consenting.record()
    loopback.script = [hanging]
    killed = start(machine, loopback.url)
    eventually(lambda: len(loopback.requests) == 1, "a request")
    killed.kill()
    ended(killed)

    text = machine.sst("telemetry", "show").stdout
    last = json.loads(machine.sst("telemetry", "status", "--json").stdout)["last_delivery"]

    assert "answer: none yet" in text
    assert (last["outcome"], last["sent"], last["accepted"]) == ("none yet", 1, 0)
    assert text.rstrip("\n").endswith(loopback.requests[0].lines[0].decode())


@pytest.mark.parametrize("home", ["nowhere", "/proc"])
def test_without_a_home_it_ends_without_a_word(machine: Machine, loopback: Loopback, home: str) -> None:
    machine.environ["HOME"] = home

    assert ended(start(machine, loopback.url)) == (0, b"")
    assert loopback.requests == []


def test_imports_that_hang_are_within_its_lifetime(machine: Machine, consenting: Consenting) -> None:
    (hanging_import := machine.home / "distro.py").write_text("import time; time.sleep(3600)")
    consenting.record()
    machine.environ["PYTHONPATH"] = str(hanging_import.parent)

    assert ended(start(machine, "https://collector.invalid/events", lifetime=2.0)) == (-signal.SIGALRM, b"")


BROKEN = {
    "missing": ("raise ModuleNotFoundError(\"No module named '{module}'\")", "No module named '{module}'"),
    "torn": ("def (", "SyntaxError"),
    "of another version": ("import os; os.hunter2", "AttributeError"),
}


@pytest.mark.parametrize(("module", "broken"), [("distro", "missing"), *(("httpx", broken) for broken in BROKEN)])
def test_where_a_module_is_broken_a_user_is_told_which_and_what_to_do(
    machine: Machine, consenting: Consenting, loopback: Loopback, module: str, broken: str
) -> None:
    consenting.record()
    code, why = (text.format(module=module) for text in BROKEN[broken])
    (machine.home / f"{module}.py").write_text(code)
    machine.environ |= {"PYTHONPATH": str(machine.home), "SST_TELEMETRY_URL": loopback.url}

    assert ended(start(machine, loopback.url)) == (0, b"")

    words = f"A part of sst can't be imported: {why}. Install sst again."
    assert f"0 runs, 0 accepted (answer: {words})\n" in machine.sst("telemetry").stdout
    assert (consenting.state.failures, len(machine.queued()), loopback.requests) == (1, 1, [])
    flushed = machine.sst("telemetry", "flush")
    assert (flushed.returncode, flushed.stdout, flushed.stderr) == (1, "", f"sst: error: {words}\n")


def test_what_the_system_refuses_a_part_is_told_as_it_is(machine: Machine, consenting: Consenting) -> None:
    consenting.record()
    (machine.home / "httpx.py").write_text("raise OSError(24, 'Too many open files')")
    machine.environ |= {"PYTHONPATH": str(machine.home), "SST_TELEMETRY_URL": "https://collector.invalid/events"}

    flushed = machine.sst("telemetry", "flush")

    words = "sst: error: What is queued can't be sent: Too many open files.\n"
    assert (flushed.returncode, flushed.stdout, flushed.stderr) == (1, "", words)


def test_where_there_is_no_such_alarm_it_ends_too(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    consenting.record()
    loopback.otherwise = hanging
    # As on Windows, where a thread is what ends it.
    (machine.home / "sitecustomize.py").write_text("import signal; del signal.setitimer, signal.SIGALRM")
    machine.environ["PYTHONPATH"] = str(machine.home)

    assert ended(start(machine, loopback.url, lifetime=3.0)) == (0, b"")

    assert len(loopback.requests) == 1
    assert consenting.state.failures == 1
    assert len(machine.queued()) == 1


def test_where_there_is_no_such_alarm_it_waits_for_nothing_when_it_is_done(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    consenting.record()
    (machine.home / "sitecustomize.py").write_text("import signal; del signal.setitimer, signal.SIGALRM")
    machine.environ["PYTHONPATH"] = str(machine.home)

    assert ended(start(machine, loopback.url, lifetime=3600.0)) == (0, b"")
    assert machine.queued() == []


@pytest.mark.parametrize("why", ["no collector", "nothing queued", "waiting after a failure"])
def test_where_there_is_nothing_to_send_no_client_is_imported(
    machine: Machine, consenting: Consenting, loopback: Loopback, why: str
) -> None:
    if why != "nothing queued":
        consenting.record()
    if why == "waiting after a failure":
        write_state(machine.telemetry, DeliveryState(failures=1, not_before=time.time() + 3600))
    probe = Probe.on(machine)

    assert ended(start(machine, "" if why == "no collector" else loopback.url)) == (0, b"")

    assert loopback.requests == []
    probed = probe.read()
    assert probed.imported("sst_telemetry")
    assert probed.imported("httpx", "distro", "ssl") == set()


def test_without_consent_it_sends_nothing(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    consenting.record()
    machine.environ["DO_NOT_TRACK"] = "1"

    assert ended(start(machine, loopback.url)) == (0, b"")

    assert loopback.requests == []
    assert not (machine.telemetry / "secret").exists()
