"""SIGKILL at random moments under load: what was acknowledged counts once, and nothing that was never sent.

A few rounds here, hundreds with `nox -s collector_kills`.
"""

import json
import os
import random
import secrets
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import duckdb
import httpx
import pytest

from collecting import Collector, StartCollector, Values, a_run
from sst_core import SST

ROUNDS = int(os.environ.get("SST_KILL_ROUNDS", "6"))
CLIENTS = 3
LATEST = 2.5
"""Seconds after the start at which the last of the kills come: rounds of loading come every second."""


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


def under_load(collector: Collector, clients: list[Client], seconds: float) -> None:
    """Let the clients send for so long, and kill it."""
    over = threading.Event()
    threads = [
        threading.Thread(target=client.send_until, args=(over, str(collector.client.base_url))) for client in clients
    ]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
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


def what_was_left(data: Path) -> list[str]:
    """Where the kill came, as far as the folder tells."""
    segments = list((data / "journal").glob("*.ndjson"))
    torn = any(content and not content.endswith(b"\n") for content in (path.read_bytes() for path in segments))
    log = data / "warehouse.duckdb.wal"
    return [
        *(["a torn line"] if torn else []),
        *(["segments that wait"] if len(segments) > 1 else []),
        *(["a transaction without its checkpoint"] if log.exists() and log.stat().st_size else []),
    ]
