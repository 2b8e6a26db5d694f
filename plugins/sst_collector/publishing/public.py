"""What anyone may read: the site's files, as they are in memory. Nothing is computed for a request, no cookie set."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from falcon.asgi import App, Request, Response

from sst_collector.publishing.site import POLICY, Site

PIECE = 16 << 10
"""Bytes of a file that are written at once. The next wait for the client: what it doesn't read takes no memory."""
MAX_AGE = 60
"""Seconds for which a browser need not ask again. After that it asks with the digest, and mostly gets a 304."""

_HEADERS = {
    "Cache-Control": f"public, max-age={MAX_AGE}",
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FOR_EVERY_WEBSITE = {"Access-Control-Allow-Origin": "*"}
"""Lets anyone's own chart read public numbers, in its visitors' browsers."""


def mount(app: App[Any, Any], site: Callable[[], Site], *, is_private: bool) -> None:
    """Route every file of the site, and `/` to its first page. `site` is what is published now.

    If it `is_private`, it is for who can reach it, and not for the websites that they open.
    """
    headers = _HEADERS if is_private else _HEADERS | _FOR_EVERY_WEBSITE
    app.add_route("/", _File("index.html", site, headers))
    for name in site():
        app.add_route(f"/{name}", _File(name, site, headers))


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    site: Callable[[], Site]
    headers: Mapping[str, str]

    async def on_get(self, req: Request, resp: Response) -> None:
        file = self.site()[self.name]
        resp.set_headers(self.headers)
        resp.content_type = file.media_type
        resp.etag = file.digest
        if req.if_none_match and file.digest in req.if_none_match:
            resp.status = 304
        else:
            resp.content_length = len(file.content)
            resp.stream = _in_pieces(file.content)

    async def on_head(self, req: Request, resp: Response) -> None:
        await self.on_get(req, resp)


async def _in_pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]
