"""An HTTP API on loopback: a request becomes the event that AWS would make of it, and the function's answer a response.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html, version 2.0.
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sst_aws.live.functions import Route
from sst_aws.live.http import Handler, Server, length_of
from sst_aws.live.runtime import ACCOUNT, Answer, Say
from sst_core import printable

MAX_BODY = 10 << 20
"""Bytes: no HTTP API takes more."""
OUR_NAMES = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")
"""Whom a request may be addressed to: a page that has its own name point here is not answered."""

_PARAMETER = re.compile(r"\{([^{}/]+)\}")
_OURS = ("content-length", "connection", "transfer-encoding")
"""Headers that are between us and the client."""


@dataclass(frozen=True, slots=True)
class Response:
    """What the client gets."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]] = field(default_factory=list)


class Gateway(Server):
    """Serves `routes` by `invoke`, which is handed a function's name and an event. Raises OSError for a port in use."""

    def __init__(self, port: int, routes: Sequence[Route], invoke: Callable[[str, bytes], Answer], say: Say) -> None:
        self.routes, self.invoke, self.say = routes, invoke, say
        super().__init__(port, _Request)


class _Request(Handler):
    timeout = 60
    server: Gateway

    def _serve(self) -> None:
        begun = time.monotonic()
        response, by = self._response()
        took = (time.monotonic() - begun) * 1000
        path = printable(self.path.partition("?")[0])
        self.server.say(f"{self.command} {path} -> {by} {response.status} in {took:.0f} ms")
        self.answer(response.status, response.body, response.headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _response(self) -> tuple[Response, str]:
        length = length_of(self.headers, otherwise="0")
        refused = self._refused(length)
        if refused is not None or length is None:
            self.close_connection = True
            return refused or _message(400, "Bad Request"), "nobody"
        body = self.rfile.read(length)
        try:
            found = match(self.server.routes, self.command, urlsplit(self.path).path)
        except ValueError:  # of `http://[`
            return _message(400, "Bad Request"), "nobody"
        if found is None:
            return _message(404, "Not Found"), "nobody"
        route, parameters = found
        event = event_of(route, parameters, method=self.command, target=self.path, headers=self.headers, body=body)
        answer = self.server.invoke(route.function, json.dumps(event).encode())
        if answer.failed:
            self.server.say(f"{route.function} failed: {_why(answer)}")
        return response_of(answer), route.function

    def _refused(self, length: int | None) -> Response | None:
        """What is answered before the body is read; None for a request that may have it."""
        if not OUR_NAMES.fullmatch(self.headers.get("Host", "localhost")) or self._is_of_a_strangers_page():
            return _message(403, "Forbidden")
        if "Transfer-Encoding" in self.headers:
            return _message(411, "Length Required")
        return _message(413, "Request Too Long") if (length or 0) > MAX_BODY else None

    def _is_of_a_strangers_page(self) -> bool:
        """A browser says so. To follow a link is the person's own doing, and some way of logging in ends with one."""
        if self.headers.get("Sec-Fetch-Site") != "cross-site":
            return False
        return self.command not in ("GET", "HEAD") or self.headers.get("Sec-Fetch-Mode") != "navigate"


def match(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route for a request, with its path parameters. `routes` are in the order of their precedence."""
    for route in routes:
        if route.method not in ("ANY", method):
            continue
        if route.path == "$default":
            return route, {}
        parts = _PARAMETER.split(route.path)  # a name, which may have a hyphen, is every second of them
        patterns = [_taken_by(part) if number % 2 else re.escape(part) for number, part in enumerate(parts)]
        found = re.fullmatch("".join(patterns), path)
        if found:
            names = [part.removesuffix("+") for part in parts[1::2]]
            return route, {name: unquote(value) for name, value in zip(names, found.groups(), strict=True)}
    return None


def _taken_by(parameter: str) -> str:
    """What a parameter of a route's path takes."""
    return "(.+)" if parameter.endswith("+") else "([^/]+)"


def event_of(
    route: Route, parameters: Mapping[str, str], *, method: str, target: str, headers: Message, body: bytes
) -> dict[str, Any]:
    """The event for a request of `method` for `target`, in payload format 2.0."""
    split = urlsplit(target)
    query = _joined(parse_qsl(split.query, keep_blank_values=True))
    given = _joined((name.lower(), value) for name, value in headers.items() if name.lower() != "cookie")
    now = datetime.now(UTC)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": unquote(split.path),
        "rawQueryString": split.query,
        "headers": given,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "http": {
                "method": method,
                "path": unquote(split.path),
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": given.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": route.key,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        **_body_of(body),
    }
    cookies = [cookie.strip() for line in headers.get_all("Cookie", []) for cookie in line.split(";")]
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = query
    if parameters:
        event["pathParameters"] = dict(parameters)
    return event


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What is there several times, with commas."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _body_of(body: bytes) -> dict[str, str | bool]:
    try:
        return {"body": body.decode(), "isBase64Encoded": False} if body else {"isBase64Encoded": False}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def response_of(answer: Answer) -> Response:
    """What AWS would make of a function's answer: with no `statusCode`, the answer itself is the body."""
    if answer.failed:
        return _message(500, "Internal Server Error")
    try:
        found = json.loads(answer.payload)
        if not isinstance(found, dict) or "statusCode" not in found:
            text = found if isinstance(found, str) else json.dumps(found)
            return Response(200, text.encode(), [("content-type", "application/json")])
        body = found.get("body") or ""
        text = body if isinstance(body, str) else json.dumps(body)
        content = base64.b64decode(text) if found.get("isBase64Encoded") else text.encode()
        headers = [(_one_line(name), _one_line(value)) for name, value in (found.get("headers") or {}).items()]
        headers = [(name, value) for name, value in headers if name.lower() not in _OURS]
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("content-type", "text/plain;charset=UTF-8"))
        headers += [("set-cookie", _one_line(cookie)) for cookie in found.get("cookies") or []]
        "".join(name + value for name, value in headers).encode("latin-1")  # as they are sent; ValueError for others
        status = int(found["statusCode"])
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return _message(500, "Internal Server Error")
    return Response(status, content, headers) if 200 <= status < 600 else _message(500, "Internal Server Error")


def _one_line(value: object) -> str:
    return str(value).replace("\r", " ").replace("\n", " ")


def _message(status: int, message: str) -> Response:
    return Response(status, json.dumps({"message": message}).encode(), [("content-type", "application/json")])


def _why(answer: Answer) -> str:
    try:
        found = json.loads(answer.payload)
        trace = "".join(found.get("stackTrace") or [])
        return f"{found.get('errorType')}: {found.get('errorMessage')}" + (f"\n{trace.rstrip()}" if trace else "")
    except (ValueError, AttributeError, TypeError, RecursionError):
        return answer.payload.decode(errors="replace")
