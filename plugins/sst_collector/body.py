"""Reading a request's body within bounds: no more memory than the limits say, whatever is sent."""

import zlib
from collections.abc import Callable

import falcon
from falcon.asgi import Request

MAX_RECEIVED = 1 << 20
"""Bytes on the wire."""
MAX_BODY = 4 << 20
"""Bytes after decompression."""
MAX_LINES = 1000


async def read_lines(req: Request) -> list[bytes]:
    """The submitted documents: the whole body if it says that it is one JSON document, else its lines.

    Raises falcon's 400, 413 and 415 for a body that can't be read or is too large.
    """
    body = await read_body(req)
    if (req.content_type or "").split(";")[0].strip().lower() == "application/json":
        return [body]
    lines = body.split(b"\n", MAX_LINES)  # no further: four million empty lines would be a list, too
    if len(lines) > MAX_LINES and lines[-1]:
        raise falcon.HTTPContentTooLarge(description=f"Send at most {MAX_LINES} lines a request.")
    return lines


async def read_body(req: Request) -> bytes:
    """The whole body, decompressed and not empty. Raises as :func:`read_lines` does."""
    decode, finish = _decoding(req.get_header("Content-Encoding", default="identity").strip().lower())
    announced = req.content_length
    received, body = 0, bytearray()
    if announced is not None and announced > MAX_RECEIVED:
        raise _too_large(MAX_RECEIVED, "as sent")
    async for chunk in req.stream:
        received += len(chunk)
        if received > MAX_RECEIVED:
            raise _too_large(MAX_RECEIVED, "as sent")
        body += decode(chunk, MAX_BODY + 1 - len(body))
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
