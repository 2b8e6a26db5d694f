"""The telemetry of a test's machine seen from inside: consent is there, and runs are queued with no process between."""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sst_core import SST, Consent, Locations
from sst_core.testing import Machine
from sst_telemetry.delivery import Delivery, Report
from sst_telemetry.record import run_facts
from sst_telemetry.state import DeliveryState, read_state
from sst_telemetry.status import read_status

# Runs at every start of Python on the machine: notes each process that is spawned, and changes nothing.
_NOTE_SPAWNS = """
import json, os, sys, time

def note(event, arguments):
    if event == "os.posix_spawn" and "sst_telemetry.sender" in arguments[1]:
        name = f"{{time.time_ns()}}-{{os.getpid()}}"
        with open(os.path.join({folder!r}, name), "w") as file:
            json.dump({{"arguments": arguments[1], "environ": dict(arguments[2])}}, file)

sys.addaudithook(note)
"""


@dataclass(frozen=True, slots=True)
class Consenting:
    """A machine whose user has seen the notice."""

    machine: Machine

    def consent(self, **changes: Any) -> Consent:
        """The user's."""
        return replace(Consent(SST, self.machine.environ, folder=None, ci=None), **changes)

    @property
    def locations(self) -> Locations:
        """The machine's."""
        return Locations.of(SST, self.machine.environ)

    @property
    def state(self) -> DeliveryState:
        """What delivery remembers."""
        return read_state(self.machine.telemetry)

    @property
    def status(self) -> Mapping[str, Any]:
        """What `sst telemetry --json` says."""
        return read_status(self.consent()).as_json()

    def record(self, command: str = "build", *, at: float | None = None, ci: str | None = None) -> Path:
        """Queue a run, by default recorded now; `at` is in seconds since the epoch."""
        moment = time.time_ns() if at is None else int(at * 1e9)
        facts = run_facts(SST, command, ci)
        self.machine.queue.mkdir(exist_ok=True)
        path = self.machine.queue / f"{moment:020d}-{facts['sessionId']}.json"
        path.write_bytes(json.dumps(facts).encode())
        return path

    def deliver(
        self, url: str | None, *, now_please: bool = True, clock: Callable[[], datetime] | None = None
    ) -> Report:
        """One delivery, in this process."""
        environ = {**self.machine.environ, **({"SST_TELEMETRY_URL": url} if url else {})}
        consent = self.consent(environ=environ)
        delivery = Delivery(consent, clock) if clock else Delivery(consent)
        return delivery.run(now_please=now_please)

    def hold_back_senders(self) -> None:
        """Have commands believe that a sender was started just now."""
        (self.machine.telemetry / "sender-started").write_bytes(b"1")

    def let_a_sender_start(self) -> None:
        """Have the next command start a sender."""
        stamp = self.machine.telemetry / "sender-started"
        if stamp.exists():
            os.utime(stamp, (1, 1))


@dataclass(frozen=True, slots=True)
class Spawned:
    """The senders that the commands on a machine have started."""

    folder: Path

    @classmethod
    def on(cls, machine: Machine, folder: Path) -> "Spawned":
        """Watch every Python on this machine, from the next on."""
        assert machine.plugins is not None
        folder.mkdir()
        machine.plugins.mkdir(exist_ok=True)
        (machine.plugins / "sitecustomize.py").write_text(_NOTE_SPAWNS.format(folder=str(folder)))
        machine.environ["PYTHONPATH"] = str(machine.plugins)
        return cls(folder)

    @property
    def senders(self) -> list[dict[str, Any]]:
        """`arguments` and `environ` of each, in the order of their start."""
        return [json.loads(path.read_text()) for path in sorted(self.folder.iterdir())]


def at(*when: int) -> Callable[[], datetime]:
    """A clock that stands still."""
    moment = datetime(*when, tzinfo=UTC)  # type: ignore[arg-type,misc]
    return lambda: moment


def names(runs: Iterable[Path]) -> list[str]:
    """The names of queued runs, whether they were sent once already or not."""
    return [run.name.partition(".")[0] for run in runs]
