"""One connection's bounds, beneath the app: how long it may take, how much it may send before it is understood.

uvicorn bounds neither: a client that sends a byte a minute, or headers without end, would be waited for and kept in
memory for as long as it likes.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from sst_collector.receiving.exchange import PATH, Exchange
from sst_collector.receiving.intake import Intake

EXCHANGE_SECONDS = 30.0
"""From the opening of a connection, or the last answer on it, to the end of the next answer."""
MAX_HEAD = 32 << 10
"""Bytes of a request line and its headers, and of whatever else is no piece of a body: of trailers."""
MAX_MESSAGE = 8 << 20
"""Bytes of a whole request on the wire: a body of the largest size, if it comes in chunks of a byte."""
MAX_PIPELINED = 32
"""Requests that may wait on one connection for their turn. uvicorn would gather them for as long as they come."""
UNREAD = 16 << 10
"""Bytes of answers that may wait for the client to read, before more are made. With TLS, uvloop would keep 512 KiB."""
SWEEP_SECONDS = 1.0
RESERVED_FILES = 64
"""Descriptors that connections leave to the journal, the warehouse and what else has to be opened."""

_VERSIONS = ("1.1", "1.0")
_LINE = len(b" HTTP/1.1\r\n")
_COLON = len(b": \r\n")


class Bounded(HttpToolsProtocol):
    """A connection that is one of not too many, and held to what it may send and to the time that it may take."""

    since: float
    """The loop's time at which the exchange that is under way began."""

    def __init__(self, *arguments: Any, most: int, **named: Any) -> None:
        """`most`: how many connections there may be at once."""
        super().__init__(*arguments, **named)
        self._most = most

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since = self.loop.time()
        self._head = self._message = 0
        self._in_head = True
        self._head_began_later = self._message_ended = False
        if len(self.connections) > self._most:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._message += len(data)
        self._head += len(data)
        self._message_ended = False
        super().data_received(data)  # which sets the counts back where a head ends, or a body goes on
        if self._in_head and self._message_ended:
            self._head = self._head_size()
        if self._head > MAX_HEAD or self._message > MAX_MESSAGE:
            self.transport.abort()

    def on_message_begin(self) -> None:
        # What uvicorn does here, without the scope: most requests need none.
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._in_head = True
        self._head_began_later = self._message_ended

    def on_header(self, name: bytes, value: bytes) -> None:
        # What uvicorn does here, but of the head alone: it would keep trailers, which nobody asks for.
        if not self._in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        # The count is of reads, which began before the head or ended after it: leave out what doesn't belong to it.
        if (self._head > MAX_HEAD or self._head_began_later) and self._head_size() > MAX_HEAD:
            raise ValueError("too long a head")
        self._in_head = False
        self._head = self._message = 0
        # What is raised here stops the parser, and uvicorn answers with 400.
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            raise ValueError("a version that the app does not know")
        self._cycle_begins(version)
        if len(self.pipeline) > MAX_PIPELINED:
            raise ValueError("too many requests at once")

    def on_body(self, body: bytes) -> None:
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head = 0
        self._message_ended = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()

    def _cycle_begins(self, _: str) -> None:
        """The head is whole: hand the request over to the app, with the scope that was put off."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the scope's own list
        super().on_headers_complete()

    def _head_size(self) -> int:
        return len(self.url) + _LINE + sum(len(name) + len(value) + _COLON for name, value in self.headers)


class Connection(Bounded):
    """A connection that takes in events without the app."""

    turn: Exchange | None = None
    """The one whose answer is written next, or was last."""

    def __init__(self, *arguments: Any, intake: Intake, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._intake = intake
        self._default_headers: object = None
        self._default_head = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(UNREAD)
        self._one_write = _OneWrite(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(self.cycle, Exchange):
            self.cycle.abandon()
        super().connection_lost(exc)

    def on_body(self, body: bytes) -> None:
        if isinstance(self.cycle, Exchange):
            self._head = 0  # as above, where it goes on to uvicorn
            self.cycle.feed(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if isinstance(self.cycle, Exchange):
            self._head = 0
            self._message_ended = True
            self.cycle.message_complete()
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        self._one_write.answered()  # before the next answer, which may be written at once
        super().on_response_complete()

    def exchange_complete(self, *, keep_alive: bool) -> None:
        """As :meth:`on_response_complete`, without a timer of its own: :func:`sweep` ends who sends nothing more."""
        self.since = self.loop.time()
        if not keep_alive:
            self.transport.close()
        if self.pipeline and not self.transport.is_closing():
            self.flow.resume_reading()
            self._start_asgi_task(*self.pipeline.pop())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.turn is not None:
            self.turn.write()

    def default_head(self) -> bytes:
        """The headers that every answer has: uvicorn makes them anew every second."""
        headers = self.server_state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_head = b"".join(b"%s: %s\r\n" % header for header in headers)
        return self._default_head

    def _cycle_begins(self, version: str) -> None:
        if self.url == PATH or self.url.startswith(PATH + b"?"):
            self._exchange_begins(keep_alive=version != "1.0" and self.parser.should_keep_alive())
        else:
            super()._cycle_begins(version)
            self.cycle.transport = self._one_write  # type: ignore[assignment]

    def _exchange_begins(self, *, keep_alive: bool) -> None:
        exchange = Exchange(self, self._intake, keep_alive=keep_alive)
        before, self.cycle = self.cycle, exchange
        if before is None or before.response_complete:
            exchange.begin()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))
        exchange.headers_complete(self.parser.get_method(), self.headers, self.client[0] if self.client else None)
        if self.expect_100_continue and exchange is self.turn and not exchange.response_complete:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if isinstance(cycle, Exchange):
            cycle.begin()
        else:
            super()._start_asgi_task(cycle, app)


class _OneWrite:
    """A transport that sends the head of an answer together with the first of its body, one answer after the other.

    uvicorn writes them one after the other, and uvloop makes a system call of each: counted with strace, 6,229 writes
    for 3,000 requests, and 3,232 so.
    """

    __slots__ = ("_head", "_sent_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._sent_head = False

    def write(self, data: bytes) -> None:
        if self._sent_head or data.startswith(b"HTTP/1.1 100 "):
            self._transport.write(data)
        elif not self._head:
            self._head = data
        else:
            self._send_head(data)

    def answered(self) -> None:
        """Send the head of an answer that had no body, and be ready for the next."""
        self._send_head()
        self._sent_head = False

    def close(self) -> None:
        self._send_head()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _send_head(self, body: bytes = b"") -> None:
        head, self._head = self._head, b""
        self._sent_head = True
        if head and not self._transport.is_closing():
            self._transport.write(head + body)


async def sweep(connections: Iterable[Any]) -> None:
    """Close what takes too long, until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        latest = asyncio.get_running_loop().time() - EXCHANGE_SECONDS
        for connection in list(connections):
            if connection.since < latest:
                connection.transport.abort()
