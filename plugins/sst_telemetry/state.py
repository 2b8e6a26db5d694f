"""What delivery remembers from one sender to the next: when to try again, what became of the last try, the counts."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sst_core import ConfigurationError, read_own, write_private
from sst_telemetry.folder import Folder


@dataclass(frozen=True, slots=True)
class LastDelivery:
    """The last request that was made."""

    at: str
    """UTC, ISO 8601."""
    url: str
    outcome: str
    """The HTTP status, or the sort of failure, in words."""
    sent: int
    accepted: int


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """Kept beside the queue, and deleted with it."""

    failures: int = 0
    """In a row."""
    not_before: float = 0.0
    """Seconds since the epoch; no request is made earlier."""
    dropped: int = 0
    """Runs that were over the queue's bounds."""
    rejected: int = 0
    """Runs that the collector refused for good."""
    set_aside: int = 0
    """Files in the queue that were no recorded run."""
    sent_to: tuple[str, ...] = ()
    """Every collector that may have been sent a line: `forget` asks them all."""
    last: LastDelivery | None = None

    def counting(self, *, dropped: int = 0, rejected: int = 0, set_aside: int = 0) -> "DeliveryState":
        """The same with more counted."""
        return replace(
            self,
            dropped=self.dropped + dropped,
            rejected=self.rejected + rejected,
            set_aside=self.set_aside + set_aside,
        )


def address_hint(outcome: str) -> str:
    """What follows an outcome where another address was probably meant; nothing in all other cases."""
    return "; the whole address is needed, https://…/events" if outcome in ("404", "405") else ""


def read_state(telemetry: Path) -> DeliveryState:
    """The state; a new one if there is none, or if it can't be read: it only ever saves requests."""
    try:
        return read_state_to_show(telemetry)
    except ConfigurationError:
        return DeliveryState()


def sent_to(telemetry: Path, configured: str | None) -> tuple[str, ...]:
    """The collectors that may have been sent a line; the one that is configured if that can't be read any more."""
    state = read_state(telemetry)
    if state.last is not None or not Folder(telemetry).delivery.exists() or not read_last_batch(telemetry):
        return state.sent_to
    return (configured,) if configured else ()


def read_state_to_show(telemetry: Path) -> DeliveryState:
    """The same, but raises :class:`ConfigurationError` where it can't be trusted: nobody is told "never" then."""
    content = read_own(Folder(telemetry).delivery) or b"{}"
    try:
        values = json.loads(content)
        last, sent_to = values.pop("last", None), values.pop("sent_to", [])
        state = DeliveryState(**values, sent_to=tuple(sent_to), last=None if last is None else LastDelivery(**last))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return DeliveryState()
    numbers = (state.failures, state.not_before, state.dropped, state.rejected, state.set_aside)
    sound = all(isinstance(number, int | float) for number in numbers) and isinstance(sent_to, list)
    sound = sound and all(isinstance(url, str) for url in sent_to)
    return state if sound else DeliveryState()


def write_state(telemetry: Path, state: DeliveryState) -> None:
    """Keep the state. Raises OSError."""
    write_private(Folder(telemetry).delivery, json.dumps(asdict(state)).encode())


def write_last_batch(telemetry: Path, body: bytes) -> None:
    """Keep the body of the last request, before compression. Raises OSError."""
    write_private(Folder(telemetry).last_batch, body)


def read_last_batch(telemetry: Path) -> bytes:
    """The body of the last request, byte for byte; empty if none was made."""
    try:
        return read_own(Folder(telemetry).last_batch) or b""
    except ConfigurationError:
        return b""
