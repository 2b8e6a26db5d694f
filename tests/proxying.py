"""Certificates of the tests' own authority, and a proxy on loopback that tunnels as it is asked, by CONNECT alone."""

import base64
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import trustme

HOST = "collector.example"
"""What the certificates are for. No name server knows it: whoever gets there was led by a proxy."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that no machine trusts, but for one that is given its file."""

    file: Path
    _own: trustme.CA

    @classmethod
    def at(cls, file: Path) -> "Authority":
        """A new one, its certificate written to `file`."""
        own = trustme.CA()
        own.cert_pem.write_to_path(file)
        return cls(file, own)

    @property
    def server(self) -> ssl.SSLContext:
        """For a server that shows a certificate of this authority, for `HOST` and for loopback."""
        return self.server_of(HOST, "localhost", "127.0.0.1")

    def server_of(self, *names: str) -> ssl.SSLContext:
        """For a server that shows a certificate of this authority, for these names and for no other."""
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._own.issue_cert(*names).configure_cert(server)
        return server


@dataclass
class Proxy:
    """A proxy that leads every CONNECT to one port on loopback, and every other request nowhere."""

    to: int
    password: str | None = None
    """`name:password`, if it asks for one."""
    asked: list[str] = field(default_factory=list)
    """The request line of each request."""
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _open: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Stop, and end every tunnel."""
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            line, *headers = head.decode("latin-1").split("\r\n")
            self.asked.append(line)
            answer = self._refusal(line, headers)
            if answer is not None:
                connection.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                connection.shutdown(socket.SHUT_RDWR)
                return
            there = socket.create_connection(("127.0.0.1", self.to))
            self._open.append(there)
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=_pump, args=(there, connection), daemon=True).start()
            _pump(connection, there)

    def _refusal(self, line: str, headers: list[str]) -> str | None:
        if not line.startswith("CONNECT "):
            return "405 Method Not Allowed"
        if self.password is None:
            return None
        expected = f"Proxy-Authorization: Basic {base64.b64encode(self.password.encode()).decode()}"
        return None if expected in headers else "407 Proxy Authentication Required"


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
