"""Generated requests, whole ones and raw bytes: no 500, no crash, and nothing invalid stored.

Some hundreds here, a hundred thousand with `nox -s collector_fuzz`.
"""

import errno
import gzip
import json
import os
import random
import secrets
import socket
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from collecting import Collector, StartCollector, a_run
from sst_core import SST
from sst_core.testing import PATIENCE

REQUESTS = int(os.environ.get("SST_FUZZ_REQUESTS", "600"))
A_TIME = 50
"""Requests in one example, each on a connection of its own."""

LEGACY = {
    "context": {"anonymousId": "ab" * 32, "projectId": "cd" * 32, "sessionId": "ef" * 32},
    "environment": {
        "systemPlatform": "linux",
        "systemRelease": "6.1.0",
        "systemArchitecture": "x64",
        "cpuCount": 12,
        "cpuModel": "x",
        "cpuSpeed": 2794,
        "memoryInMb": 31337,
        "isCI": False,
        "ciName": None,
        "sstVersion": "1.18.4",
    },
    "events": [{"name": "CLI_COMMAND", "properties": {"command": "deploy"}}],
}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["a" * 32, "A" * 32, "b" * 64, "1.2.3", "3.11", "linux", "debian-12", "build", "CLI_COMMAND", 8])
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))
KEYS = [*(field.key for field in SST.catalogue), "projectId", "context", "events", "name", "hunter2"]
ODD_LINES = [b"", b"[" * 5000, b'{"projectId":' * 3000, b"\xff", b'"\\ud800"', b"1e999", b"0" * 5000]
PATHS = [*["/events"] * 6, "/forget", "/healthz", "/stats.json", "/", "/x%00", "/\xe9vents"]
METHODS = [*["POST"] * 9, "GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE"]
GONE = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
"""What the system says of a connection that the other end has closed already."""
HEADERS = [
    "Content-Type: application/json",
    "Content-Type: \xff",
    "Content-Encoding: gzip",
    "Content-Encoding: identity",
    "Content-Encoding: GZIP, gzip",
    "X-Forwarded-For: 1, 2, 3",
    "X-Forwarded-For: \xff",
    "Expect: 100-continue",
    "Accept: text/html;q=2, */*;q=x",
    "Cookie: a=b",
    "Range: bytes=0-",
    "Host: [",
    "Upgrade: websocket\r\nConnection: Upgrade",
    "Date: now",
]


