"""Bounds on what strangers can do to a collector: slow ones, many, idle, loud and large ones."""

import gzip
import json
import os
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import msgspec
import pytest

from collecting import Collector, StartCollector, a_run
from installed import PYTHON
from sst_collector.publishing.snapshot import Snapshot, Total, nothing_published
from sst_core import SST
from sst_core.testing import PATIENCE

IDLE = int(os.environ.get("SST_IDLE_CONNECTIONS", "1000"))
"""`nox -s collector_limits` has ten thousand: both ends of every connection are open files."""

# The installed program, but with less patience than it has: more than the second for which a busy machine may halt it.
IMPATIENT = (
    *PYTHON,
    "-c",
    "import sst_collector.receiving.connections as c; c.EXCHANGE_SECONDS, c.MAX_PIPELINED = 2.0, 10**6; "
    "from sst_core.sst import main; main()",
)


# The installed program, but with more counters: of its 65,536, two of six sources shared one in one of 4,400 runs.
ROOMY = (
    *PYTHON,
    "-c",
    "import sst_collector.receiving.rates as r; r.COUNTERS = 1 << 22; from sst_core.sst import main; main()",
)


FEW_FILES = ("sh", "-c", 'ulimit -n 200; exec "$0" "$@"', str(Path(sys.executable).with_name("sst")))
"""The installed program, which may have 200 files open."""


@contextmanager
def connected(collector: Collector) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(collector.port)), timeout=PATIENCE) as connection:
        yield connection


@contextmanager
def slowly_connected(collector: Collector) -> Iterator[socket.socket]:
    """For who doesn't read: the system takes little for it."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # before it connects, or it grows
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", int(collector.port)))
        yield connection


def is_closed(connection: socket.socket) -> bool:
    """Wait for the other end to close it."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return True


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector(tmp_path_factory.mktemp("impatient") / "data", ["--port", "0"], IMPATIENT)
    collector.start()
    yield collector
    collector.end()


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"POST /ev",
        b"POST /events HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET",
    ],
    ids=["nothing", "a request line", "a header", "a body", "a chunk", "a second request"],
)
def test_who_does_not_come_to_an_end_is_not_waited_for(impatient: Collector, start: bytes) -> None:
    with connected(impatient) as connection:
        connection.sendall(start)
        assert is_closed(connection)


def test_who_asks_the_admin_port_for_nothing_is_not_waited_for(tmp_path: Path) -> None:
    collector = Collector(tmp_path / "data", ["--port", "0", "--admin-port", "0"], IMPATIENT)
    collector.start()
    with socket.create_connection(admin_address(collector), timeout=PATIENCE) as connection:
        assert is_closed(connection)
    assert collector.end() == (0, "", "")


def admin_address(collector: Collector) -> tuple[str, int]:
    """Once, of a collector that has just been started."""
    assert collector.process.stdout is not None
    url = httpx.URL(collector.process.stdout.readline().split()[-1])
    assert url.port is not None
    return url.host, url.port


def test_who_sends_a_byte_now_and_then_is_not_waited_for(impatient: Collector) -> None:
    with connected(impatient) as connection, pytest.raises(OSError, match=r"reset|pipe"):
        connection.settimeout(0.1)
        connection.sendall(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b" ")
            try:
                assert connection.recv(1) == b""
                raise ConnectionResetError("reset")
            except TimeoutError:
                continue


def test_who_does_not_read_the_answers_is_not_waited_for(impatient: Collector) -> None:
    with slowly_connected(impatient) as connection, pytest.raises(OSError, match=r"reset|pipe"):
        while True:
            # An answer of 60 kB to 2: its reasons.
            connection.sendall(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n" + b"x\n" * 1000)


def test_a_patient_request_is_answered_by_an_impatient_collector(impatient: Collector) -> None:
    assert impatient.post(a_run()).json()["accepted"] == 1


@pytest.mark.parametrize(
    "endless",
    [b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20, b"GET /" + b"x" * 100, b"GET / HTTP/1.1\r\nX: " + b"y" * 100],
    ids=["headers", "path", "header"],
)
def test_headers_without_end_are_not_kept(shared_collector: Collector, endless: bytes) -> None:
    with connected(shared_collector) as connection, pytest.raises(OSError, match=r"reset|pipe"):
        connection.sendall(endless)
        for _ in range(10_000):
            connection.sendall(endless[-6:] * 200)


def test_requests_without_end_are_not_gathered(shared_collector: Collector) -> None:
    with connected(shared_collector) as connection:
        answers = b""
        with suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2000)
            while piece := connection.recv(65536):
                answers += piece
    assert answers.count(b"HTTP/1.1 200 ") < 1000


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /metrics HTTP/1.1\r\n", b"X: y\r\n"),
        (b"GET /", b"x"),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n", b"X: y\r\n"),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n"),
    ],
    ids=["headers", "path", "trailers", "chunks"],
)
def test_the_admin_port_keeps_nothing_that_has_no_end(
    start_collector: StartCollector, start: bytes, more: bytes
) -> None:
    collector = start_collector("--admin-port", "0")
    address, before = admin_address(collector), peak(collector)
    with (
        socket.create_connection(address, timeout=PATIENCE) as connection,
        pytest.raises(OSError, match=r"reset|pipe"),
    ):
        connection.sendall(start)
        for _ in range(10_000):
            connection.sendall(more * 1000)
    assert peak(collector) - before < 64 << 10


