"""The HTTP side: what is sent is journaled, what is asked for was published before. It knows no database."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import falcon
import msgspec
from falcon.asgi import App, Request, Response

from sst_collector.body import Room, Sent, read_body, read_lines
from sst_collector.journal import forgetting, rejection
from sst_collector.legacy import LegacyDecoder, is_legacy
from sst_collector.log import log
from sst_collector.metrics import Metrics
from sst_collector.public import mount
from sst_collector.rates import Rates
from sst_collector.schema import Decoder, RejectedLine, decode_forget
from sst_collector.site import Site
from sst_collector.site_key import NoKeyYet, SiteKey
from sst_core import SstError

RETRY_AFTER = 60
"""Seconds that a client is asked to wait when the disk takes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the app is built on."""

    decoder: Decoder
    legacy: LegacyDecoder
    site_key: SiteKey
    rates: Rates
    append: Callable[[Sequence[bytes]], Awaitable[None]]
    """Returns once the records are durable; raises OSError if they can't be."""
    site: Callable[[], Site]
    failure: Callable[[], str | None]
    """Why nothing is taken in, or nothing has been published lately; None while all is well."""
    metrics: Metrics
    room: Room = field(default_factory=Room)


def create_app(parts: Parts) -> App[Request, Response]:
    """The ASGI app."""
    app = App()
    app.add_route("/events", _Events(parts))
    app.add_route("/forget", _Forget(parts))
    mount(app, parts.site)
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
        resp.content_type = falcon.MEDIA_JSON
        resp.data = await take_in(self.parts, _address(req), req.get_header("X-Forwarded-For"), _sent(req))


async def take_in(parts: Parts, address: str | None, forwarded: str | None, sent: Sent) -> bytes:
    """Journal what is `sent`, and say what was: the receipt, as JSON. Raises falcon's errors."""
    _admit(parts, address, forwarded)
    with parts.room.for_one() as take:
        lines = await read_lines(sent, take)
        try:
            records, rejected = _sort(parts, lines)
        except NoKeyYet:
            await _fetch_key(parts)
            records, rejected = _sort(parts, lines)
        await _append(parts, [*records, rejection(len(rejected))] if rejected else records)
    parts.metrics.accepted += len(records)
    parts.metrics.rejected += len(rejected)
    return _ENCODER.encode(_Receipt(len(records), rejected))


def _sort(parts: Parts, lines: Sequence[bytes]) -> tuple[list[bytes], list[_Line]]:
    records: list[bytes] = []
    rejected: list[_Line] = []
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        try:
            records.append(_record(parts, line))
        except RejectedLine as error:
            rejected.append(_Line(number, str(error)))
    return records, rejected


def _record(parts: Parts, line: bytes) -> bytes:
    try:
        return parts.decoder.record(line)
    except RejectedLine:
        if not is_legacy(line):
            raise
    return parts.legacy.record(line, parts.site_key.current())


@dataclass(frozen=True, slots=True)
class _Forget:
    parts: Parts

    async def on_post(self, req: Request, resp: Response) -> None:
        _admit(self.parts, _address(req), req.get_header("X-Forwarded-For"))
        try:
            with self.parts.room.for_one() as take:
                ids = decode_forget(await read_body(_sent(req), take))
        except RejectedLine as error:
            raise falcon.HTTPBadRequest(description=str(error)) from None
        await _append(self.parts, [forgetting(anonymous_id) for anonymous_id in ids])
        self.parts.metrics.forgotten += len(ids)
        resp.content_type = falcon.MEDIA_JSON
        resp.data = _ENCODER.encode({"forgotten": len(ids)})


_ENCODER = msgspec.json.Encoder()


def _address(req: Request) -> str | None:
    client = req.scope.get("client")
    return client[0] if client else None


def _sent(req: Request) -> Sent:
    return Sent(req.stream, req.content_type, req.get_header("Content-Encoding"), req.content_length)


def _admit(parts: Parts, address: str | None, forwarded: str | None) -> None:
    wait = parts.rates.refuses(address, forwarded) if address else 0
    if wait:
        parts.metrics.limited += 1
        raise falcon.HTTPTooManyRequests(description="Send fewer and larger requests.", retry_after=wait)


async def _fetch_key(parts: Parts) -> None:
    try:
        await asyncio.to_thread(parts.site_key.fetch)
    except (OSError, SstError) as error:
        log(f"the site key can't be used: {error}")
        raise falcon.HTTPServiceUnavailable(description="Try again later.", retry_after=RETRY_AFTER) from None


async def _append(parts: Parts, records: Sequence[bytes]) -> None:
    try:
        await parts.append(records)
    except OSError as error:
        parts.metrics.refused += 1
        raise falcon.HTTPServiceUnavailable(
            description=f"Nothing was stored: {error.strerror}. Try again later.", retry_after=RETRY_AFTER
        ) from None


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
    log(f"a request failed: {type(error).__name__}")
    raise falcon.HTTPInternalServerError
