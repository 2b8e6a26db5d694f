"""Requests to `/events`, one after the other on a connection: a real server, and a journal that does as it is told."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collecting import a_run
from sst_collector.app import Parts, create_app
from sst_collector.journal.group_commit import Committed
from sst_collector.metrics import Metrics
from sst_collector.publishing.site import File
from sst_collector.receiving.body import Room
from sst_collector.receiving.connections import MAX_HEAD, Connection
from sst_collector.receiving.intake import Intake
from sst_collector.receiving.legacy import LegacyDecoder
from sst_collector.receiving.rates import Rates
from sst_collector.receiving.schema import Decoder
from sst_collector.site_key import SiteKey
from sst_core import SST, utc_now
from sst_core.testing import PATIENCE
from waiting import eventually

LINE = json.dumps(SST.catalogue.envelope(a_run())).encode()
ROOM = 10_000

LARGE = 4 << 20
"""Bytes: more than a system buffers for who doesn't read."""


def post(body: bytes = LINE, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST /events HTTP/{version}", "Host: x", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


class Held:
    """A journal that writes nothing until it is let go, and then fails if it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Sequence[bytes], Committed]] = []
        self.is_held = False
        self.error: Exception | None = None

    def submit(self, records: Sequence[bytes], committed: Committed) -> None:
        if self.is_held:
            self.waiting.append((records, committed))
        else:
            committed(self.error)

    def let_go(self) -> None:
        self.is_held = False
        for _, committed in self.waiting:
            committed(self.error)


class Serving:
    """A server in a thread of this process."""

    def __init__(self, folder: Path) -> None:
        self.journal = Held()
        self.metrics = Metrics()
        self.room = Room(ROOM)
        rates = Rates(0, (), lambda: 0.0)
        intake = Intake(
            record=Decoder(SST.catalogue).record,
            legacy=LegacyDecoder(SST.catalogue),
            site_key=SiteKey(folder / "site-key", utc_now),
            rates=rates,
            submit=self.journal.submit,
            metrics=self.metrics,
            room=self.room,
        )
        app = create_app(
            Parts(
                rates=rates,
                append=cast(Any, None),
                site=lambda: {
                    "index.html": File(b"a page", "text/html", "a-digest"),
                    "large.html": File(b"x" * LARGE, "text/html", "its-digest"),
                },
                is_private=False,
                failure=lambda: None,
                metrics=self.metrics,
                room=self.room,
            )
        )
        connection = partial(Connection, intake=intake, most=100)
        config = uvicorn.Config(cast(Any, app), http=cast(Any, connection), lifespan="off", log_config=None, ws="none")
        self._server = uvicorn.Server(config)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # what isn't read is soon noticed
        self.port = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._server.serve([self._listener]),)
        )

    def __enter__(self) -> "Serving":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(PATIENCE)
        self._loop.close()
        assert not self._thread.is_alive()

    def stop(self) -> None:
        self._server.should_exit = True

    @property
    def is_holding_back(self) -> bool:
        """Whether a connection has more to write than its client reads."""
        return any(connection.flow.write_paused for connection in cast(Any, self._server.server_state.connections))

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._server.server_state.connections)

    def headers(self) -> list[list[tuple[bytes, bytes]]]:
        """What is kept of them, of each connection."""
        return [connection.headers for connection in cast(Any, self._server.server_state.connections)]

    def on_loop(self, act: Callable[[], object]) -> None:
        """Do something where the server does everything."""
        done = threading.Event()
        for step in (act, done.set):
            self._loop.call_soon_threadsafe(step)
        assert done.wait(PATIENCE)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with Serving(tmp_path) as serving:
        yield serving


@contextmanager
def connected(serving: Serving) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", serving.port), timeout=PATIENCE) as connection:
        yield connection


Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""


def answers(connection: socket.socket, count: int, heads: Collection[int] = ()) -> list[Answer]:
    """The next answers. Those whose numbers are in `heads` answer HEAD and have no body."""
    file = connection.makefile("rb")
    read = []
    for number in range(count):
        status = int(file.readline().split()[1])
        headers = {}
        while line := file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        length = 0 if number in heads else int(headers.get("content-length", 0))
        read.append((status, headers, file.read(length)))
    return read


def is_closed(connection: socket.socket) -> bool:
    return connection.recv(1) == b""


def accepted(answer: Answer) -> int:
    status, headers, body = answer
    assert (status, headers["content-type"]) == (200, "application/json")
    return int(json.loads(body)["accepted"])


def test_one_after_the_other_on_a_connection(serving: Serving) -> None:
    with connected(serving) as connection:
        for count in (1, 2, 3):
            connection.sendall(post(b"\n".join([LINE] * count)))
            assert [accepted(answer) for answer in answers(connection, 1)] == [count]
    assert serving.metrics.accepted == 6


def test_what_is_sent_at_once_is_answered_in_order(serving: Serving) -> None:
    serving.journal.is_held = True
    with connected(serving) as connection:
        health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(post() + post(b"x") + health + post(b"") + post(b"\n".join([LINE, LINE])))
        eventually(lambda: len(serving.journal.waiting) == 3, "three wait for the journal")
        serving.on_loop(serving.journal.let_go)
        one, bad, healthy, empty, two = answers(connection, 5)
    assert (accepted(one), accepted(two)) == (1, 2)
    assert json.loads(bad[2])["rejected"] == [{"line": 1, "reason": "not JSON"}]
    assert (healthy[0], json.loads(healthy[2])) == (200, {"status": "ok"})
    assert empty[0] == 400


KINDS = {
    "head": b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
    "get": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "lost": b"GET /lost HTTP/1.1\r\nHost: x\r\n\r\n",
    "one": post(),
    "two": post(b"\n".join([LINE, LINE])),
    "empty": post(b""),
    "too much": post(b"x" * (ROOM + 1)),
    "an unknown encoding": post(LINE, "Content-Encoding: br"),
    "get of events": b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
    "head of events": b"HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n",
    "unchanged": b"GET / HTTP/1.1\r\nHost: x\r\nIf-None-Match: a-digest\r\n\r\n",
}
LAST = {f"{kind}, and no more": request.replace(b"Host: x", b"Connection: close", 1) for kind, request in KINDS.items()}


def answers_of(serving: Serving, *kinds: str) -> list[Answer]:
    """To requests in one segment, all there will be, without what depends on the moment."""
    requests = [(KINDS | LAST)[kind] for kind in kinds]
    heads = [number for number, request in enumerate(requests) if request.startswith(b"HEAD")]
    with connected(serving) as connection:
        connection.sendall(b"".join(requests))
        read = answers(connection, len(requests), heads)
    for _, headers, _ in read:
        del headers["date"]
    return read


def answers_alone(serving: Serving, *kinds: str) -> list[Answer]:
    """The same, each on a connection of its own."""
    return [answer for kind in kinds for answer in answers_of(serving, kind)]


@pytest.mark.parametrize(
    "after", [*([kind, "get, and no more"] for kind in KINDS), *([last] for last in LAST)], ids=str
)
def test_whatever_follows_a_head_is_answered_after_it(serving: Serving, after: list[str]) -> None:
    assert answers_of(serving, "head", *after) == answers_alone(serving, "head", *after)


@given(st.lists(st.sampled_from(list(KINDS)), max_size=12), st.sampled_from(list(LAST)))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_requests_of_a_segment_have_the_answers_that_each_alone_has(
    serving: Serving, kinds: list[str], last: str
) -> None:
    assert answers_of(serving, *kinds, last) == answers_alone(serving, *kinds, last)


def test_nothing_is_acknowledged_before_it_is_durable(serving: Serving) -> None:
    serving.journal.is_held = True
    with connected(serving) as connection:
        connection.sendall(post())
        eventually(lambda: bool(serving.journal.waiting), "it waits for the journal")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(PATIENCE)
        serving.on_loop(serving.journal.let_go)
        assert [accepted(answer) for answer in answers(connection, 1)] == [1]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (RuntimeError("hunter2"), 500, "collector: a request failed: RuntimeError\n"),
        (OSError(28, "No space left on device"), 503, ""),
    ],
)
def test_what_the_journal_raises_says_nothing_of_what_was_sent(
    serving: Serving, capsys: pytest.CaptureFixture[str], error: Exception, status: int, said: str
) -> None:
    serving.journal.error = error
    with connected(serving) as connection:
        connection.sendall(post())
        (answer,) = answers(connection, 1)
    assert answer[0] == status
    assert answer[1].get("retry-after") == ("60" if status == 503 else None)
    assert b"hunter2" not in answer[2]
    assert capsys.readouterr().err == said


def test_a_crash_on_the_way_in_is_a_500_and_the_connection_goes_on(
    serving: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(serving) as connection:
        with monkeypatch.context() as broken:
            broken.setattr("sst_collector.receiving.intake.lines_of", lambda *_: 1 / 0)
            connection.sendall(post())
            assert answers(connection, 1)[0][0] == 500
        assert capsys.readouterr().err == "collector: a request failed: ZeroDivisionError\n"
        connection.sendall(post())
        assert [accepted(answer) for answer in answers(connection, 1)] == [1]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
def test_another_method_is_refused_and_the_connection_goes_on(serving: Serving, method: str) -> None:
    with connected(serving) as connection:
        connection.sendall(f"{method} /events?x=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        file = connection.makefile("rb")
        head = []
        while line := file.readline().strip():
            head.append(line)
        assert head[0] == b"HTTP/1.1 405 Method Not Allowed"
        assert b"allow: POST" in head
        length = next(int(line.split()[1]) for line in head if line.startswith(b"content-length"))
        assert method == "HEAD" or len(file.read(length)) == length
        connection.sendall(post())
        assert [accepted(answer) for answer in answers(connection, 1)] == [1]


def test_a_client_that_wants_to_be_asked_is_asked_for_its_body(serving: Serving) -> None:
    head, body = post(LINE, "Expect: 100-continue").split(b"\r\n\r\n", 1)
    with connected(serving) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert [accepted(answer) for answer in answers(connection, 1)] == [1]


def test_a_client_that_would_send_too_much_is_not_asked_for_it(serving: Serving) -> None:
    with connected(serving) as connection:
        connection.sendall(
            b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert [status for status, _, _ in answers(connection, 1)] == [413]


@pytest.mark.parametrize("request_", [post(version="1.0"), post(LINE, "Connection: close")], ids=["1.0", "close"])
def test_who_wants_one_answer_gets_one(serving: Serving, request_: bytes) -> None:
    with connected(serving) as connection:
        connection.sendall(request_)
        ((status, headers, _),) = answers(connection, 1)
        assert (status, headers["connection"]) == (200, "close")
        assert is_closed(connection)


def test_what_comes_after_a_refusal_is_dropped_and_the_next_request_is_answered(serving: Serving) -> None:
    with connected(serving) as connection:
        connection.sendall(post(b"x" * (ROOM + 1)) + post())
        assert [status for status, _, _ in answers(connection, 2)] == [503, 200]


@pytest.mark.parametrize("sent", [post()[:-1], post() + post()[:-1], post()], ids=["half", "one and a half", "one"])
def test_a_client_that_goes_away_gives_its_room_back(serving: Serving, sent: bytes) -> None:
    serving.journal.is_held = True
    for _ in range(2 * ROOM // len(LINE)):
        with connected(serving) as connection:
            connection.sendall(sent)
    serving.on_loop(serving.journal.let_go)

    def is_all_there() -> bool:
        with connected(serving) as connection:
            connection.sendall(post(b" " * (ROOM - len(LINE)) + LINE))
            return [status for status, _, _ in answers(connection, 1)] == [200]

    eventually(is_all_there, "all of the room is there again")


def test_what_waits_for_the_journal_takes_its_room_whether_or_not_its_client_is_there(serving: Serving) -> None:
    serving.journal.is_held = True
    with connected(serving) as connection:
        connection.sendall(post(b" " * (ROOM - len(LINE)) + LINE))
        eventually(lambda: bool(serving.journal.waiting), "it waits for the journal")
    eventually(lambda: serving.connections == 0, "its client is gone")
    with connected(serving) as connection:
        connection.sendall(post())
        try:
            assert [status for status, _, _ in answers(connection, 1)] == [503]
        finally:
            serving.on_loop(serving.journal.let_go)
        connection.sendall(post(b" " * (ROOM - len(LINE)) + LINE))
        assert [accepted(answer) for answer in answers(connection, 1)] == [1]


def test_an_answer_that_is_not_read_is_held_back_and_comes_when_it_is(serving: Serving) -> None:
    count = 25
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # before it connects, or it grows
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", serving.port))
        connection.sendall(post(b"x\n" * 1000) * count)  # an answer of 60 kB to 2: its reasons
        eventually(lambda: serving.is_holding_back, "an answer is held back")
        assert {status for status, _, _ in answers(connection, count)} == {200}
        eventually(lambda: not serving.is_holding_back, "nothing is held back any more")


def test_a_large_page_that_is_read_slowly_comes_whole(serving: Serving) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", serving.port))
        connection.sendall(b"GET /large.html HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: serving.is_holding_back, "the page is held back")
        ((status, _, body),) = answers(connection, 1)
        assert (status, len(body)) == (200, LARGE)
        connection.sendall(post())
        assert accepted(*answers(connection, 1)) == 1


def test_a_graceful_stop_answers_what_it_was_asked(serving: Serving) -> None:
    serving.journal.is_held = True
    with connected(serving) as connection:
        connection.sendall(post())
        eventually(lambda: bool(serving.journal.waiting), "it waits for the journal")
        serving.stop()
        serving.on_loop(serving.journal.let_go)
        assert [accepted(answer) for answer in answers(connection, 1)] == [1]
        assert is_closed(connection)


@pytest.mark.parametrize("before", [b"", post()], ids=["first", "after another"])
def test_a_head_is_held_to_its_limit_however_it_comes(serving: Serving, before: bytes) -> None:
    with connected(serving) as connection:
        room = MAX_HEAD - len("POST /events HTTP/1.1\r\nHost: x\r\nX: \r\n") - len(f"Content-Length: {len(LINE)}\r\n")
        connection.sendall(before + post(LINE, f"X: {'y' * (room - 10)}"))
        assert [status for status, _, _ in answers(connection, 2 if before else 1)][-1] == 200
    with connected(serving) as connection:
        connection.sendall(before + post(LINE, f"X: {'y' * (room + 10)}"))
        assert b"HTTP/1.1 400 " in b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_head_without_end_is_held_to_its_limit_behind_another_request(serving: Serving) -> None:
    with connected(serving) as connection, suppress(ConnectionResetError):
        connection.sendall(post() + b"GET / HTTP/1.1\r\n" + b"aa:b1\r\n" * (MAX_HEAD // 6))
        while connection.recv(65536):
            pass


def chunked(body: bytes, trailers: bytes, path: str = "/events") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return b"%b%x\r\n%b\r\n0\r\n%b\r\n" % (head, len(body), body, trailers)


@pytest.mark.parametrize(("path", "status"), [("/events", 200), ("/forget", 400)])
def test_trailers_are_dropped(serving: Serving, path: str, status: int) -> None:
    with connected(serving) as connection:
        connection.sendall(chunked(LINE, b"X-Forwarded-For: 1\r\n" * 1000, path))
        assert [status for status, _, _ in answers(connection, 1)] == [status]
        assert [[name for name, _ in headers] for headers in serving.headers()] == [[b"host", b"transfer-encoding"]]


@pytest.mark.parametrize(
    "trailers", [b"aa:b1\r\n" * 150_000, b"a: %b\r\n" % (b"b" * (1 << 20))], ids=["many", "one that is long"]
)
def test_trailers_are_held_to_the_limit_of_a_head(serving: Serving, trailers: bytes) -> None:
    with connected(serving) as connection, suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(chunked(LINE, trailers))
        assert is_closed(connection)
    assert serving.metrics.accepted == 0


@pytest.mark.parametrize("version", ["2.0", "0.9"])
def test_a_version_that_is_not_spoken_here_is_a_400(serving: Serving, version: str) -> None:
    with connected(serving) as connection:
        connection.sendall(post(version=version))
        assert connection.recv(12) == b"HTTP/1.1 400"
