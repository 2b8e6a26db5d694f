"""One connection's bounds, beneath the app: how long it may take, how much it may send before it is understood.

uvicorn bounds neither: a client that sends a byte a minute, or headers without end, would be waited for and kept in
memory for as long as it likes.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXCHANGE_SECONDS = 30.0
"""From the opening of a connection, or the last answer on it, to the end of the next answer."""
MAX_HEAD = 32 << 10
"""Bytes of a request line and its headers."""
MAX_MESSAGE = 8 << 20
"""Bytes of a whole request on the wire: a body of the largest size, if it comes in chunks of a byte."""
MAX_PIPELINED = 32
"""Requests that may wait on one connection for their turn. uvicorn would gather them for as long as they come."""
SWEEP_SECONDS = 1.0
RESERVED_FILES = 64
"""Descriptors that connections leave to the journal, the warehouse and what else has to be opened."""

_VERSIONS = ("1.1", "1.0")


class Connection(HttpToolsProtocol):
    """A connection that knows since when it has owed a request."""

    most = 1000
    """How many there may be at once: the server sets it to what the system allows."""
    since: float
    """The loop's time at which the exchange that is under way began."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since = self.loop.time()
        self._head = self._message = 0
        self._understood = False
        self._in_head = True
        if len(self.connections) > self.most:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._understood:  # the counts began anew somewhere in this piece
            self._understood = False
            self._head = self._message = 0
            return
        self._message += len(data)
        self._head += len(data) if self._in_head else 0
        if self._head > MAX_HEAD or self._message > MAX_MESSAGE:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._understood = True
        # What is raised here stops the parser, and uvicorn answers with 400.
        if self.parser.get_http_version() not in _VERSIONS:
            raise ValueError("a version that the app does not know")
        super().on_headers_complete()
        self.cycle.transport = _OneWrite(self.transport)  # type: ignore[assignment]
        if len(self.pipeline) > MAX_PIPELINED:
            raise ValueError("too many requests at once")

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()


class _OneWrite:
    """A transport that sends the head of an answer together with its body.

    uvicorn writes them one after the other, and uvloop makes a system call of each: counted with strace, 6,229 writes
    for 3,000 requests, and 3,232 so.
    """

    __slots__ = ("_head", "_transport", "_wrote_body")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._wrote_body = False

    def write(self, data: bytes) -> None:
        if self._wrote_body or data.startswith(b"HTTP/1.1 100 "):
            self._transport.write(data)
        elif not self._head:
            self._head = data
            # For an answer without a body: then nothing more is written.
            asyncio.get_running_loop().call_soon(self._flush)
        else:
            self._wrote_body = True
            self._transport.write(self._head + data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head and not self._wrote_body:
            self._wrote_body = True
            self._transport.write(self._head)


async def sweep(connections: Iterable[Any]) -> None:
    """Close what takes too long, until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        latest = asyncio.get_running_loop().time() - EXCHANGE_SECONDS
        for connection in list(connections):
            if connection.since < latest:
                connection.transport.abort()
