"""SIGKILL at random moments under load: what was acknowledged counts once, and nothing that was never sent.

A few rounds here, hundreds with `nox -s collector_kills`.
"""

import json
import os
import random
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import httpx
import pytest

import clocked_collector
from clocked_collector import KEEP_DAYS, set_clock
from collecting import Collector, StartCollector, Values, a_run
from sst_collector.warehouse.duckdb.file import mark_of
from sst_core import SST, week_of

ROUNDS = int(os.environ.get("SST_KILL_ROUNDS", "3"))
CLIENTS = 3
LATEST = 2.5
"""Seconds after the start at which the last of the kills come: rounds of loading come every second."""


MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


class Client:
    """Sends batches until told to end, some twice, and remembers what it sent and what was acknowledged."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self._unanswered: list[Values] = []
        self.requests = 0

    def send_until(self, over: threading.Event, url: str) -> None:
        with httpx.Client(base_url=url, timeout=20) as http:
            while not over.is_set():
                with suppress(httpx.HTTPError):
                    self._send(http)

    def _send(self, http: httpx.Client) -> None:
        # What got no answer is sent again, as the sender does: it may be stored or not.
        batch, self._unanswered = self._unanswered, []
        batch = batch or [a_run() for _ in range(self._rng.randint(1, 20))]
        if self._rng.random() < 0.2:
            batch = [*batch, batch[0]]
        sessions = {run["sessionId"] for run in batch}
        self.sent |= sessions
        self._unanswered = batch
        body = "\n".join(json.dumps(SST.catalogue.envelope(run)) for run in batch)
        answer = http.post("/events", content=body)
        assert (answer.status_code, answer.json()) == (200, {"accepted": len(batch), "rejected": []})
        self._unanswered = []
        self.acknowledged |= sessions
        self.requests += 1

    def settle(self, http: httpx.Client) -> None:
        """Send what got no answer once more: then what was sent is what was acknowledged, and something was.

        All kills may have come before its first request.
        """
        while self._unanswered or not self.acknowledged:
            self._send(http)


class ForgetfulClient(Client):
    """Some of its machines ask to be forgotten, once a run of theirs is acknowledged."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.forgotten: set[str] = set()

    def _send(self, http: httpx.Client) -> None:
        super()._send(http)
        if self._rng.random() < 0.2:
            run = a_run(command="remove")
            assert http.post("/events", content=json.dumps(SST.catalogue.envelope(run))).status_code == 200
            answer = http.post("/forget", content=json.dumps({"anonymousIds": [run["anonymousId"]]}))
            assert answer.status_code == 200
            self.forgotten.add(run["anonymousId"])


def under_load(
    collector: Collector,
    clients: Sequence[Client],
    seconds: float,
    meanwhile: Callable[[], None] = lambda: None,
    share: float = 0,
) -> None:
    """Let the clients send for so long, and kill it. After some share of the time something happens."""
    over = threading.Event()
    threads = [
        threading.Thread(target=client.send_until, args=(over, str(collector.client.base_url))) for client in clients
    ]
    for thread in threads:
        thread.start()
    time.sleep(share * seconds)
    meanwhile()
    time.sleep((1 - share) * seconds)
    collector.process.send_signal(signal.SIGKILL)
    over.set()
    for thread in threads:
        thread.join(60)
    collector.end(signal.SIGKILL)


@pytest.mark.timeout(120 + 20 * ROUNDS)
def test_what_was_acknowledged_counts_once_wherever_it_was_killed(start_collector: StartCollector) -> None:
    seed = int(os.environ.get("SST_KILL_SEED", secrets.randbelow(1 << 32)))
    rng = random.Random(seed)
    clients = [Client(rng.randrange(1 << 32)) for _ in range(CLIENTS)]
    collector = start_collector()
    left = Counter[str]()
    for _ in range(ROUNDS):
        under_load(collector, clients, rng.uniform(0, LATEST))
        left.update(what_was_left(collector.data))
        collector.start()
    with httpx.Client(base_url=str(collector.client.base_url), timeout=20) as http:
        for client in clients:
            client.settle(http)
    collector.wait_until(lambda: not list((collector.data / "journal").iterdir()))
    assert collector.end()[0] == 0

    sent = set().union(*(client.sent for client in clients))
    acknowledged = set().union(*(client.acknowledged for client in clients))
    with duckdb.connect(collector.data / "warehouse.duckdb", read_only=True) as warehouse:
        rows = warehouse.execute("SELECT replace(\"sessionId\"::VARCHAR, '-', '') FROM runs").fetchall()
    counted = Counter(session for (session,) in rows)
    print(
        f"seed {seed}: {ROUNDS} kills, {sum(client.requests for client in clients)} acknowledged requests, "
        f"{len(acknowledged)} acknowledged sessions of {len(sent)} sent, "
        f"{len(counted)} counted; left by the kills: {dict(left)}"
    )
    assert acknowledged, "the clients never got an answer"
    assert acknowledged - counted.keys() == set(), f"lost, with seed {seed}"
    assert counted.keys() - sent == set(), f"invented, with seed {seed}"
    assert set(counted.values()) == {1}, f"counted twice, with seed {seed}"


