"""Reading a request's body within bounds: no more memory than the limits say, whatever is sent."""

import zlib
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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

    @contextmanager
    def for_one(self) -> Iterator[Callable[[int], None]]:
        """Gives what asks for so many bytes more, until the end. It raises falcon's 503 when there is no room."""
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            if size > self._left:
                raise falcon.HTTPServiceUnavailable(description="Too much is being sent. Try again.", retry_after=1)
            self._left -= size
            taken += size

        try:
            yield take
        finally:
            self._left += taken


@dataclass(slots=True)
class Sent:
    """A request's body, as it comes, and what its headers say of it."""

    chunks: AsyncIterable[bytes]
    content_type: str | None = None
    encoding: str | None = None
    announced: int | None = None
    """Bytes, by its Content-Length."""


async def read_lines(sent: Sent, take: Callable[[int], None]) -> list[bytes]:
    """The submitted documents: the whole body if it says that it is one JSON document, else its lines.

    Raises falcon's 400, 413 and 415 for a body that can't be read or is too large, and what `take` raises: it is told
    how much memory the body takes.
    """
    body = await read_body(sent, take)
    if (sent.content_type or "").split(";")[0].strip().lower() == "application/json":
        return [body]
    lines = body.split(b"\n", MAX_LINES)  # no further: four million empty lines would be a list, too
    if len(lines) > MAX_LINES and lines[-1]:
        raise falcon.HTTPContentTooLarge(description=f"Send at most {MAX_LINES} lines a request.")
    return lines


async def read_body(sent: Sent, take: Callable[[int], None]) -> bytes:
    """The whole body, decompressed and not empty. Raises as :func:`read_lines` does."""
    decode, finish = _decoding((sent.encoding or "identity").strip().lower())
    announced = sent.announced
    received, body = 0, bytearray()
    if announced is not None and announced > MAX_RECEIVED:
        raise _too_large(MAX_RECEIVED, "as sent")
    async for chunk in sent.chunks:
        received += len(chunk)
        if received > MAX_RECEIVED:
            raise _too_large(MAX_RECEIVED, "as sent")
        piece = decode(chunk, MAX_BODY + 1 - len(body))
        take(len(piece))
        body += piece
        if len(body) > MAX_BODY:
            raise _too_large(MAX_BODY, "decompressed")
    if announced is not None and received < announced:
        raise falcon.HTTPBadRequest(description="The body ended before its Content-Length.")
    finish()
    if body.isspace() or not body:
        raise falcon.HTTPBadRequest(description="The body is empty.")
    return bytes(body)


def _decoding(encoding: str) -> tuple[Callable[[bytes, int], bytes], Callable[[], None]]:
    """What turns a chunk into at most so many bytes of the body, and what has to hold at the end."""
    if encoding == "identity":
        return (lambda chunk, _most: chunk), (lambda: None)
    if encoding != "gzip":
        raise falcon.HTTPUnsupportedMediaType(description="Send it plain or with Content-Encoding: gzip.")
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def inflate(chunk: bytes, most: int) -> bytes:
        try:
            return stream.decompress(chunk, most)
        except zlib.error:
            raise _not_gzip() from None

    def finish() -> None:
        if not stream.eof or stream.unused_data:
            raise _not_gzip()

    return inflate, finish


def _too_large(limit: int, state: str) -> falcon.HTTPError:
    return falcon.HTTPContentTooLarge(description=f"Send at most {limit} bytes a request, {state}.")


def _not_gzip() -> falcon.HTTPError:
    return falcon.HTTPBadRequest(description="The body is not one gzip stream, although Content-Encoding says gzip.")