class Generator:
    """Makes requests of what hypothesis found: it is good at odd values, and slow at combining them."""

    def __init__(self, values: list[Any], pieces: list[bytes], seed: int) -> None:
        self._rng = random.Random(seed)
        self._values = values
        self._pieces = pieces

    def whole(self) -> bytes:
        """A request whose body ends where it says."""
        one_of, chance = self._rng.choice, self._rng.random
        body = b"\n".join(self._line() for _ in range(self._rng.randint(0, 4)))
        if chance() < 0.1:
            ids = one_of([["0" * 32] * self._rng.randint(0, 120), one_of(self._values)])
            body = json.dumps(one_of([{"anonymousIds": ids}, one_of(self._values)])).encode()
        headers = [one_of(HEADERS) for _ in range(one_of([0, 0, 1, 3]))]
        if "Content-Encoding: gzip" in headers and chance() < 0.8:
            body = gzip.compress(body, 1)[: one_of([None, None, -1, 12])]
        lines = [f"{one_of(METHODS)} {one_of(PATHS)} HTTP/1.1", "Connection: close", *headers]
        if chance() < 0.5:
            size = self._rng.randint(1, 400)
            cut = [body[start : start + size] for start in range(0, len(body), size)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in cut) + b"0\r\n\r\n"
            lines.append("Transfer-Encoding: chunked")
        else:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def raw(self) -> bytes:
        """A request that something was done to, or anything at all."""
        if self._rng.random() < 0.2:
            return b"".join(self._rng.choices(self._pieces, k=4))
        request = self.whole()
        for _ in range(self._rng.randint(1, 4)):
            at = self._rng.randint(0, min(len(request), 400))
            cut = self._rng.choice([0, 0, 1, 7, 200])
            piece = self._rng.choice([*self._pieces, b"\r\n", b"\0", b"9" * 30])
            request = request[:at] + piece + request[at + cut :]
        return request

    def _line(self) -> bytes:
        if self._rng.random() < 0.7:
            return json.dumps(self._envelope()).encode()
        return self._rng.choice([json.dumps(self._rng.choice(self._values)).encode(), *self._pieces, *ODD_LINES])

    def _envelope(self) -> Any:
        """One of ours or of the original client's, with up to two things changed."""
        document: Any = json.loads(json.dumps(self._rng.choice([SST.catalogue.envelope(a_run()), LEGACY])))
        document["context"]["sessionId"] = secrets.token_hex(len(document["context"]["sessionId"]) // 2)
        for _ in range(self._rng.choice([0, 0, 1, 2])):
            target = self._rng.choice(list(places(document)))
            if isinstance(target, list):
                target.append(deepcopy(self._rng.choice(self._values)))
            elif target and self._rng.random() < 0.3:
                del target[self._rng.choice(list(target))]
            else:
                target[self._rng.choice([*KEYS, *target])] = deepcopy(self._rng.choice(self._values))
        return document


def places(document: Any) -> Iterator[Any]:
    if isinstance(document, dict | list):
        yield document
        for inner in document.values() if isinstance(document, dict) else document:
            yield from places(inner)


GENERATORS = st.builds(
    Generator,
    st.lists(JSON, min_size=5, max_size=10),
    st.lists(st.binary(max_size=60), min_size=4, max_size=8),
    st.integers(0, 1 << 32),
)


ANY = settings(
    max_examples=max(1, REQUESTS // 2 // A_TIME),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # what is stored stays stored: there is no going back to a smaller one
    suppress_health_check=list(HealthCheck),
    database=None,
)


@pytest.mark.timeout(120 + REQUESTS // 10)
def test_whatever_is_sent_there_is_no_error_of_ours_and_nothing_invalid_is_stored(
    start_collector: StartCollector,
) -> None:
    collector = start_collector()

    @ANY
    @given(GENERATORS)
    def whole_requests(generator: Generator) -> None:
        for request in (generator.whole() for _ in range(A_TIME)):
            status = exchange(collector, request, half_close=False)
            assert status is not None, request
            assert status < 500, request

    @ANY
    @given(GENERATORS)
    def raw_bytes(generator: Generator) -> None:
        for request in (generator.raw() for _ in range(A_TIME)):
            status = exchange(collector, request, half_close=True)
            assert status is None or status < 500, request

    whole_requests()
    raw_bytes()

    collector.post(a_run())
    assert collector.client.get("/healthz").json() == {"status": "ok"}
    collector.wait_until(lambda: not list((collector.data / "journal").iterdir()))
    assert collector.end() == (0, "", "")
    rows = stored(collector.data)
    for row in rows:
        SST.catalogue.envelope(row)  # raises for what the catalogue does not allow
    print(f"{REQUESTS} requests, {len(rows)} runs stored")
    assert len(rows) > REQUESTS // 50, "too few requests were valid to say anything"


def exchange(collector: Collector, request: bytes, half_close: bool) -> int | None:
    """Send it on a connection of its own; the status of the answer, None if there is none."""
    answer = b""
    with socket.create_connection(("127.0.0.1", int(collector.port)), timeout=PATIENCE) as connection:
        try:
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except OSError as error:
            if error.errno not in GONE:
                raise
    while answer.startswith(b"HTTP/1.1 100 "):
        answer = answer.partition(b"\r\n\r\n")[2]
    return int(answer.split(None, 2)[1]) if answer else None


def stored(data: Path) -> list[dict[str, Any]]:
    with duckdb.connect(data / "warehouse.duckdb", read_only=True) as warehouse:
        table = warehouse.execute("FROM runs")
        names = [column[0] for column in table.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in table.fetchall()]
    for row in rows:
        del row["week"]
        for key in ("anonymousId", "sessionId"):
            row[key] = str(row[key]).replace("-", "")
    return rows
