"""Reading a request's body within bounds: no more memory than the limits say, whatever is sent."""

import zlib
from io import BytesIO

import falcon

MAX_RECEIVED = 1 << 20
"""Bytes on the wire."""
MAX_BODY = 4 << 20
"""Bytes after decompression."""
MAX_LINES = 1000
MAX_HELD = 256 << 20
"""Bytes of all bodies that are being read or worked on at once: thousands of clients may each send the largest."""


class Room:
    """The memory that bodies share."""

    def __init__(self, most: int = MAX_HELD) -> None:
        self._left = most

    def take(self, size: int) -> None:
        """Take so many bytes. Raises falcon's 503 when there is no room for them."""
        if size > self._left:
            raise falcon.HTTPServiceUnavailable(description="Too much is being sent. Try again.", retry_after=1)
        self._left -= size

    def give(self, size: int) -> None:
        """Give so many bytes back."""
        self._left += size


class Body:
    """A request's body, as it comes. Whoever made it has to :meth:`close` it."""

    __slots__ = ("_announced", "_content", "_encoding", "_received", "_room", "_taken")

    def __init__(self, room: Room, encoding: str | None, announced: int | None) -> None:
        """Raises falcon's 413 and 415. `announced`: bytes, by the Content-Length."""
        self._encoding = encoding.strip().lower() if encoding else "identity"
        if self._encoding not in ("identity", "gzip"):
            raise falcon.HTTPUnsupportedMediaType(description="Send it plain or with Content-Encoding: gzip.")
        if announced is not None and announced > MAX_RECEIVED:
            raise _too_large(MAX_RECEIVED, "as sent")
        self._announced = announced
        self._room = room
        self._content = BytesIO()  # a list of pieces, of two bytes each, would be thirty times as much
        self._received = self._taken = 0

    def feed(self, piece: bytes) -> None:
        """Take what came. Raises falcon's 413, and 503 when there is no room."""
        self._received += len(piece)
        if self._received > MAX_RECEIVED:
            raise _too_large(MAX_RECEIVED, "as sent")
        self._take(len(piece))
        self._content.write(piece)

    def whole(self) -> bytes:
        """All of it, decompressed and not empty, at its end. Raises falcon's 400 and 413, and 503 for want of room."""
        if self._announced is not None and self._received < self._announced:
            raise falcon.HTTPBadRequest(description="The body ended before its Content-Length.")
        body = self._content.getvalue()  # which copies nothing
        # Unpacked only now: who sends little that would be much, and then waits, holds little.
        if self._encoding == "gzip":
            body = _inflated(body)
            self._take(len(body))
        if not body or body.isspace():
            raise falcon.HTTPBadRequest(description="The body is empty.")
        return body

    def close(self) -> None:
        """Give back the room that it takes."""
        self._room.give(self._taken)
        self._taken = 0
        self._content.close()

    def _take(self, size: int) -> None:
        self._room.take(size)
        self._taken += size


def lines_of(body: bytes, content_type: str | None) -> list[bytes]:
    """The submitted documents: the whole body if it says that it is one JSON document, else its lines.

    Raises falcon's 413.
    """
    if content_type and content_type.split(";")[0].strip().lower() == "application/json":
        return [body]
    lines = body.split(b"\n", MAX_LINES)  # no further: four million empty lines would be a list, too
    if not lines[-1]:
        lines.pop()  # what ends the last line begins none
    if len(lines) > MAX_LINES:
        raise falcon.HTTPContentTooLarge(description=f"Send at most {MAX_LINES} lines a request.")
    return lines


def _inflated(packed: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        body = stream.decompress(packed, MAX_BODY + 1)
    except zlib.error:
        raise _not_gzip() from None
    if len(body) > MAX_BODY:
        raise _too_large(MAX_BODY, "decompressed")
    if not stream.eof or stream.unused_data:
        raise _not_gzip()
    return body


def _too_large(limit: int, state: str) -> falcon.HTTPError:
    return falcon.HTTPContentTooLarge(description=f"Send at most {limit} bytes a request, {state}.")


def _not_gzip() -> falcon.HTTPError:
    return falcon.HTTPBadRequest(description="The body is not one gzip stream, although Content-Encoding says gzip.")
