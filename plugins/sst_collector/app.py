"""The HTTP side, but for `/events`: what is asked for was published before. It knows no database."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import falcon
import msgspec
from falcon.asgi import App, Request, Response

from sst_collector.journal.writing import forgetting
from sst_collector.metrics import Metrics
from sst_collector.publishing.public import mount
from sst_collector.publishing.site import Site
from sst_collector.receiving.body import Body, Room
from sst_collector.receiving.intake import admit, charge, crashed, unstored
from sst_collector.receiving.rates import Rates
from sst_collector.receiving.schema import RejectedLine, decode_forget


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the app is built on."""

    rates: Rates
    append: Callable[[Sequence[bytes]], Awaitable[None]]
    """Returns once the records are durable; raises OSError if they can't be."""
    site: Callable[[], Site]
    is_private: bool
    """Whether it tells of single machines."""
    failure: Callable[[], str | None]
    """Why nothing is taken in, or nothing has been published lately; None while all is well."""
    metrics: Metrics
    room: Room


def create_app(parts: Parts) -> App[Request, Response]:
    """The ASGI app."""
    app = App()
    app.add_route("/forget", _Forget(parts))
    mount(app, parts.site, is_private=parts.is_private)
    app.add_route("/healthz", _Health(parts))
    app.set_error_serializer(_as_json)
    app.add_error_handler(Exception, _crashed)
    return app


@dataclass(frozen=True, slots=True)
class _Forget:
    parts: Parts

    async def on_post(self, req: Request, resp: Response) -> None:
        client, forwarded = req.scope.get("client"), req.get_header("X-Forwarded-For")
        admit(self.parts.rates, self.parts.metrics, client and client[0], forwarded)
        ids = await self._ids(req)
        # Each is remembered, as long as runs are kept.
        charge(self.parts.rates, self.parts.metrics, client and client[0], forwarded, len(ids) - 1)
        try:
            await self.parts.append([forgetting(anonymous_id) for anonymous_id in ids])
        except OSError as error:
            raise unstored(error, self.parts.metrics) from None
        self.parts.metrics.forgotten += len(ids)
        resp.content_type = falcon.MEDIA_JSON
        resp.data = msgspec.json.encode({"forgotten": len(ids)})

    async def _ids(self, req: Request) -> Sequence[str]:
        with closing(Body(self.parts.room, req.get_header("Content-Encoding"), req.content_length)) as body:
            async for piece in req.stream:
                body.feed(piece)
            try:
                return decode_forget(body.whole())
            except RejectedLine as error:
                raise falcon.HTTPBadRequest(description=str(error)) from None


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
    raise crashed(error)
