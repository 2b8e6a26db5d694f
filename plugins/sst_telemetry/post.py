"""One request to the collector, and what its answer means."""

import errno
import gzip
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from sst_core import ConfigurationError

MAX_ANSWER = 64 * 1024
"""Bytes of an answer, its head included, that are read off the connection at most."""
REQUEST_SECONDS = 6.0
"""Seconds that one request takes at most, however slowly its answer comes in: a sender's lifetime, less what a busy
machine takes to start one."""
_TIMEOUT = httpx.Timeout(5.0, connect=3.0)


@dataclass(frozen=True, slots=True)
class Accounted:
    """The collector has accounted for every line: it keeps them, or will never take them."""

    accepted: int
    rejected: int
    outcome: str = "200"


@dataclass(frozen=True, slots=True)
class Refused:
    """The collector can't read the request: some line of it is bad, or it is too large."""

    outcome: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Anything else. The lines are kept."""

    outcome: str
    retry_after: float | None = None
    """Seconds, if the collector said how long."""
    unsent: bool = False
    """Whether there was no connection that a line could have gone over."""


Answer = Accounted | Refused | Failed

_WORDS: Mapping[type[BaseException], str] = {
    httpx.TimeoutException: "timed out",
    ConnectionRefusedError: "connection refused",
    socket.gaierror: "name not found",
    ssl.SSLCertVerificationError: "certificate not trusted",
    ssl.SSLError: "TLS failed",
    ConnectionResetError: "connection reset",
    httpx.RemoteProtocolError: "no whole HTTP answer",
}
_UNCONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_UNREACHABLE = (errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH)


_SETTINGS = {
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
}
"""What a proxy and certificates come from, in capitals or not."""


class AddressError(ConfigurationError):
    """The collector's address is none that a request can be made to."""


class _TooLong(Exception):
    """There is more of an answer than is read."""


