"""Between senders and a collector: hands on each request and each answer, and counts both."""

import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from killing.moments import Moments
from loopback import Request

_SECONDS = 10.0
"""A sender has given up by then."""


@dataclass
class Relay:
    """Answers a :class:`loopback.Loopback`'s requests with what the collector at `port` answers, or not at all."""

    port: int
    moments: Moments
    sent: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """By session id: the command of the run, and whether it ran in CI."""
    lines: int = 0
    """In all requests that came whole."""
    acknowledged: int = 0
    """Lines that the collector said it had accepted."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, connection: socket.socket, request: Request) -> bool:
        """Hand the request on, and its answer back."""
        self._note(request)
        self.moments.happened("sender: its request has come")
        response = self._asked(request)
        if response is None:
            return False  # the connection is closed, as the collector's end was
        self.moments.happened("collector: it has answered")
        with suppress(OSError):
            connection.sendall(response)
        self.moments.happened("sender: its request is answered")
        return True

    def _note(self, request: Request) -> None:
        with self._lock:
            for envelope in request.envelopes:
                run = (envelope["events"][0]["properties"]["command"], envelope["environment"]["isCI"])
                assert self.sent.setdefault(envelope["context"]["sessionId"], run) == run
                self.lines += 1

    def _asked(self, request: Request) -> bytes | None:
        response = b""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), _SECONDS) as collector:
            collector.sendall(request.raw)
            self.moments.happened("collector: a request is handed to it")
            while (missing := _missing(response)) != 0:
                piece = collector.recv(65536)
                if not piece:
                    return None
                response += piece
            if missing == 0:
                self._note_answer(response)
                return response
        return None

    def _note_answer(self, response: bytes) -> None:
        head, _, body = response.partition(b"\r\n\r\n")
        if head.split()[1] == b"200":
            with self._lock:
                self.acknowledged += json.loads(body)["accepted"]


def _missing(response: bytes) -> int | None:
    """Bytes of the body that have not come yet; None while the head is not whole."""
    head, end, body = response.partition(b"\r\n\r\n")
    return int(Request(head).headers["content-length"]) - len(body) if end else None