@pytest.mark.timeout(180 + 20 * ROUNDS)
def test_weeks_are_published_once_and_never_change_wherever_it_was_killed(start_collector: StartCollector) -> None:
    """Weeks end meanwhile, so that kills meet publication, expiry, the copy that it makes, and machines forgotten."""
    seed = int(os.environ.get("SST_KILL_SEED", secrets.randbelow(1 << 32)))
    rng = random.Random(seed)
    clients = [ForgetfulClient(rng.randrange(1 << 32)) for _ in range(CLIENTS)]
    collector = start_collector(program=(sys.executable, str(Path(clocked_collector.__file__))), prepare=a_clock)
    now, requests = MONDAY, [0] * CLIENTS
    out: dict[str, Values] = {}
    left = Counter[str]()

    def weeks_end() -> None:
        nonlocal now, requests
        # Each client has had an answer since the last ones ended, so what it sends again is of these and still known.
        if all(client.requests > before for client, before in zip(clients, requests, strict=True)):
            now += timedelta(weeks=rng.choice((1, 2, 2)))
            requests = [client.requests for client in clients]
            set_clock(collector.data, now)

    for _ in range(ROUNDS):
        under_load(collector, clients, rng.uniform(0, LATEST), weeks_end, rng.random())
        left.update(what_was_left(collector.data))
        if (snapshot := collector.data / "snapshot.json").exists():
            unchanged(out, json.loads(snapshot.read_bytes()), seed)
        if (mark := mark_of(collector.data / "warehouse.duckdb")).exists():
            os.utime(mark, (0, 0))  # for the forgotten, it may be copied again
        collector.start()
    with httpx.Client(base_url=str(collector.client.base_url), timeout=20) as http:
        for client in clients:
            client.settle(http)
    now += timedelta(weeks=1)
    set_clock(collector.data, now)
    collector.wait_until(lambda: collector.stats()["snapshot"] == f"{now:%Y-%m-%dT%H:%M:%SZ}")
    unchanged(out, collector.stats(), seed)
    assert collector.end()[0] == 0

    sent = set().union(*(client.sent for client in clients))
    acknowledged = set().union(*(client.acknowledged for client in clients))
    forgotten = set().union(*(client.forgotten for client in clients))
    with duckdb.connect(collector.data / "warehouse.duckdb", read_only=True) as warehouse:
        cells = "SELECT coalesce(sum(runs), 0), count(*) FROM published_cells WHERE dimension = 'command' AND value = ?"
        counted, published = warehouse.execute(cells, ["build"]).fetchall()[0]
        kept = warehouse.execute("SELECT DISTINCT week FROM runs").fetchall()
        ids = warehouse.execute("SELECT DISTINCT replace(\"anonymousId\"::VARCHAR, '-', '') FROM runs").fetchall()
    print(
        f"seed {seed}: {ROUNDS} kills while {(now - MONDAY).days // 7} weeks ended, {published} of them with runs, "
        f"{len(kept)} still kept: {len(acknowledged)} acknowledged sessions, {counted} counted in them; "
        f"{len(forgotten)} machines forgotten; left by the kills: {dict(left)}"
    )
    assert acknowledged == sent, "the clients sent again what got no answer"
    assert counted == len(acknowledged), f"lost or counted twice, with seed {seed}"
    assert forgotten & {machine for (machine,) in ids} == set(), f"not forgotten, with seed {seed}"
    oldest = week_of(now - timedelta(days=KEEP_DAYS))
    assert all(week >= oldest for (week,) in kept), f"not expired, with seed {seed}"


def a_clock(data: Path) -> None:
    set_clock(data, MONDAY)


def unchanged(out: dict[str, Values], snapshot: Values, seed: int) -> None:
    """The weeks that are out are as they were; note those that are new."""
    open_week = week_of(datetime.fromisoformat(snapshot["snapshot"]))
    for week in snapshot["weeks"]:
        if week["week"] < open_week:
            assert out.setdefault(week["week"], week) == week, f"changed, with seed {seed}"


def what_was_left(data: Path) -> list[str]:
    """Where the kill came, as far as the folder tells."""
    segments = list((data / "journal").glob("*.ndjson"))
    torn = any(content and not content.endswith(b"\n") for content in (path.read_bytes() for path in segments))
    log = data / "warehouse.duckdb.wal"
    return [
        *(["a torn line"] if torn else []),
        *(["segments that wait"] if len(segments) > 1 else []),
        *(["a transaction without its checkpoint"] if log.exists() and log.stat().st_size else []),
        *(["a copy that was being made"] if (data / "warehouse.anew").exists() else []),
        *(["bytes of deleted rows"] if (data / "warehouse.stale").exists() else []),
    ]