class Connection:
    """To the collector, for one request after another. Use as a context manager."""

    def __init__(self, url: str, user_agent: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        self._socket: socket.socket | None = None
        self._is_late = False
        self._left = MAX_ANSWER
        headers = {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "identity"}
        # Proxies and certificates come from the usual variables. Plain HTTP is for loopback alone, and through a proxy
        # it would leave the machine.
        is_secure = _address(url).scheme == "https"
        try:
            self._client = httpx.Client(
                headers=headers,
                timeout=_TIMEOUT,
                transport=transport,
                verify=not is_secure or _trusted(os.environ),
                # A redirect is never followed, and a cookie never kept: it would name this machine from then on.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                trust_env=is_secure,
            )
        except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
            if isinstance(error, ModuleNotFoundError):
                raise  # httpx says itself, and without a name, that it lacks what SOCKS needs
            raise ConfigurationError(_unusable(error, os.environ)) from None

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._client.close()

    def post(self, lines: Sequence[bytes]) -> Answer:
        """Send the lines in one request. Never raises for what a network or a collector can do."""
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        # No time in the gzip header: a time is not in the catalogue.
        content = gzip.compress(body(lines), mtime=0)
        try:
            with self._bounded(httpx.URL(self._url), content=content, headers=headers) as response:
                return _meaning(response, len(lines))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, _TooLong, OSError, ValueError) as error:
            return Failed(self._name(error), unsent=isinstance(error, _UNCONNECTED))

    def forget(self, ids: Sequence[str]) -> str | None:
        """Ask for the rows of these ids to be deleted. None once that is confirmed, else what came instead."""
        headers, content = {"Content-Type": "application/json"}, json.dumps({"anonymousIds": list(ids)}).encode()
        try:
            with self._bounded(httpx.URL(self._url).join("forget"), content=content, headers=headers) as response:
                confirmed = response.status_code == 200 and isinstance(_json(response).get("forgotten"), int)
                return None if confirmed else str(response.status_code)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, _TooLong, OSError, ValueError) as error:
            return self._name(error)

    @contextmanager
    def _bounded(self, url: httpx.URL, *, content: bytes, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """POST, and end the connection when the time is over: httpx bounds each read, but not all of them together."""
        self._is_late, self._left = False, MAX_ANSWER
        timer = threading.Timer(REQUEST_SECONDS, self._end_connection)
        timer.daemon = True
        timer.start()
        try:
            with self._client.stream(
                "POST", url, content=content, headers=headers, extensions={"trace": self._note_connection}
            ) as response:
                yield response
        finally:
            timer.cancel()

    def _note_connection(self, _event: str, told: Mapping[str, object]) -> None:
        """httpx tells of each connection that it makes, first of the plain one and then of TLS on it."""
        stream: Any = told.get("return_value")
        if hasattr(stream, "get_extra_info"):
            self._socket = stream.get_extra_info("socket")
            stream.read = partial(self._read, stream.read)  # it would be asked for 64 KiB, whatever is left

    def _read(self, read: Callable[[int, float | None], bytes], max_bytes: int, timeout: float | None = None) -> bytes:
        if self._left == 0:
            raise _TooLong
        piece = read(min(max_bytes, self._left), timeout)
        self._left -= len(piece)
        return piece

    def _end_connection(self) -> None:
        self._is_late = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _name(self, error: Exception) -> str:
        if self._is_late:
            return "it took too long"
        return "an answer that is too long" if isinstance(error, _TooLong) else _in_words(error)


def _in_words(error: BaseException) -> str:
    """The commonest failures as a person would say them: httpx has one name for many, with the cause behind it."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, words in _WORDS.items():
            if isinstance(cause, kind):
                return words
        if isinstance(cause, OSError) and cause.errno in _UNREACHABLE:
            return "unreachable"
        cause = cause.__context__  # and no __cause__: its pool raises "from None"
    return type(error).__name__


def _address(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
        _ = address.host  # which is decoded when it is asked for
    except (httpx.InvalidURL, ValueError):
        raise AddressError(f"The collector's address can't be used: {url}.") from None
    return address


def _unusable(error: Exception, environ: Mapping[str, str]) -> str:
    """Never in the error's own words: they may quote a part of a proxy's password."""
    names = ", ".join(sorted(name for name in environ if name.upper() in _SETTINGS))
    which = f" ({names})" if names else ""
    why = error.strerror if isinstance(error, OSError) else None
    if isinstance(error, ImportError):
        why = "a proxy that speaks SOCKS needs the package socksio"
    return f"The proxy or certificate settings can't be used{which}{f': {why}' if why else ''}."


def _trusted(environ: Mapping[str, str]) -> ssl.SSLContext | bool:
    """Whose certificates count: httpx reads OpenSSL's own variables, and of those that other programs share, none."""
    shared = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    if not shared or environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR"):
        return True
    is_folder = Path(shared).is_dir()
    return ssl.create_default_context(cafile=None if is_folder else shared, capath=shared if is_folder else None)


def body(lines: Sequence[bytes]) -> bytes:
    """The request's body before compression: one line for each run."""
    return b"".join(line + b"\n" for line in lines)


def _meaning(response: httpx.Response, sent: int) -> Answer:
    outcome = str(response.status_code)
    if response.status_code in (400, 413):
        return Refused(outcome)
    if response.status_code != 200:
        return Failed(outcome, _retry_after(response.headers.get("Retry-After")))
    answer = _read_answer(response)
    if answer is None or answer.accepted + answer.rejected != sent:
        # A proxy's cheerful page is a 200 too.
        return Failed("200, but not a collector's answer")
    return answer


def _read_answer(response: httpx.Response) -> Accounted | None:
    values = _json(response)
    accepted, rejected = values.get("accepted"), values.get("rejected")
    if type(accepted) is not int or accepted < 0 or not isinstance(rejected, list):
        return None
    return Accounted(accepted, len(rejected))


def _json(response: httpx.Response) -> Mapping[str, object]:
    """The answer's JSON object; an empty one for anything else, and for more than `MAX_ANSWER` bytes."""
    content = b""
    if int(response.headers.get("Content-Length", "0")) > MAX_ANSWER:
        return {}
    try:
        # As it comes: decompressed, a few bytes could become any number.
        for chunk in response.iter_raw():
            content += chunk
    except _TooLong:
        return {}
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _retry_after(value: str | None) -> float | None:
    """Seconds, from either form: a number, or a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
