"""Load: what a command costs does not grow with the queue, and a sender stays within its bounds whatever lies there.

The tests use fewer commands and files than the campaign, `nox -s kills`: it sets SST_COMMANDS and SST_FOREIGN_FILES.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import tracing
from consenting import Consenting, names
from loopback import Loopback
from sst_core.testing import PATIENCE, PROGRAM, Machine
from sst_telemetry.queue import MAX_RUNS
from waiting import eventually

if sys.platform != "linux":
    pytest.skip("senders are adopted, and commands are traced: Linux", allow_module_level=True)

from killing.adopting import Senders, adopting

BURST = int(os.environ.get("SST_COMMANDS", "40"))
FOREIGN_FILES = int(os.environ.get("SST_FOREIGN_FILES", "20000"))
QUEUED = 10_000
MOST_MEMORY = 64 * 1024
"""KiB that a sender may have, whatever is queued: twice what it takes to be started."""

Say = Callable[[str, object], None]


@pytest.fixture
def senders() -> Iterator[Senders]:
    """Whatever senders are started."""
    with adopting() as adopted:
        yield adopted


@pytest.fixture
def crowded() -> Iterator[Machine]:
    """A machine whose files are in memory where there is such a place: a million are made there in seconds."""
    memory = Path("/dev/shm")  # noqa: S108 - it is the one that every Linux has
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        home, work = Path(folder) / "home", Path(folder) / "work"
        home.mkdir()
        work.mkdir()
        yield Machine(home, work, {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"})


def test_ten_thousand_queued_runs_are_dropped_to_the_bound(
    machine: Machine, loopback: Loopback, senders: Senders, record_property: Say
) -> None:
    building(machine)
    before = asked(machine)
    recorded = record_many(machine, QUEUED - len(machine.queued()))
    assert asked(machine) == before, "a command asks the same of the system, however long the queue is"

    machine.environ["SST_TELEMETRY_URL"] = loopback.url
    queued = machine.queued()
    Consenting(machine).let_a_sender_start()
    assert machine.sst("build").stdout == "done\n"
    wait_for(senders)

    delivered = [session for request in loopback.requests for session in request.sessions]
    newest = [name[21:] for name in names(queued)][1 - MAX_RUNS :]
    assert delivered[:-1] == newest, "the oldest are dropped first; the last is the command's own"
    assert len(set(delivered)) == len(delivered) == MAX_RUNS
    assert machine.queued() == []
    assert max(senders.memory) < MOST_MEMORY
    assert not recorded[0].exists()
    dropped = len(queued) + 1 - MAX_RUNS
    assert Consenting(machine).status["dropped"] == dropped
    assert f"{dropped} runs dropped, over the queue's bounds" in machine.sst("telemetry").stdout
    record_property("load", f"queue: {len(queued) + 1:,} runs, {len(delivered):,} delivered, {dropped:,} dropped")


@pytest.mark.timeout(120 + BURST)
def test_of_many_commands_at_once_each_is_recorded_and_one_starts_a_sender(
    machine: Machine, loopback: Loopback, senders: Senders, record_property: Say
) -> None:
    machine.project('build = ["echo", "done"]')
    Consenting(machine).consent().grant()
    machine.environ["SST_TELEMETRY_URL"] = loopback.url

    commands = [
        subprocess.Popen(
            [PROGRAM, "build"],
            cwd=machine.folder,
            env=machine.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(BURST)
    ]
    outputs = [(command.communicate(timeout=PATIENCE + BURST), command.returncode) for command in commands]
    senders.wait_for_all()

    assert outputs == [(("done\n", ""), 0)] * BURST
    assert senders.started == 1
    delivered = [session for request in loopback.requests for session in request.sessions]
    waiting = [name[21:] for name in names(machine.queued())]
    assert len({*delivered, *waiting}) == len(delivered) + len(waiting) == BURST
    said = f"burst: {BURST:,} commands at once, {senders.started} sender, {len(delivered):,} delivered by it"
    record_property("load", f"{said}, {len(waiting):,} left to the next")


@pytest.mark.timeout(120 + FOREIGN_FILES // 2000)
def test_foreign_files_cost_a_command_nothing_and_stop_no_sender(
    crowded: Machine, loopback: Loopback, senders: Senders, record_property: Say
) -> None:
    building(crowded)
    before = asked(crowded)
    crowded.environ["SST_TELEMETRY_URL"] = loopback.url
    Consenting(crowded).let_a_sender_start()
    assert crowded.sst("build").stdout == "done\n"
    wait_for(senders)
    recorded = record_many(crowded, 5)
    for number in range(FOREIGN_FILES):
        os.close(os.open(crowded.queue / f"{number}.foreign", os.O_CREAT | os.O_WRONLY, 0o600))

    Consenting(crowded).hold_back_senders()
    assert asked(crowded) == before, "a command asks the same of the system, whatever else lies there"
    Consenting(crowded).let_a_sender_start()
    assert crowded.sst("build").stdout == "done\n"
    wait_for(senders, 1)

    assert set(senders.endings) == {0}, "none was ended by its bound"
    assert len(loopback.commands) == 3 + len(recorded) + 1
    assert Consenting(crowded).status["queued"] == 0
    assert sum(entry.name.endswith(".foreign") for entry in os.scandir(crowded.queue)) == FOREIGN_FILES
    empty, full = senders.memory
    assert full < empty + 16 * 1024, "KiB: it keeps no foreign name"
    assert crowded.sst("telemetry", "disable", timeout=PATIENCE + FOREIGN_FILES / 5000).returncode == 0
    assert not crowded.telemetry.exists()
    said = f"foreign: {FOREIGN_FILES:,} files, {len(recorded) + 2} runs delivered among them"
    record_property("load", f"{said}; the sender took {full // 1024} MiB, {empty // 1024} MiB without them")


def building(machine: Machine) -> None:
    """Record runs on this machine, and start no sender."""
    machine.project('build = ["echo", "done"]')
    Consenting(machine).consent().grant()
    Consenting(machine).hold_back_senders()


def record_many(machine: Machine, runs: int) -> list[Path]:
    """Queue runs without a process each, older than whatever is recorded now; the oldest first."""
    first = Consenting(machine).record(at=time.time() - 2 * QUEUED)
    stamp, session = int(first.name[:20]), first.name[21:53]
    content = first.read_text()
    recorded = [first]
    for number in range(1, runs):
        new = f"{number:032x}"
        path = first.with_name(f"{stamp + number:020d}-{new}.json")
        path.write_text(content.replace(session, new))
        recorded.append(path)
    return recorded


def wait_for(senders: Senders, was: int = 0) -> None:
    """Wait until one was started beside those that were before, and has ended."""
    eventually(lambda: senders.started > was, "the start of a sender")
    senders.wait_for_all()


def asked(machine: Machine) -> list[str]:
    """Every call that one recorded command makes about files and folders, without what is random in them."""
    tracing.required()
    log = machine.home / "calls"
    ended = machine.sst(
        *(
            "-qq",
            "-y",
            "-s",
            "4096",
            "-e",
            "trace=%file,getdents64,read,write",
            "-o",
            str(log),
            *tracing.PATIENT,
            "build",
        ),
        program=("strace",),
        env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"},
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n")
    calls = [line for line in log.read_text().splitlines() if str(machine.state) in line or "getdents64(" in line]
    assert any("rename" in call for call in calls), "the run was recorded"
    assert not [call for call in calls if "getdents" in call and str(machine.state) in call]
    return [re.sub(r"[0-9a-f]{32}|0x\w+|\d+", "#", call) for call in calls]
