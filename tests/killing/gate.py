"""A collector that knows what came before a mark and what came after it, by the order of events and not by a clock."""

import json
import selectors
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from killing.moments import Moments
from loopback import Request, answer


@dataclass
class Gate:
    """Listens on loopback, in one thread: what happens on its connections has one order."""

    moments: Moments
    answering: bool = True
    """Whether requests are answered, or left waiting."""
    requests: int = 0
    late: list[str] = field(default_factory=list)
    """Every connection that was made, and all that was sent, after :meth:`mark`."""
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=128))
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _received: dict[socket.socket, bytes] = field(default_factory=dict)
    _marker: tuple[str, int] | None = None
    _marked: threading.Event = field(default_factory=threading.Event)
    _closing: bool = False
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where events go."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/events"

    def mark(self) -> None:
        """From here on, everything is late.

        The mark is a connection of our own: the system hands out connections in the order in which they were made, so
        each that comes after this one was made after it.
        """
        with socket.socket() as marker:
            marker.bind(("127.0.0.1", 0))
            self._marker = marker.getsockname()
            marker.connect(self._listener.getsockname())
            assert self._marked.wait(10)

    def close(self) -> None:
        """Stop."""
        self._closing = True
        self._thread.join()
        for connection in (*self._received, self._listener):
            connection.close()
        self._selector.close()

    def _serve(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(0.02):
                source = key.fileobj
                assert isinstance(source, socket.socket)
                if source is self._listener:
                    self._accept()
                elif source in self._received:
                    self._read(source)

    def _accept(self) -> None:
        connection, peer = self._listener.accept()
        connection.setblocking(False)
        if peer == self._marker:
            for before in tuple(self._received):
                self._read(before)
            self._marked.set()
            connection.close()
            return
        if self._marked.is_set():
            self.late.append("a connection")
        self._received[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)
        self.moments.happened("sender: it has connected")

    def _read(self, connection: socket.socket) -> None:
        with suppress(BlockingIOError):
            while piece := _received(connection):
                if self._marked.is_set():
                    self.late.append(f"{len(piece)} bytes")
                self._received[connection] += piece
                self._answer(connection)
            self._selector.unregister(connection)
            del self._received[connection]
            connection.close()

    def _answer(self, connection: socket.socket) -> None:
        request = Request(self._received[connection])
        _, end, body = request.raw.partition(b"\r\n\r\n")
        if not end or len(body) < int(request.headers["content-length"]):
            return
        self._received[connection] = b""
        self.requests += 1
        self.moments.happened("sender: its request has come")
        if self.answering:
            content = json.dumps({"accepted": len(request.lines), "rejected": []}).encode()
            with suppress(OSError):
                answer(200, content)(connection, request)
            self.moments.happened("sender: its request is answered")


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""
