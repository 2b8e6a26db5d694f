"""A machine and a collector on which whoever works is killed, again and again, and what is left of the numbers.

Each round starts some commands at once and kills one party, at a moment drawn from its lifetime or right when something
happens to it. Rounds run side by side, so that there is always more going on than what the round itself started.
"""

import os
import signal
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from collecting import Collector, spawn
from consenting import Consenting
from killing.adopting import Senders, adopting
from killing.moments import Moments, watching
from killing.relaying import Relay
from loopback import Loopback
from ports import free_port
from sst_core import held_if_free
from sst_core.testing import PATIENCE, PROGRAM, Machine
from sst_telemetry.state import read_state, write_state

SHARES = {"command": 0.4, "sender": 0.4, "collector": 0.2}
"""Of all kills."""
LANES = 4
"""Rounds that run side by side."""
COMMANDS = ("build", "start", "deploy", "remove", "diff")
AIM_SECONDS = 2.0
"""How long a round waits for the moment it aims at."""


@dataclass(slots=True)
class Tally:
    """What a campaign came to."""

    rounds: int = 0
    commands: int = 0
    """Commands that were started."""
    kills: Counter[str] = field(default_factory=Counter)
    """By victim: only those that ended somebody who was alive."""
    aimed: Counter[str] = field(default_factory=Counter)
    """Kills by the moment that they were aimed at."""


