"""Events as OpenTelemetry logs: OTLP over HTTP, in its JSON form, which needs no SDK.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

import httpx

from sst_core import SstError

TIMEOUT = 10.0
"""Seconds for each step of the request."""
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
        answer = httpx.post(
            url,
            json=as_logs(service, events),
            headers={"User-Agent": "sst-otlp", **own_headers},
            timeout=TIMEOUT,
            trust_env=urlsplit(url).scheme == "https",
        )
    except httpx.HTTPError as error:
        raise SstError(f"Nothing was sent: {type(error).__name__}. What waits is kept.") from None
    if answer.status_code != 200:
        raise SstError(f"The endpoint answered {answer.status_code}. What waits is kept.")
    return _refused(answer)


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
    try:
        return int(answer.json().get("partialSuccess", {}).get("rejectedLogRecords", 0))
    except (ValueError, TypeError, AttributeError):
        raise SstError("That was no OTLP endpoint's answer. What waits is kept.") from None
