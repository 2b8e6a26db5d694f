"""A tap on the wire: every byte that goes to a collector is kept, whether it is a request or not."""

import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class Tap:
    """Stands before a collector on loopback and hands on what it takes; with a certificate it ends TLS."""

    target: str
    """The collector's own address."""
    certificate: Path | None = None
    """With its key."""
    looking: Callable[[], None] = lambda: None
    """Called whenever something has arrived, before it is handed on: a sender is in the middle of its work."""
    received: list[bytearray] = field(default_factory=list)
    """What was sent on each connection, decrypted."""
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=128))
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _closed: bool = False

    def __post_init__(self) -> None:
        self._start(self._accept)

    @property
    def url(self) -> str:
        """Where events go."""
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/events"

    def close(self) -> None:
        """Stop."""
        self._closed = True
        for connection in (self._listener, *self._sockets):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for connection in (self._listener, *self._sockets):
            connection.close()

    def _start(self, target: object, *arguments: object) -> None:
        assert callable(target)
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        target = urlsplit(self.target)
        received = bytearray()
        self.received.append(received)
        with suppress(OSError):
            collector = socket.create_connection((target.hostname or "", target.port or 0))
            self._sockets.append(collector)
            if self.certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.certificate)
                connection = context.wrap_socket(connection, server_side=True)
                self._sockets.append(connection)
            self._relay(connection, collector, received)
            for either in (connection, collector):
                either.shutdown(socket.SHUT_RDWR)

    def _relay(self, client: socket.socket, collector: socket.socket, received: bytearray) -> None:
        """In one thread: a TLS connection must not be read and written by two at once."""
        while True:
            pending = isinstance(client, ssl.SSLSocket) and client.pending()
            ready = [client] if pending else select.select([client, collector], [], [])[0]
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                if source is client:
                    received += data
                    self.looking()
                (collector if source is client else client).sendall(data)
