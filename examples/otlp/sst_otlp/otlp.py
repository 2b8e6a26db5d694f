"""Events as OpenTelemetry logs: OTLP over HTTP, in its JSON form, which needs no SDK.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from sst_core import SstError

TIMEOUT = 10.0
"""Seconds for each step of the request."""
SECONDS = 15.0
"""For all of it, however slowly an answer drips: `disable` waits for whoever holds the lock."""
MAX_ANSWER = 64 * 1024
"""Bytes of an answer's body; more is no endpoint's."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def endpoint(environ: Mapping[str, str]) -> str:
    """The address of the logs, from OpenTelemetry's own variables. Raises SstError."""
    base = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    url = environ.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT") or (f"{base}/v1/logs" if base else "")
    if not url:
        raise SstError("No endpoint is set. OTEL_EXPORTER_OTLP_ENDPOINT=https://… names one.")
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise SstError("The endpoint has to start with https:// unless it is on this machine.")
    return url


def headers(environ: Mapping[str, str]) -> dict[str, str]:
    """What the endpoint asks for, a key say: `name=value,name=value`."""
    pairs = (pair.partition("=") for pair in environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(",") if "=" in pair)
    return {unquote(name.strip()): unquote(value.strip()) for name, _, value in pairs}


def export(url: str, service: str, events: Sequence[Mapping[str, object]], own_headers: Mapping[str, str]) -> int:
    """Send the events in one request, and return how many the endpoint refused. Raises SstError if it took none."""
    try:
        with _posting(
            url, as_logs(service, events), {"User-Agent": "sst-otlp", "Accept-Encoding": "identity", **own_headers}
        ) as answer:
            if answer.status_code != 200:
                raise SstError(f"The endpoint answered {answer.status_code}. What waits is kept.")
            return _refused(answer)
    except httpx.HTTPError as error:
        raise SstError(f"Nothing was sent: {type(error).__name__}. What waits is kept.") from None


@contextmanager
def _posting(url: str, body: Mapping[str, object], headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    """The answer, of which only the head was read. After `SECONDS` the connection is ended."""
    connected: list[socket.socket] = []

    def note(_event: str, told: Mapping[str, Any]) -> None:
        """httpx tells of each connection that it makes."""
        if hasattr(told.get("return_value"), "get_extra_info"):
            connected.append(told["return_value"].get_extra_info("socket"))

    def end() -> None:
        for each in connected:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(SECONDS, end)
    timer.start()
    try:
        with (
            httpx.Client(timeout=TIMEOUT, trust_env=urlsplit(url).scheme == "https") as client,
            client.stream("POST", url, json=body, headers=headers, extensions={"trace": note}) as answer,
        ):
            yield answer
    finally:
        timer.cancel()


def as_logs(service: str, events: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
    """The request's body. It holds the declared values and no time: none is declared."""
    records = [{"severityNumber": 9, "eventName": "sst_otlp.run", "attributes": _attributes(event)} for event in events]
    logs = {"scope": {"name": "sst_otlp"}, "logRecords": records}
    return {"resourceLogs": [{"resource": {"attributes": _attributes({"service.name": service})}, "scopeLogs": [logs]}]}


def _attributes(values: Mapping[str, object]) -> list[Mapping[str, object]]:
    return [{"key": key, "value": _any_value(value)} for key, value in values.items()]


def _any_value(value: object) -> Mapping[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


def _refused(answer: httpx.Response) -> int:
    content = b""
    for piece in answer.iter_raw():
        content += piece
        if len(content) > MAX_ANSWER:
            break
    try:
        return int(json.loads(content).get("partialSuccess", {}).get("rejectedLogRecords", 0))
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise SstError("That was no OTLP endpoint's answer. What waits is kept.") from None
