"""What a command costs, counted and not timed: the modules that it imports, and the calls that recording adds."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from consenting import Consenting
from loopback import Loopback, hanging
from sst_core.testing import PROGRAM, Machine, Probe
from sst_telemetry.spawn import STAMP
from tracing import PATIENT, Traced, alone, calls_alone, trace

OFF = {"SST_TELEMETRY_DISABLED": "1"}

# How many modules of ours each way imports, exactly: a number may go down with a change, and up only with a reason.
# The plugins of `sam` and `cdk`, a module each, are asked whose project it is. Speaking to the terminal, guarding
# against plugins, and which of them a variable switches off are a module each: every command needs all three.
OWN_MODULES = {"--version": 24, "--help": 24, "off": 31, "on": 34}

# What is imported beyond that and beyond what Typer imports by itself. All that `tomllib` and `pluggy` bring is theirs.
FOR_ANY = {"gc"}
FOR_A_BODY = {"gc", "pluggy", "__future__", "tomllib", "string", "_string"}

WAYS: Mapping[str, tuple[tuple[str, ...], Mapping[str, str], set[str]]] = {
    "--version": (("--version",), {}, FOR_ANY),
    "--help": (("--help",), {}, FOR_ANY),
    "off": (("build",), OFF, FOR_A_BODY),
    "on": (("build",), {}, FOR_A_BODY),
}


@pytest.fixture
def consenting(machine: Machine) -> Machine:
    """A machine with a project that builds, whose user has seen the notice."""
    Consenting(machine).consent().grant()
    machine.project('build = ["true"]')
    return machine


@pytest.fixture
def probe(consenting: Machine) -> Probe:
    return Probe.on(consenting)


@pytest.mark.parametrize("way", WAYS)
def test_no_more_is_imported_than_the_budget_allows(consenting: Machine, probe: Probe, way: str) -> None:
    arguments, env, others = WAYS[way]
    Consenting(consenting).hold_back_senders()

    imported = _imported(consenting, probe, *arguments, env=env) - _typers_own(consenting, probe)
    own = sorted(name for name in imported if name.startswith("sst_"))
    assert len(own) == OWN_MODULES[way], f"the budget for {way} is {OWN_MODULES[way]}; imported: {own}"
    assert {name.partition(".")[0] for name in imported.difference(own)} - {"typer"} <= others


def test_recording_imports_three_modules_of_its_own_package_and_nothing_else(consenting: Machine, probe: Probe) -> None:
    Consenting(consenting).hold_back_senders()
    off, on = (_imported(consenting, probe, "build", env=env) for env in (OFF, {}))

    assert on - off == {"sst_telemetry", "sst_telemetry.record", "sst_telemetry.queue", "sst_telemetry.spawn"}
    assert off - on == {"sst_null"}


def test_recording_is_one_file_and_its_rename(consenting: Machine) -> None:
    (consenting.telemetry / "sender-started").write_text("1")

    off, on = trace(consenting, "build", env=OFF), trace(consenting, "build")

    assert _below_state(off, consenting) == [("openat", "telemetry/notice")]
    assert _below_state(on, consenting) == [
        ("openat", "telemetry/notice"),
        ("openat", "telemetry/queue/.run"),
        ("rename", "telemetry/queue/.run"),
    ]
    assert len(on.processes) == len(off.processes), "it is not time for a sender"


def test_starting_the_sender_is_one_stamp_and_one_process(consenting: Machine) -> None:
    off, on = trace(consenting, "build", env=OFF), trace(consenting, "build")

    assert _below_state(on, consenting)[-1] == ("openat", "telemetry/sender-started")
    assert len(_below_state(on, consenting)) == 4
    assert len(_started_by_command(on)) == len(_started_by_command(off)) + 1


# What strace shows of a recorded run beyond an unrecorded one, by the names that ARCHITECTURE.md has for it.
RECORDING = {"getrandom", "open", "write", "close", "rename", "stat"}
STARTING_A_SENDER = {*RECORDING, "flock", "getcwd", "getdents", "fcntl", "clone"}
THE_C_LIBRARYS_OWN = {"prlimit", "sigprocmask", "mmap", "munmap"}
_NAMES = {"openat": "open", "newfstatat": "stat", "fstat": "stat", "vfork": "clone", "rt_sigprocmask": "sigprocmask"}


def test_every_call_that_recording_adds_is_in_the_table(consenting: Machine) -> None:
    off = calls(consenting, OFF)
    consenting.queue.rmdir()
    first = calls(consenting, {}) - off
    Consenting(consenting).hold_back_senders()
    later = calls(consenting, {}) - off
    (consenting.telemetry / STAMP).unlink()
    starting = calls(consenting, {}) - off

    # Of two ways that differ by a few objects, one may need another piece of the heap, which is mapped. And for random
    # bytes, glibc of 2.41 or newer maps two more, with signals blocked.
    assert later - Counter(mmap=3, munmap=1, sigprocmask=2) == dict.fromkeys(RECORDING, 1)
    assert STARTING_A_SENDER <= set(starting) <= STARTING_A_SENDER | THE_C_LIBRARYS_OWN
    assert set(first) == {*starting, "mkdir"}
    assert off - calls(consenting, OFF) == {}, "nothing of this is by chance"
    table = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text().partition("## What a command costs")[2]
    assert [call for call in {*first, *THE_C_LIBRARYS_OWN} if f"`{call}`" not in table.partition("## ")[0]] == []


def calls(machine: Machine, env: Mapping[str, str]) -> Counter[str]:
    """How often the command itself makes each call, but for what imports make, and the heap."""
    log = machine.root / "calls"
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", **env}
    assert machine.sst(*alone(log)[1:], *PATIENT, "build", program=("strace",), env=env).returncode == 0
    # As a process has them: a test may have left a folder of its own in this one's path. Whole names, since the tests'
    # own folder may begin like one of these.
    asked = [sys.executable, "-c", "import sys; print(*sys.path, sys.prefix, sys.base_prefix, sep='\\n')"]
    folders = subprocess.run(asked, cwd="/", capture_output=True, text=True, check=True).stdout.split("\n")
    importing = [f"{folder}{end}" for folder in folders if folder for end in '/"']
    return Counter(
        _NAMES.get(call.name, call.name.removesuffix("64").removesuffix("3"))
        for call in calls_alone(log)
        if call.name != "brk" and not any(folder in call.arguments for folder in importing)
    )


def test_end_of_file_comes_with_the_exit_while_the_sender_still_waits(consenting: Machine, loopback: Loopback) -> None:
    loopback.otherwise = hanging
    consenting.environ["SST_TELEMETRY_URL"] = loopback.url
    # A shell reads to the end of the file: it would wait for a sender that held its end of the pipe.
    ended = consenting.sst("-c", 'said="$("$0" build 2>&1)"; exit 7', str(PROGRAM), program=("sh",))

    assert ended.returncode == 7
    assert _senders(consenting), "it has nothing to wait for any more"


def _below_state(traced: Traced, machine: Machine) -> list[tuple[str, str]]:
    command = traced.calls[0].process
    found = []
    for call in traced.calls:
        folder, _, name = call.path.rpartition("/")
        if call.process == command and folder.startswith(str(machine.state)):
            known = name if "-" not in name or name == "sender-started" else ".run"
            found.append((call.name, os.path.relpath(f"{folder}/{known}", machine.state)))
    return found


def _started_by_command(traced: Traced) -> list[object]:
    return [call for call in traced.processes if call.process == traced.calls[0].process]


def _senders(machine: Machine) -> list[Path]:
    home = f"HOME={machine.home}\0".encode()
    return [
        process
        for process in Path("/proc").iterdir()
        if process.name.isdecimal()
        and b"sst_telemetry.sender" in _read(process / "cmdline")
        and home in _read(process / "environ")
    ]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it has just ended
        return b""


def _imported(machine: Machine, probe: Probe, *arguments: str, env: Mapping[str, str]) -> frozenset[str]:
    """By a run whose task is over in a moment: of a longer one the orphans are adopted, by a module of its own."""
    for _ in range(5):
        assert machine.sst(*arguments, env=env).returncode == 0
        modules = probe.read().modules
        if "sst_core.orphans" not in modules:
            break
    return modules


def _typers_own(machine: Machine, probe: Probe) -> frozenset[str]:
    subprocess.run([sys.executable, "-c", "import typer"], env=machine.environ, check=True)
    return probe.read().modules
