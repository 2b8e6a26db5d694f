"""One round of the canary: secrets are planted, commands run, what was recorded is delivered, and all of it is kept.

secrets ──plant──> site ──sst, as processes──> tap ──> collector
                     │                          │
               kept, printed                  sent        each searched for each secret, in every form
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from canary.leaking import install_leak
from canary.planting import Setting, Site
from canary.searching import Finding, Trace, machine_facts, search, search_words, unpacked
from canary.tapping import Tap
from loopback import Loopback, Request, accounting, answer
from sst_core import held
from sst_core.testing import PATIENCE, PROGRAM


@dataclass
class Tally:
    """What was looked at."""

    rounds: int = 0
    cases: int = 0
    """One for each secret in each round."""
    searched: int = 0
    """Bytes."""

    def count(self, flight: "Flight") -> None:
        """Add a round."""
        self.rounds += 1
        self.cases += len(flight.planted)
        self.searched += sum(len(trace.content) for trace in flight.traces)


@dataclass(frozen=True, slots=True)
class Flight:
    """What one round left behind."""

    planted: Mapping[str, tuple[str, ...]]
    traces: frozenset[Trace]
    runs: Mapping[str, str]
    """The recorded command of each run that was sent, by its session id."""
    expected: Counter[str]
    """The commands that should have been recorded."""

    @property
    def leaks(self) -> list[Finding]:
        """Every secret, and every fact about the machine that the tests run on, that got through."""
        return leaks(self.planted, self.traces)

    def leaked(self, channel: str) -> dict[str, set[str]]:
        """The places of which a secret got through there, by the form that it was seen in."""
        places: dict[str, set[str]] = {}
        for finding in search(self.planted, [trace for trace in self.traces if trace.channel == channel]):
            places.setdefault(finding.form, set()).add(finding.place)
        return places

    @property
    def delivered(self) -> Counter[str]:
        """The commands of all runs, each counted once."""
        return Counter(self.runs.values())


def leaks(planted: Mapping[str, Sequence[str]], traces: Iterable[Trace]) -> list[Finding]:
    """Every secret, and every fact about the machine that the tests run on, that got through."""
    # A long fact is looked for in every form; a short one would be met by chance in compressed bytes.
    facts, traces = machine_facts(), list(traces)
    long = {place: (value,) for place, value in facts.items() if len(value) >= 8}
    return search({**planted, **long}, traces) + search_words(facts, traces)


def fly(secrets: Mapping[str, str], setting: Setting, *, leaky: bool = False) -> Flight:
    """One round, against a collector that takes everything; with the leaky plugin, or without."""
    collector = Loopback(otherwise=_answer)
    try:
        return fly_to(collector.url, secrets, setting, leaky=leaky)
    finally:
        collector.close()


def fly_to(collector: str, secrets: Mapping[str, str], setting: Setting, *, leaky: bool = False) -> Flight:
    """One round, against the collector with that address."""
    tap = Tap(collector, setting.tls)
    try:
        with TemporaryDirectory(prefix="canary-", ignore_cleanup_errors=True) as root:
            site = Site(secrets, setting, tap.url, Path(root))
            tap.looking = site.look
            if leaky:
                install_leak(site.root / "plugins")
            with host_name(site):
                expected = _work(site)
            sent = [Trace("sent", "", bytes(received)) for received in tap.received]
            return Flight(site.planted, frozenset({*site.traces, *sent}), _runs(sent), expected)
    finally:
        tap.close()


def _work(site: Site) -> Counter[str]:
    """Run the commands of a round and deliver; returns what has to arrive."""
    secret, setting = site.secrets, site.setting
    if not setting.ci:
        site.run("telemetry", "enable", code=0)
    else:
        site.machine.queue.mkdir(mode=0o700, parents=True)
    stamp = site.machine.telemetry / "sender-started"
    # With the lock in our hands no sender takes anything out of the queue before it was looked at.
    with held(site.machine.state / "telemetry.lock", PATIENCE):
        site.debug("build", "--", secret["argument after --"], code=0)
        plugin = (secret["plugin's command"], secret["plugin's subcommand"], f"--label={secret['option value']}")
        site.debug(*plugin, code=1)
        site.run(secret["unknown command"], code=2)
        site.run("build", f"--{secret['option name']}", code=2)
        site.run(*plugin[:2], f"--count={secret['bad value']}", code=2)
        site.run("deploy", code=3)
    expected = Counter({"build": 1, "plugin": 1, "deploy": 1})
    if setting.detached:
        stamp.unlink(missing_ok=True)
        site.run("build", code=0)
        expected["build"] += 1
        _wait_for_sender(site)
    else:
        _flush(site)
    if setting.forgets and not setting.ci:
        site.run("telemetry", "forget", code=0)
    site.look()
    return expected


def _wait_for_sender(site: Site) -> None:
    deadline = time.monotonic() + 4 * PATIENCE
    while any(path.name.endswith(".json") for path in site.machine.queued()):
        assert time.monotonic() < deadline, "the sender never delivered"
        site.look()
        time.sleep(0.02)
    with held(site.machine.state / "telemetry.lock", PATIENCE):
        site.look()  # it has ended


def _flush(site: Site) -> None:
    deadline = time.monotonic() + 4 * PATIENCE
    while site.run("telemetry", "flush", code=None).returncode:
        assert time.monotonic() < deadline, "there was always another sender"


@contextmanager
def host_name(site: Site) -> Iterator[None]:
    """Give the site's commands a host of their own, where that is allowed; else that secret is planted nowhere."""
    name = site.secrets["host name"]
    script = 'echo "$1" > /proc/sys/kernel/hostname && echo named && read _'
    tools = [shutil.which(tool) for tool in ("unshare", "nsenter")]
    if os.geteuid() != 0 or None in tools:
        del site.planted["host name"]
        yield
        return
    with subprocess.Popen(
        ["unshare", "--uts", "sh", "-c", script, "sh", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        if holder.stdout.readline() == "named\n":
            site.program = ("nsenter", f"--target={holder.pid}", "--uts", str(PROGRAM))
        else:
            del site.planted["host name"]
        yield
        holder.stdin.close()


def _answer(connection: socket.socket, request: Request) -> bool:
    path = request.head[0].split()[1]
    reply = {"/events": accounting(), "/forget": answer(200, b'{"forgotten": 1}')}.get(path, answer(204))
    return reply(connection, request)


def _runs(sent: list[Trace]) -> dict[str, str]:
    runs = {}
    for trace in sent:
        for body in list(unpacked(trace.content))[1:]:
            for line in body.splitlines():
                envelope = json.loads(line)
                runs[envelope["context"]["sessionId"]] = envelope["events"][0]["properties"]["command"]
    return runs
