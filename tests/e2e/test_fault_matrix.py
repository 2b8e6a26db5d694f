"""Whatever is wrong, a command is what it is with telemetry off, and what it queued arrives when that is mended.

Every fault of `faults.py` with the tenth run on a machine and one in CI: real processes and real sockets. With the
first run, which makes no request, those that are on the machine and a collector that is up. The campaign,
`nox -s faults`, sets SST_EVERY_FAULT: each fault with each run, and each command's own calls watched.

No time is asserted, since on a busy machine it would be the machine's. Asserted is what makes it the same: the command
itself opens no socket, and waits for no process but the project's own. Its figures are the benchmark's.
"""

import os
import pty
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from consenting import Consenting
from faults import FAULTS, HANGS, TASK, UP, Fault, Staged
from locking import is_held
from loopback import refusing
from sst_core import notice_text
from sst_core.testing import PATIENCE, Machine
from sst_telemetry.state import write_state
from tracing import NETWORK, STARTING, WAITING, Call, alone, calls_alone, can_trace, trace
from waiting import eventually

_seen_while_off: dict[tuple[str, ...], "Seen"] = {}


RUNS = ("first", "tenth", "in CI")
EVERY = bool(os.environ.get("SST_EVERY_FAULT"))
ON_THE_MACHINE = {name for name, fault in FAULTS.items() if fault.is_here}
# A command that asks the network would be seen to with any collector, and one that waits for it with one that hangs.
TRACED = FAULTS.keys() if EVERY else {*ON_THE_MACHINE, UP, HANGS}
OFF = {"SST_TELEMETRY_DISABLED": "1"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a caller of the command sees of it."""

    exit_code: int
    stdout: bytes
    stderr: bytes


@pytest.fixture
def run(request: pytest.FixtureRequest, machine: Machine) -> str:
    """Which run it is; nine went before the tenth."""
    machine.project(f"build = {TASK}")
    if request.param == "tenth":
        consenting = Consenting(machine)
        consenting.consent().grant()
        for _ in range(9):
            consenting.record()
    if request.param == "in CI":
        machine.environ["CI"] = "true"
    return str(request.param)


@pytest.mark.parametrize(
    ("run", "name"),
    [(run, name) for run in RUNS for name in FAULTS if EVERY or run != "first" or name in {*ON_THE_MACHINE, UP}],
    indirect=["run"],
)
def test_a_command_does_not_notice_and_nothing_is_lost(machine: Machine, run: str, name: str) -> None:
    fault, consenting, is_traced = FAULTS[name], Consenting(machine), name in TRACED and can_trace()
    with ExitStack() as stack:
        staged = fault.stage(machine, stack)
        machine.environ["SST_TELEMETRY_URL"] = staged.url

        log = machine.root / "calls"
        on = seen(machine, run, replace(staged, program=(*alone(log), *staged.program)) if is_traced else staged)

        if is_traced:
            check_calls(calls_alone(log))
        if staged.has_begun is not None and run != "first":
            eventually(staged.has_begun, "the sender at work")
            end_sender(machine)
        off = seen_while_off(machine, run, staged)
        assert (off.exit_code, off.stdout, off.stderr) == (3, b"out\n", b"err\n")
        assert (on.exit_code, on.stdout) == (off.exit_code, off.stdout)
        # Word by word: on a terminal the lines are as long as it is wide.
        assert on.stderr.split() == (notice(machine, run, fault) + off.stderr).split()

        if run == "first" and not fault.deletes:
            assert (machine.queued(), staged.collector.requests) == ([], [])
            return
        if fault.said is not None and run != "first":
            eventually(lambda: has_delivered(machine), "the end of a sender")
            check_note(consenting, fault)
        machine.environ.update(staged.mend())
        if fault.deletes:
            machine.project('build = ["true"]')
            assert machine.sst("build").returncode == 0
        flushed = machine.in_process("telemetry", "flush")
        assert (flushed.returncode, flushed.stderr) == (0, "")
        check_arrival(consenting, run, fault, staged)


@pytest.mark.parametrize("run", ["tenth", "in CI"], indirect=True)
@pytest.mark.parametrize("name", ["it answers 500", HANGS])
def test_the_next_command_has_all_of_it_sent_when_the_time_has_come(machine: Machine, run: str, name: str) -> None:
    fault, consenting = FAULTS[name], Consenting(machine)
    with ExitStack() as stack:
        staged = fault.stage(machine, stack)
        machine.environ["SST_TELEMETRY_URL"] = staged.url
        seen(machine, run, staged)
        eventually(lambda: has_delivered(machine), "the end of a sender")
        check_note(consenting, fault)
        machine.environ.update(staged.mend())
        # What passes meanwhile is the wait after a failure, and the interval between two senders.
        write_state(machine.telemetry, replace(consenting.state, not_before=1.0))
        consenting.let_a_sender_start()

        seen(machine, run, staged)

        eventually(lambda: machine.queued() == [], "a delivery")
        sessions = [session for request in staged.collector.requests for session in request.sessions]
        assert len(sessions) == len(set(sessions)) == (11 if run == "tenth" else 2)


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_command_itself_asks_nothing_of_the_network(machine: Machine, ci: str) -> None:
    Consenting(machine).consent().grant()
    machine.project('build = ["true"]')
    bound, url = refusing()
    with bound:
        traced = trace(machine, "build", env={"SST_TELEMETRY_URL": url, "CI": ci})

    (sender,) = (call.process for call in traced.named("execve") if "sst_telemetry.sender" in call.arguments)
    assert {call.process for call in traced.named("socket", "connect")} == {sender}


def seen(machine: Machine, run: str, staged: Staged, env: Mapping[str, str] | None = None) -> Seen:
    """Run the command; a person's errors go to a terminal, and CI's to a log."""
    ours, theirs = pty.openpty() if run != "in CI" else os.pipe()
    with subprocess.Popen(
        [*staged.program, "build"],
        cwd=machine.folder,
        env={**machine.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        stdout, _ = process.communicate(timeout=PATIENCE)  # to the end of the file, which comes with the exit
    return Seen(process.returncode, stdout, read(ours).replace(b"\r\n", b"\n"))


def check_calls(calls: Sequence[Call]) -> None:
    """It asks nothing of the network itself, and waits for what it has started first, the project's own task."""
    assert [call for call in calls if call.name in NETWORK] == []
    task, *_ = (call for call in calls if call.name in STARTING)
    waits = [call.arguments for call in calls if call.name in WAITING]
    assert waits
    assert [wait for wait in waits if task.result not in re.split(r"\W+", wait)] == []


def seen_while_off(machine: Machine, run: str, staged: Staged) -> Seen:
    """The same with telemetry off: once for all faults that are far from where the command runs."""
    key = (run, *staged.program, (machine.folder / "sst.toml").read_text())
    if key not in _seen_while_off:
        _seen_while_off[key] = seen(machine, run, staged, OFF)
    return _seen_while_off[key]


def read(descriptor: int) -> bytes:
    """All that comes until nobody has the other end any more."""
    content = b""
    try:
        while piece := os.read(descriptor, 65536):
            content += piece
    except OSError:  # a terminal's end, on Linux
        pass
    finally:
        os.close(descriptor)
    return content


def notice(machine: Machine, run: str, fault: Fault) -> bytes:
    """What a person, or CI's log, is due to be told."""
    if run == "tenth" or not (fault.shows if run == "first" else fault.shows_in_ci):
        return b""
    consent = Consenting(machine).consent(ci="other" if run == "in CI" else None)
    ending = "This run is not recorded; the next ones are."
    if run == "in CI":
        ending = "In CI, recording begins with this run."
    return f"{notice_text(consent, consent.items, ending)}\n".encode()


def end_sender(machine: Machine) -> None:
    """It lives, and would for ten seconds: end it, as its lifetime would. What that does, test_sender.py waits for."""
    process = int((machine.state / "telemetry.lock").read_text())
    assert b"sst_telemetry.sender" in Path(f"/proc/{process}/cmdline").read_bytes()
    os.kill(process, signal.SIGKILL)


def has_delivered(machine: Machine) -> bool:
    """Whether a sender has made a request, and none is at work."""
    if not (machine.telemetry / "delivery.json").exists() or Consenting(machine).state.last is None:
        return False
    return not is_held(machine.state / "telemetry.lock")


def check_note(consenting: Consenting, fault: Fault) -> None:
    """What went wrong is said, and puts off the next try, whether the sender came to its end or not."""
    state = consenting.state
    assert state.last is not None
    assert (state.last.outcome, state.failures > 0) == (fault.said, fault.backs_off)
    if fault.backs_off:
        assert state.not_before >= datetime.fromisoformat(state.last.at).timestamp() + fault.waits


def check_arrival(consenting: Consenting, run: str, fault: Fault, staged: Staged) -> None:
    """What was queued has arrived, each run once, but for what is counted as lost."""
    before, own = (9 if run == "tenth" else 0), int(run != "first" and fault.records)
    lost = before if fault.drops else 0
    sessions = [session for request in staged.collector.requests for session in request.sessions]
    assert len(sessions) == len(set(sessions)) == (1 if fault.deletes else before + own - lost)
    assert consenting.machine.queued() == []
    status = consenting.status
    assert (status["dropped"], status["rejected"], status["set_aside"]) == (lost, 0, 0)


def test_the_docs_tell_of_every_fault_what_was_seen() -> None:
    told = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text()

    assert table() in told


def table() -> str:
    """What the tests above have seen."""
    rows = [
        f"| {name} | {fault.said or 'nothing: no request is made'} | {fault.fate} |" for name, fault in FAULTS.items()
    ]
    return "\n".join(["| condition | what `sst telemetry` says | the runs |", "|---|---|---|", *rows, ""])
