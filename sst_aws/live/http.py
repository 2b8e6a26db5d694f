"""HTTP on loopback, for the gateway and for the Runtime API: what http.server has to be told for both."""

import re
import sys
from collections.abc import Iterable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Serves with `handler` on `port` of 127.0.0.1, 0 for any. Raises OSError for one in use."""

    daemon_threads = True

    def __init__(self, port: int, handler: type["Handler"]) -> None:
        super().__init__(("127.0.0.1", port), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing, of a client that has hung up before it has its answer."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second would wait for the first one's acknowledgement, 40 ms.
    disable_nagle_algorithm = True

    def answer(self, status: int, body: bytes, headers: Iterable[tuple[str, str]]) -> None:
        """Send the whole answer; for HEAD without its body."""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.close_connection:  # or the next request is sent on it
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *_: Any) -> None:
        """Nothing: the gateway says a line of its own, and the Runtime API is between us and the process."""


def length_of(headers: Message, otherwise: str = "") -> int | None:
    """A request's Content-Length, in bytes, with what holds where it says none; None for what is no number."""
    length = headers.get("Content-Length", otherwise)
    # No body has so many digits, and Python reads no more than 4,300 of them.
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else None
