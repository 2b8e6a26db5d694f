"""One request to `/events` on a connection, and its answer.

Nearly every request is one. A task, a future and a framework for each took three times as long as all the rest, so
they go from the parser to the journal and back by plain calls.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

import falcon
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from sst_collector.receiving.body import Body
from sst_collector.receiving.intake import Intake, crashed

if TYPE_CHECKING:
    from sst_collector.receiving.connections import Connection

PATH = b"/events"

_STATUS = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}


class _Nobody:
    """Waits for no message."""

    def set(self) -> None:
        """Nothing."""


class Exchange(RequestResponseCycle):
    """Stands where uvicorn keeps what goes on on a connection, and has the attributes that it asks for."""

    message_event: ClassVar[_Nobody] = _Nobody()  # type: ignore[assignment,misc]

    def __init__(self, connection: "Connection", intake: Intake, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False
        self._connection = connection
        self._intake = intake
        self._answer: bytes | None = None
        self._body: Body | None = None
        self._is_whole = False
        self._content_type: str | None = None
        self._address: str | None = None
        self._forwarded: str | None = None

    def headers_complete(self, method: bytes, headers: list[tuple[bytes, bytes]], address: str | None) -> None:
        """Refuse it, or wait for its body."""
        announced = encoding = forwarded = None
        for name, value in headers:  # the parser has made sure that a length is a number
            if name == b"content-length":
                announced = int(value)
            elif name == b"content-type":
                self._content_type = value.decode("latin-1")
            elif name == b"content-encoding":
                encoding = value.decode("latin-1")
            elif name == b"x-forwarded-for":
                forwarded = value.decode("latin-1")
        self._address, self._forwarded = address, forwarded
        try:
            if method != b"POST":
                raise falcon.HTTPMethodNotAllowed(["POST"])
            self._intake.admit(address, forwarded)
            self._body = Body(self._intake.room, encoding, announced)
        except falcon.HTTPError as error:
            self._refuse(error, with_body=method != b"HEAD")

    def feed(self, piece: bytes) -> None:
        """Take a piece of the body. After an answer, the rest is read and dropped."""
        if self._body is not None:
            self._guarded(lambda body: body.feed(piece), self._body)

    def message_complete(self) -> None:
        """Take in what came."""
        self._is_whole = True
        if self._body is not None:
            self._guarded(
                lambda body: self._intake.take_in(
                    body.whole(), self._content_type, self._answered, self._address, self._forwarded
                ),
                self._body,
            )

    def begin(self) -> None:
        """Its turn has come: what was sent before on this connection is answered."""
        self._connection.turn = self
        self.write()

    def abandon(self) -> None:
        """The client is gone."""
        self.disconnected = True
        # What is whole is in memory until the journal has it, whoever waits for that: the answer gives its room back.
        if not self._is_whole:
            self._close_body()

    def write(self) -> None:
        """Write the answer, if there is one, and it is its turn, and the client reads."""
        if self._answer is None or self._connection.turn is not self or self.response_complete:
            return
        if not self.disconnected:
            if self._connection.flow.write_paused:
                return  # until it goes on
            self._connection.transport.write(self._answer)
        self.response_complete = True
        self._connection.exchange_complete(keep_alive=self.keep_alive)

    def _guarded(self, act: Callable[[Body], None], body: Body) -> None:
        try:
            act(body)
        except falcon.HTTPError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001 - a stranger's request never ends the connection of others
            self._refuse(crashed(error))

    def _answered(self, receipt: bytes | falcon.HTTPError) -> None:
        if isinstance(receipt, bytes):
            self._respond(200, receipt, b"")
        else:
            self._refuse(receipt)

    def _refuse(self, error: falcon.HTTPError, *, with_body: bool = True) -> None:
        more = b"".join(
            b"%s: %s\r\n" % (name.lower().encode(), value.encode()) for name, value in dict(error.headers or {}).items()
        )
        self._respond(error.status_code, error.to_json(), more, with_body=with_body)

    def _respond(self, status: int, body: bytes, more: bytes, *, with_body: bool = True) -> None:
        self._close_body()
        self._answer = b"%s%s%scontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n%s" % (
            _STATUS[status],
            self._connection.default_head(),
            more,
            len(body),
            b"" if self.keep_alive else b"connection: close\r\n",
            body if with_body else b"",
        )
        self.write()

    def _close_body(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()