def test_the_admin_port_gathers_no_requests_without_end(start_collector: StartCollector) -> None:
    address, answers = admin_address(start_collector("--admin-port", "0")), b""
    with (
        socket.create_connection(address, timeout=PATIENCE) as connection,
        suppress(ConnectionResetError, BrokenPipeError),
    ):
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 2000)
        while piece := connection.recv(65536):
            answers += piece
    assert answers.count(b"HTTP/1.1 200 ") < 1000


def test_trailers_without_end_are_not_kept(start_collector: StartCollector) -> None:
    collector = start_collector()
    before = peak(collector)
    with connected(collector) as connection, pytest.raises(OSError, match=r"reset|pipe"):
        connection.sendall(b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n")
        for _ in range(10_000):
            connection.sendall(b"X: y\r\n" * 1000)
    assert peak(collector) - before < 64 << 10


def test_a_body_of_the_largest_size_is_taken_in_chunks_of_a_byte(shared_collector: Collector) -> None:
    with connected(shared_collector) as connection:
        connection.sendall(largest_in_chunks(1) + LAST_CHUNK)
        assert accepted(connection) == 1


def test_bodies_in_small_chunks_take_no_more_memory_than_whole_ones(start_collector: StartCollector) -> None:
    collector = start_collector()
    before = peak(collector)
    body = largest_in_chunks(2)  # Python has each object of one byte only once
    with ExitStack() as several:
        connections = [several.enter_context(connected(collector)) for _ in range(3)]
        for part in (body, LAST_CHUNK):
            for connection in connections:
                connection.sendall(part)
        assert [accepted(connection) for connection in connections] == [1, 1, 1]
    assert peak(collector) - before < 64 << 10


LAST_CHUNK = b"0\r\n\r\n"


def largest_in_chunks(size: int) -> bytes:
    """A request of the largest body in chunks of so many bytes, but for the last chunk, which is empty."""
    line = json.dumps(SST.catalogue.envelope(a_run())).encode()
    body = line + b" " * ((1 << 20) - len(line))
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return (
        b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    ) + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def accepted(connection: socket.socket) -> int:
    """By an answer that is 200."""
    answer = connection.recv(65536)
    while b"}" not in answer:
        answer += connection.recv(65536)
    head, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    return int(json.loads(body)["accepted"])


@pytest.mark.timeout(300)
def test_thousands_of_idle_connections_keep_nobody_from_being_served(start_collector: StartCollector) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    collector = start_collector()
    with ExitStack() as idle:
        for _ in range(IDLE):
            idle.enter_context(connected(collector))
        assert collector.post(a_run()).json()["accepted"] == 1
        collector.wait_until(lambda: collector.runs() == {"build": 1})
        assert collector.client.get("/healthz").status_code == 200
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def test_more_connections_than_there_are_files_leave_some_to_the_journal(tmp_path: Path) -> None:
    collector = Collector(tmp_path / "data", ["--port", "0", "--snapshot-every", "1", "--min-machines", "1"], FEW_FILES)
    collector.start()
    collector.client.get("/healthz")  # its connection is there before the others
    with ExitStack() as idle:
        for _ in range(400):
            idle.enter_context(connected(collector))
        assert collector.post(a_run()).json()["accepted"] == 1
        collector.wait_until(lambda: collector.runs() == {"build": 1})
    assert collector.end() == (0, "", "")


def test_more_connections_to_the_admin_port_than_there_are_files_take_none_from_the_others(tmp_path: Path) -> None:
    options = ["--port", "0", "--snapshot-every", "1", "--min-machines", "1", "--admin-port", "0"]
    collector = Collector(tmp_path / "data", options, FEW_FILES)
    collector.start()
    address = admin_address(collector)
    with ExitStack() as idle:
        for _ in range(400):
            idle.enter_context(socket.create_connection(address, timeout=PATIENCE))
        assert collector.post(a_run()).json()["accepted"] == 1
        collector.wait_until(lambda: collector.runs() == {"build": 1})
    assert collector.end() == (0, "", "")


def test_a_source_that_sends_too_much_is_asked_to_wait(start_collector: StartCollector) -> None:
    collector = start_collector("--rate", "3", "--trusted-proxy", "127.0.0.1", program=ROOMY)
    here, there = {"X_Forwarded_For": "203.0.113.5"}, {"X_Forwarded_For": "203.0.113.6"}
    body = json.dumps(SST.catalogue.envelope(a_run())).encode()
    assert [collector.send(body, **here).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = collector.send(body, **here)
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    forget = {"anonymousIds": ["0" * 32]}
    assert collector.client.post("/forget", json=forget, headers={"X-Forwarded-For": "203.0.113.5"}).status_code == 429
    assert collector.send(body, **there).status_code == 200
    assert collector.client.get("/stats.json", headers={"X-Forwarded-For": "203.0.113.5"}).status_code == 200
    several = {"anonymousIds": [f"{number:032x}" for number in range(3)]}
    third = {"X-Forwarded-For": "203.0.113.7"}
    assert [collector.client.post("/forget", json=several, headers=third).status_code for _ in range(2)] == [200, 429]
    for lines, answers in ((19, [200, 200, 200, 429]), (20, [200, 200, 429, 429]), (60, [200, 429, 429, 429])):
        source = {"X_Forwarded_For": f"203.0.113.1{lines}"}
        assert [collector.send((body + b"\n") * lines, **source).status_code for _ in range(4)] == answers, lines
    _, out, err = collector.end()
    kept = b"".join(path.read_bytes() for path in collector.data.rglob("*") if path.is_file()) + (out + err).encode()
    assert b"203.0.113" not in kept


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/events", b"{}\n" * 1000),
        ("/forget", json.dumps({"anonymousIds": [f"{number:032x}" for number in range(100)]}).encode()),
    ],
)
def test_a_source_is_slowed_down_that_sends_all_heads_before_the_first_body(
    start_collector: StartCollector, path: str, body: bytes
) -> None:
    collector = start_collector("--rate", "3", "--trusted-proxy", "127.0.0.1")
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.5\r\nContent-Length: {len(body)}\r\n\r\n"
    with ExitStack() as several:
        connections = [several.enter_context(connected(collector)) for _ in range(3)]
        for connection in connections:
            connection.sendall(head.encode())
        for _ in range(3):  # what came before is read when this is answered
            assert collector.client.get("/healthz").status_code == 200
        answers = []
        for connection in connections:
            connection.sendall(body)
            answers.append(connection.recv(65536)[:12])
    assert answers == [b"HTTP/1.1 200", b"HTTP/1.1 429", b"HTTP/1.1 429"]


