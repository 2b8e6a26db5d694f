"""The collector of a benchmark, on loopback: up, refusing, hanging or worse. It keeps bodies, to count what arrived.

It is a process of its own, so that answering takes no time from the one that measures.
"""

import gzip
import multiprocessing
import re
import signal
import socket
import ssl
import time
import uuid
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.process import BaseProcess
from pathlib import Path


class Condition(Enum):
    """What the collector does."""

    UP = "up"
    REFUSED = "refused"
    HANGING = "hanging"
    """It takes the connection and the request, and never answers."""
    FAILING = "500"
    DRIPPING = "1 byte per second"
    RUBBISH = "not HTTP"


USUAL = (Condition.UP, Condition.REFUSED, Condition.HANGING)
"""What everybody is measured with. With the others, `sst` alone is."""


@dataclass
class Collector:
    """An address that refuses until `start` is called, and what arrived there."""

    folder: Path
    """Where it keeps what arrives: a file a request."""
    certificate: Path | None = None
    """Certificate and key of the hosts that it is a proxy for, where that is wanted."""
    _socket: socket.socket = field(default_factory=socket.socket)
    _process: BaseProcess | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self._socket.bind(("127.0.0.1", 0))  # bound, and never listening: that refuses

    @property
    def url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def pid(self) -> int | None:
        """The process that answers, if one does."""
        return self._process.pid if self._process else None

    def start(self, condition: Condition) -> None:
        """From now on the address answers, or hangs."""
        if condition is Condition.REFUSED:
            return
        self._socket.listen(128)
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(
            target=_serve, args=(self._socket, self.folder, self.certificate, condition), daemon=True
        )
        self._process.start()

    def close(self) -> None:
        """End it."""
        if self._process:
            self._process.kill()
            self._process.join()
        self._socket.close()

    def arrived(self, event: re.Pattern[bytes]) -> set[bytes]:
        """What `event` finds in all the bodies that arrived: its group, each once."""
        return {found for file in self.folder.iterdir() for found in event.findall(file.read_bytes())}


def _serve(listening: socket.socket, folder: Path, certificate: Path | None, condition: Condition) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that measures
    handler = partial(_Handler, folder=folder, certificate=certificate, condition=condition)
    server = _Server(("127.0.0.1", 0), handler, bind_and_activate=False)
    server.socket = listening
    server.serve_forever()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that was ended in the middle is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    """Answers every request with 200, in words that `sst` and its peers take for a collector's."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, folder: Path, certificate: Path | None, condition: Condition) -> None:
        self._folder = folder
        self._certificate = certificate
        self._condition = condition
        super().__init__(*arguments)  # type: ignore[arg-type]  # the server's own three

    def do_CONNECT(self) -> None:
        """Be the proxy, and the host behind it too."""
        assert self._certificate is not None
        self.send_response(200)
        self.end_headers()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_POST(self) -> None:
        """Keep the body, and account for each of its lines."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        (self._folder / uuid.uuid4().hex).write_bytes(self.path.encode() + b"\n" + body)
        if self._condition is Condition.HANGING:
            time.sleep(3600)
        if self._condition is Condition.RUBBISH:
            self.wfile.write(b"220 mail.example ESMTP\r\n")
            self.close_connection = True
            return
        answer = b'{"accepted": %d, "rejected": []}' % len(body.splitlines())
        self.send_response(500 if self._condition is Condition.FAILING else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        for number in answer if self._condition is Condition.DRIPPING else ():
            self.wfile.write(bytes([number]))
            time.sleep(1)
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a benchmark's requests are of no interest one by one."""
