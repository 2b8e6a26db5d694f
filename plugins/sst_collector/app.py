"""The HTTP side: what is sent is journaled, what is asked for was published before. It knows no database."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import falcon
import msgspec
from falcon.asgi import App, Request, Response

from sst_collector.body import read_body, read_lines
from sst_collector.journal import forgetting, rejection
from sst_collector.schema import Decoder, RejectedLine, decode_forget

RETRY_AFTER = 60
"""Seconds that a client is asked to wait when the disk takes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the app is built on."""

    decoder: Decoder
    append: Callable[[Sequence[bytes]], Awaitable[None]]
    """Returns once the records are durable; raises OSError if they can't be."""
    snapshot: Callable[[], bytes]
    failure: Callable[[], str | None]
    """Why nothing has been published lately; None while all is well."""


def create_app(parts: Parts) -> App[Request, Response]:
    """The ASGI app."""
    app = App()
    app.add_route("/events", _Events(parts))
    app.add_route("/forget", _Forget(parts))
    app.add_route("/stats.json", _Stats(parts))
    app.add_route("/healthz", _Health(parts))
    app.set_error_serializer(_as_json)
    app.add_error_handler(Exception, _crashed)
    return app


class _Line(msgspec.Struct, frozen=True):
    line: int
    reason: str


class _Receipt(msgspec.Struct, frozen=True):
    accepted: int
    rejected: list[_Line]


@dataclass(frozen=True, slots=True)
class _Events:
    parts: Parts

    async def on_post(self, req: Request, resp: Response) -> None:
        records, rejected = self._sort(await read_lines(req))
        await _append(self.parts, [*records, rejection(len(rejected))] if rejected else records)
        resp.content_type = falcon.MEDIA_JSON
        resp.data = msgspec.json.encode(_Receipt(len(records), rejected))

    def _sort(self, lines: Sequence[bytes]) -> tuple[list[bytes], list[_Line]]:
        records: list[bytes] = []
        rejected: list[_Line] = []
        for number, line in enumerate(lines, start=1):
            if not line or line.isspace():
                continue
            try:
                records.append(msgspec.json.encode(self.parts.decoder.decode(line)))
            except RejectedLine as error:
                rejected.append(_Line(number, str(error)))
        return records, rejected


@dataclass(frozen=True, slots=True)
class _Forget:
    parts: Parts

    async def on_post(self, req: Request, resp: Response) -> None:
        try:
            ids = decode_forget(await read_body(req))
        except RejectedLine as error:
            raise falcon.HTTPBadRequest(description=str(error)) from None
        await _append(self.parts, [forgetting(anonymous_id) for anonymous_id in ids])
        resp.content_type = falcon.MEDIA_JSON
        resp.data = msgspec.json.encode({"forgotten": len(ids)})


async def _append(parts: Parts, records: Sequence[bytes]) -> None:
    try:
        await parts.append(records)
    except OSError as error:
        raise falcon.HTTPServiceUnavailable(
            description=f"Nothing was stored: {error.strerror}. Try again later.", retry_after=RETRY_AFTER
        ) from None


@dataclass(frozen=True, slots=True)
class _Stats:
    parts: Parts

    async def on_get(self, req: Request, resp: Response) -> None:  # noqa: ARG002 - falcon's signature
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self.parts.snapshot()


@dataclass(frozen=True, slots=True)
class _Health:
    parts: Parts

    async def on_get(self, req: Request, resp: Response) -> None:  # noqa: ARG002 - falcon's signature
        failure = self.parts.failure()
        if failure is not None:
            raise falcon.HTTPServiceUnavailable(description=failure)
        resp.media = {"status": "ok"}


def _as_json(req: Request, resp: Response, error: falcon.HTTPError) -> None:  # noqa: ARG001 - falcon's signature
    resp.content_type = falcon.MEDIA_JSON
    resp.data = error.to_json()


async def _crashed(req: Request, resp: Response, error: Exception, params: object) -> None:  # noqa: ARG001
    # The type and no more: a traceback or a message could hold what was sent.
    print(f"collector: a request failed: {type(error).__name__}", file=sys.stderr, flush=True)
    raise falcon.HTTPInternalServerError