def test_a_bomb_is_refused_before_it_is_unpacked(start_collector: StartCollector) -> None:
    collector = start_collector()
    bomb = gzip.compress(b"\0" * (200 << 20), compresslevel=1)
    assert len(bomb) < 1 << 20
    before = peak(collector)
    for _ in range(3):
        assert collector.send(bomb, Content_Encoding="gzip").status_code == 413
    assert peak(collector) - before < 64 << 10


@pytest.mark.parametrize("has_tls", [False, True], ids=["plain", "tls"])
def test_who_reads_nothing_has_nothing_kept_for_it(
    start_collector: StartCollector, pair: tuple[Path, Path], has_tls: bool
) -> None:
    def a_large_snapshot(data: Path) -> None:
        data.mkdir()
        (data / "lock").touch()
        (data / "warehouse.duckdb").write_bytes(b"x" * 10_000)  # so that no round replaces it
        totals = [Total(f"{number}.0.0", 20, 10) for number in range(50_000)]
        empty = Snapshot.from_json(nothing_published(SST.catalogue))
        windows = {name: {**window, "version": totals} for name, window in empty.windows.items()}
        (data / "snapshot.json").write_bytes(msgspec.structs.replace(empty, windows=windows).to_json())

    certificate, key = pair
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key)) if has_tls else ()
    trust = ssl.create_default_context(cafile=certificate)
    collector = start_collector(*tls, prepare=a_large_snapshot, verify=trust)
    assert len(collector.client.get("/stats.json").content) > 6 << 20  # more than the system keeps for who doesn't read
    before = peak(collector)
    with ExitStack() as several:
        for _ in range(20):
            connection = several.enter_context(slowly_connected(collector))
            if has_tls:
                connection = several.enter_context(trust.wrap_socket(connection, server_hostname="127.0.0.1"))
            connection.sendall(b"GET /stats.json HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            connection.recv(1)  # it has begun to answer
        assert peak(collector) - before < 32 << 10
    collector.end(signal.SIGKILL)  # gracefully, it would wait for who is gone


def peak(collector: Collector) -> int:
    """The largest memory that its process ever had, in KiB."""
    status = Path(f"/proc/{collector.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


@pytest.mark.parametrize(
    "open_bracket", [b"[", b'{"context":', b'{"a":', b'{"projectId":[', b'{"context":{"projectId":{"a":']
)
def test_nesting_is_a_bad_line_and_no_more(shared_collector: Collector, open_bracket: bytes) -> None:
    answer = shared_collector.send(open_bracket * (1_000_000 // len(open_bracket)))
    assert (answer.status_code, answer.json()["accepted"]) == (200, 0)
    assert len(answer.json()["rejected"]) == 1
    assert shared_collector.client.post("/forget", content=open_bracket * 20_000).status_code == 400
