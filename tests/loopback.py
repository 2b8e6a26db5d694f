"""A collector of the tests' own on loopback: it answers as it is told to, and keeps every byte that it was sent."""

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as it came over the wire."""

    raw: bytes

    @property
    def head(self) -> list[str]:
        """The request line and the header lines."""
        return self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name."""
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in self.head[1:])}

    @property
    def body(self) -> bytes:
        """Decompressed."""
        return gzip.decompress(self.raw.partition(b"\r\n\r\n")[2])

    @property
    def lines(self) -> list[bytes]:
        """One run each."""
        return self.body.splitlines()

    @property
    def commands(self) -> list[str]:
        """The recorded command of each line."""
        return [envelope["events"][0]["properties"]["command"] for envelope in self.envelopes]

    @property
    def sessions(self) -> list[str]:
        """The session id of each line."""
        return [envelope["context"]["sessionId"] for envelope in self.envelopes]

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        """The lines, parsed."""
        return [json.loads(line) for line in self.lines]


Answer = Callable[[socket.socket, Request], bool]
"""Answers a request on its connection, and says whether another one may follow there."""


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """An ordinary HTTP response."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    response = "\r\n".join([*lines, "", ""]).encode() + body

    def reply(connection: socket.socket, _request: Request) -> bool:
        connection.sendall(response)
        return True

    return reply


def accounting(reject: Sequence[int] = ()) -> Answer:
    """What a collector answers: every line accepted, but for those in `reject`, counted from 1."""

    def reply(connection: socket.socket, request: Request) -> bool:
        rejected = [{"line": line, "reason": "bad"} for line in reject]
        body = json.dumps({"accepted": len(request.lines) - len(rejected), "rejected": rejected}).encode()
        return answer(200, body, {"Content-Type": "application/json"})(connection, request)

    return reply


def raw(response: bytes) -> Answer:
    """These bytes and no more: whatever they are, it need not be HTTP."""

    def reply(connection: socket.socket, _request: Request) -> bool:
        connection.sendall(response)
        return False

    return reply


def hanging(connection: socket.socket, _request: Request) -> bool:
    """No answer, until the client gives up or the server is closed."""
    with suppress(OSError):
        connection.recv(1)
    return False


def dripping(connection: socket.socket, _request: Request) -> bool:
    """An answer of which something comes all the time, and which never ends."""
    connection.settimeout(0.1)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: y\r\n")
        with suppress(TimeoutError):
            if not connection.recv(1):
                return False


def dripping_bytes(connection: socket.socket, _request: Request) -> bool:
    """A collector's answer, at one byte a second."""
    connection.settimeout(1.0)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n")
    for number in b'{"accepted": 1, "rejected": []}':
        connection.sendall(bytes([number]))
        with suppress(TimeoutError):
            if not connection.recv(1):
                return False
    return True


def late(seconds: float) -> Answer:
    """What a collector answers, when the client has long gone."""

    def reply(connection: socket.socket, request: Request) -> bool:
        connection.settimeout(seconds)
        with suppress(TimeoutError):
            connection.recv(1)
            return False
        return accounting()(connection, request)

    return reply


@dataclass
class Flood:
    """An answer of a gigabyte after `head`, as `piece` over and over."""

    head: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30)
    piece: bytes = b" " * 65536
    size: int = 1 << 30

    def __call__(self, connection: socket.socket, _request: Request) -> bool:
        """Write as much as the client lets us."""
        connection.sendall(self.head)
        for _ in range(self.size // len(self.piece)):
            connection.sendall(self.piece)
        return True


@dataclass
class Loopback:
    """The server. Answers are taken from `script` one by one; when it is empty, every request is accounted for."""

    script: list[Answer] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    otherwise: Answer = field(default_factory=accounting)
    tls: ssl.SSLContext | None = None
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=128))
    _connections: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _closed: bool = False

    def __post_init__(self) -> None:
        self._start(self._accept)

    @property
    def url(self) -> str:
        """Where events go."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/events"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def commands(self) -> list[str]:
        """The recorded commands of all requests."""
        return [command for request in self.requests for command in request.commands]

    def close(self) -> None:
        """Stop, and end what hangs."""
        self._closed = True
        for connection in (self._listener, *self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for connection in (self._listener, *self._connections):
            connection.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._connections.append(connection)
            while (request := _read(connection)) is not None:
                self.requests.append(request)
                reply = self.script.pop(0) if self.script else self.otherwise
                if not reply(connection, request):
                    break
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


def refusing() -> tuple[socket.socket, str]:
    """An address that refuses every connection for as long as the socket is kept: bound, and never listening."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound, f"http://127.0.0.1:{bound.getsockname()[1]}/events"


def _read(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < _announced(data):
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    return Request(data)


def _announced(data: bytes) -> int:
    return int(Request(data).headers.get("content-length", "0"))
