"""One round of `disable` against a sender that is in the midst of its work, and commands that are recording."""

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass

from consenting import Consenting
from killing.adopting import Senders
from killing.gate import Gate
from killing.moments import Moments, watching
from sst_core import utc_now, week_of
from sst_core.testing import PATIENCE, PROGRAM, Machine
from sst_telemetry.identity import stored_secret, weekly_id

PHASES = {
    "any": None,
    "starting": None,
    "locked": "sender: it has the lock",
    "composing": "sender: a run is given its week",
    "keeping its batch": "sender: its batch is kept",
    "connecting": "sender: its state is kept",
    "connected": "sender: it has connected",
    "waiting for the response": "sender: its request has come",
    "answered": "sender: its request is answered",
    "removing": "sender: a run is removed",
}
"""What a sender is stopped in, while `disable` begins; in no phase, it is left to run."""


@dataclass(slots=True)
class Round:
    """A machine on which telemetry is on, somebody who switches it off, and what was there to be seen afterwards."""

    machine: Machine
    senders: Senders
    moments: Moments
    gate: Gate
    random: random.Random
    stopped: int | None = None
    """The sender that was stopped."""

    def fly(self, phase: str) -> list[str]:
        """Do it, and return what should not have been: after `disable` had returned, or in what a command did."""
        self._prepare()
        self.gate.answering = phase in ("answered", "removing") or (phase == "any" and self.random.random() < 0.5)
        with watching(self.moments, self.machine):
            commands = [self._start("build", ci=phase != "any")]
            commands += self._stop_sender(phase)
        ids = self._ids()
        disabling = self._start("telemetry", "disable")
        commands += self._record_meanwhile(disabling)
        disabled = disabling.wait(3 * PATIENCE)
        self.gate.mark()
        found = [] if disabled == 0 else [f"disable: {disabled}"]
        found += self._kept(ids)
        self._resume()
        commands.append(self._start("build", ci=True))
        outputs = [(command.communicate(timeout=4 * PATIENCE), command.returncode) for command in commands]
        found += [f"a command: {each}" for each in outputs if each != (("done\n", ""), 0)]
        self.senders.wait_for_all()
        disabling.communicate()
        return [*found, *self._kept(ids), *(f"late: {each}" for each in self.gate.late)]

    def _prepare(self) -> None:
        consenting = Consenting(self.machine)
        consent = consenting.consent()
        consent.write_user_choice(True)
        consent.grant()
        for _ in range(self.random.randint(1, 30)):
            consenting.record()
        while self.senders.next(0) is not None:
            pass  # of a round before this

    def _start(self, *arguments: str, ci: bool = False) -> "subprocess.Popen[str]":
        command = subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=self.machine.folder,
            env={**self.machine.environ, "SST_TELEMETRY_URL": self.gate.url, **({"CI": "true"} if ci else {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.senders.commands.add(command.pid)
        return command

    def _stop_sender(self, phase: str) -> "list[subprocess.Popen[str]]":
        """Wait until a sender is in that phase, and stop it there. Returns the commands that this took."""
        moment, commands = PHASES[phase], []
        if phase == "any":
            time.sleep(self.random.uniform(0, 0.8))
        elif moment is None:
            sender = self.senders.next(4 * PATIENCE)
            assert sender is not None
            assert self._stop(sender)
        else:
            deadline = time.monotonic() + 8 * PATIENCE
            while not self.moments.act_at(moment, self._stop_working_sender, PATIENCE / 2):
                assert time.monotonic() < deadline, f"no sender was ever {phase}"
                # On a machine that is busy enough a sender's ten seconds end before: the next may get there.
                (self.machine.telemetry / "delivery.json").unlink(missing_ok=True)
                commands.append(self._start("build", ci=True))
        return commands

    def _stop_working_sender(self) -> bool:
        with suppress(OSError, ValueError):
            return self._stop(int((self.machine.state / "telemetry.lock").read_text()))
        return False

    def _stop(self, sender: int) -> bool:
        if not self.senders.end(sender, signal.SIGSTOP):
            return False
        self.stopped = sender
        return True

    def _resume(self) -> None:
        if self.stopped is not None:
            self.senders.end(self.stopped, signal.SIGCONT)
            self.stopped = None

    def _record_meanwhile(self, disabling: "subprocess.Popen[str]") -> "list[subprocess.Popen[str]]":
        """Commands, and the stopped sender goes on: while `disable` works or, as often, only when it has returned."""
        commands = []
        for _ in range(self.random.randint(1, 2)):
            time.sleep(self.random.uniform(0, 0.15))
            commands.append(self._start("build", ci=self.random.random() < 0.5))
        if self.random.random() < 0.5:
            time.sleep(self.random.uniform(0, 0.15))
            self._resume()
        with suppress(subprocess.TimeoutExpired):
            disabling.wait(2)
            return commands
        self._resume()  # it was stopped where `disable` can't know who it is, and has to wait for it
        return commands

    def _ids(self) -> tuple[bytes, ...]:
        """Every id that there is now, and the secret."""
        with suppress(OSError):
            sessions = [path.name[21:53].encode() for path in self.machine.queue.iterdir() if path.name[0] != "."]
            secret = stored_secret(self.machine.telemetry)
            weekly = [secret, weekly_id(secret, week_of(utc_now())).encode()] if secret else []
            return (*sessions, *weekly)
        return ()

    def _kept(self, ids: tuple[bytes, ...]) -> list[str]:
        """What is on the disk and should not be."""
        found = [f"kept: {path.name}" for path in self.machine.state.iterdir() if path.name != "telemetry.lock"]
        for path in self.machine.home.rglob("*"):
            content = os.fsencode(path) + (path.read_bytes() if path.is_file() else b"")
            found += [f"an id in {path.name}" for kept in ids if kept in content]
        return found