@dataclass(slots=True)
class Campaign:
    """One machine, one collector and everything that watches them. Made by :func:`campaign`."""

    machine: Machine
    collector: Collector
    senders: Senders
    moments: Moments
    relay: Relay
    loopback: Loopback
    seed: int
    tally: Tally = field(default_factory=Tally)
    _lifetimes: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _collector_lock: threading.Lock = field(default_factory=threading.Lock)

    def kill(self, kills: int) -> None:
        """Kill so many."""
        self._measure()
        left = {victim: round(kills * share) for victim, share in SHARES.items()}
        left["command"] += kills - sum(left.values())
        with ThreadPoolExecutor(LANES) as lanes:
            for lane in [lanes.submit(self._rounds, left, Random(self.seed + number)) for number in range(LANES)]:
                lane.result()
        self.senders.wait_for_all()

    def deliver_the_rest(self) -> None:
        """What a user's `flush` does, until nothing is left."""
        for _ in range(5):
            if self.machine.sst("telemetry", "flush", timeout=2 * PATIENCE).returncode == 0:
                return
        raise AssertionError(self.machine.sst("telemetry").stdout)

    def _measure(self) -> None:
        """How long a command, a sender and the start of a collector take, undisturbed."""
        began = time.monotonic()
        for _ in range(3):
            self._ended(self._start(Random(0), ci=True))
        self._lifetimes["command"] = (time.monotonic() - began) / 3
        self.senders.wait_for_all()
        self._lifetimes["sender"] = statistics.mean(self.senders.lifetimes or [1.0])
        began = time.monotonic()
        self.collector.end()
        self.collector.start()
        self._lifetimes["collector"] = time.monotonic() - began

    def _rounds(self, left: dict[str, int], lane: Random) -> None:
        while victim := self._next_victim(left, lane):
            if not self._round(victim, lane):
                with self._lock:
                    left[victim] += 1  # it had ended already: that was no kill

    def _next_victim(self, left: dict[str, int], lane: Random) -> str | None:
        with self._lock:
            if not any(left.values()):
                return None
            (victim,) = lane.choices(list(left), list(left.values()))
            left[victim] -= 1
            self.tally.rounds += 1
            return victim

    def _round(self, victim: str, lane: Random) -> bool:
        self._be_due()
        commands = [self._start(lane) for _ in range(lane.randint(1, 3))]
        how: Callable[[Random, list[subprocess.Popen[str]]], bool] = {
            "command": self._kill_command,
            "sender": self._kill_sender,
            "collector": self._kill_collector,
        }[victim]
        hit = how(lane, commands)
        killed = [self._ended(command) for command in commands].count(-signal.SIGKILL)
        with self._lock:
            self.tally.kills[victim] += killed if victim == "command" else hit
        return killed > 0 if victim == "command" else hit

    def _be_due(self) -> None:
        """The next command starts a sender, and the next sender sends: no interval, and no backoff."""
        Consenting(self.machine).let_a_sender_start()
        with held_if_free(self.machine.state / "telemetry.lock") as mine:
            if mine is not None and (state := read_state(self.machine.telemetry)).not_before:
                write_state(self.machine.telemetry, replace(state, not_before=0.0))

    def _start(self, lane: Random, *, ci: bool | None = None) -> "subprocess.Popen[str]":
        in_ci = lane.random() < 0.5 if ci is None else ci
        command = subprocess.Popen(
            [PROGRAM, lane.choice(COMMANDS)],
            cwd=self.machine.folder,
            env={**self.machine.environ, **({"CI": "true"} if in_ci else {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.senders.commands.add(command.pid)
        with self._lock:
            self.tally.commands += 1
        return command

    def _ended(self, command: "subprocess.Popen[str]") -> int:
        output = command.communicate(timeout=4 * PATIENCE)  # many run at once, on whatever else is going on
        self.senders.commands.discard(command.pid)
        assert command.returncode == -signal.SIGKILL or (command.returncode, output) == (0, ("done\n", "")), output
        return command.returncode

    def _kill_command(self, lane: Random, commands: "list[subprocess.Popen[str]]") -> bool:
        victims = commands[: lane.randint(1, len(commands))]

        def power_cut() -> bool:
            running = [command for command in victims if command.poll() is None]
            for command in running:
                with suppress(ProcessLookupError):
                    os.kill(command.pid, signal.SIGKILL)
            return bool(running)

        return self._at_a_moment_of("command", lane, power_cut)

    def _kill_sender(self, lane: Random, commands: "list[subprocess.Popen[str]]") -> bool:
        if lane.random() < 0.5:
            return self._aim(lane.choice(self.moments.of("sender")), self._kill_working_sender)
        sender = self.senders.next(AIM_SECONDS)
        time.sleep(lane.uniform(0, self._lifetimes["sender"]))
        return sender is not None and self.senders.end(sender)

    def _kill_working_sender(self) -> bool:
        with suppress(OSError, ValueError):
            return self.senders.end(int((self.machine.state / "telemetry.lock").read_text()))
        return False

    def _kill_collector(self, lane: Random, commands: "list[subprocess.Popen[str]]") -> bool:
        def power_cut() -> bool:
            self.collector.process.kill()
            return True

        with self._collector_lock:
            hit = self._at_a_moment_of("collector", lane, power_cut)
            code, _, said = self.collector.end(signal.SIGKILL)
            assert (code, said) == (-signal.SIGKILL, "")
            if lane.random() < 0.3:
                self._kill_while_it_starts(lane)
            self.collector.start()
        return hit

    def _kill_while_it_starts(self, lane: Random) -> None:
        starting = spawn(self.collector.data, *self.collector.options)
        time.sleep(lane.uniform(0, self._lifetimes["collector"]))
        starting.kill()
        starting.communicate()
        with self._lock:
            self.tally.kills["collector that starts"] += 1

    def _at_a_moment_of(self, victim: str, lane: Random, kill: Callable[[], bool]) -> bool:
        if lane.random() < 0.5:
            return self._aim(lane.choice(self.moments.of(victim)), kill) or kill()
        time.sleep(lane.uniform(0, self._lifetimes[victim]))
        return kill()

    def _aim(self, moment: str, act: Callable[[], bool]) -> bool:
        done = self.moments.act_at(moment, act, AIM_SECONDS)
        with self._lock:
            self.tally.aimed[moment] += done
        return done


@contextmanager
def campaign(machine: Machine, folder: Path, seed: int) -> Iterator[Campaign]:
    """A machine whose user has agreed, and a private collector that publishes every second; both on the disk."""
    machine.project(*(f'{command} = ["echo", "done"]' for command in COMMANDS))
    Consenting(machine).consent().grant()
    port = ["--port", str(free_port()), "--snapshot-every", "1", "--min-machines", "1"]
    collector = Collector(folder / "data", port)
    collector.start()
    moments = Moments()
    relay = Relay(int(collector.port), moments)
    loopback = Loopback(otherwise=relay)
    machine.environ["SST_TELEMETRY_URL"] = loopback.url
    try:
        with watching(moments, machine, collector.data), adopting() as senders:
            yield Campaign(machine, collector, senders, moments, relay, loopback, seed)
    finally:
        loopback.close()
        collector.end(signal.SIGKILL)
