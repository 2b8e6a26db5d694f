"""`sst telemetry`: on or off, every source with its value and place, where data goes, what is queued, what next."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sst_core import (
    CollectingPlugin,
    ConfigurationError,
    Consent,
    Decision,
    Destination,
    find_destination,
    printable,
    reason_of,
)
from sst_telemetry.pending import pending_count
from sst_telemetry.queue import Queue
from sst_telemetry.sender import LIFETIME
from sst_telemetry.spawn import missing_since
from sst_telemetry.state import DeliveryState, address_hint, read_state_to_show


@dataclass(frozen=True, slots=True)
class Status:
    """All that a user may want to know about telemetry on this machine."""

    command: str
    """How a user calls this: `sst telemetry`."""
    decision: Decision
    destination: Destination
    queued: int | None
    """None if it can't be known, as `delivery` and `pending_forget`."""
    delivery: DeliveryState | None
    problem: str
    """Why one of these can't be known, or empty."""
    missing_since: str | None
    """When a sender was to start that never came to its work, UTC, ISO 8601; None where none is missed."""
    pending_forget: int | None
    """Ids that the collector could not be asked to forget yet: the only ids that are kept while off."""
    collecting_plugins: tuple[CollectingPlugin, ...] = ()
    """Those of others that collect too, under the same consent."""

    def as_json(self) -> Mapping[str, object]:
        """For scripts."""
        delivery = self.delivery
        last = delivery and delivery.last
        return {
            "enabled": self.decision.enabled,
            "sources": [
                {"name": source.name, "off": source.off, "value": source.value, "where": source.where}
                for source in self.decision.sources
            ],
            "collector": self.destination.url,
            "queued": self.queued,
            "problem": self.problem or None,
            "sender_missing_since": self.missing_since,
            "last_delivery": None if last is None else asdict(last),
            "dropped": delivery and delivery.dropped,
            "rejected": delivery and delivery.rejected,
            "set_aside": delivery and delivery.set_aside,
            "pending_forget": self.pending_forget,
            "plugins": [
                {"name": plugin.distribution, "sends_to": plugin.sends_to} for plugin in self.collecting_plugins
            ],
        }

    def as_text(self) -> str:
        """For people."""
        width = max(len(source.name) for source in self.decision.sources)
        lines = [f"Telemetry is {'on' if self.decision.enabled else 'off'}.", "", "What decides it (any off wins):"]
        for source in self.decision.sources:
            lines.append(
                f"  {'off' if source.off else 'ok ':<3}  {source.name:<{width}}  {source.value} ({source.where})"
            )
        target = self.destination
        to = f"{target.url} ({target.where})" if target.url else f"nobody, it stays on this machine: {target.where}"
        lines += [
            "",
            f"Sent to    {to}",
            f"Queued     {self._unknown if self.queued is None else _runs(self.queued)}",
            f"Last sent  {self._unknown if self.delivery is None else _last(self.delivery)}",
            *self._missing(),
            *self._losses(),
            *(
                f"Also       plugin {plugin.distribution} collects, to {plugin.sends_to}"
                for plugin in self.collecting_plugins
            ),
            *self._to_forget(),
            "",
            self._next(),
        ]
        return "\n".join(map(printable, lines))

    @property
    def _unknown(self) -> str:
        return f"not known: {self.problem}"

    def _missing(self) -> list[str]:
        if self.missing_since is None:
            return []
        return [f"Sender     was to start at {self.missing_since} and never came: `{self.command} flush` sends now"]

    def _losses(self) -> list[str]:
        if self.delivery is None:
            return []
        counts = {
            "dropped, over the queue's bounds": self.delivery.dropped,
            "rejected by the collector": self.delivery.rejected,
            "set aside, not a recorded run": self.delivery.set_aside,
        }
        return [f"Not sent   {_runs(count)} {why}" for why, count in counts.items() if count]

    def _to_forget(self) -> list[str]:
        if self.pending_forget is None:
            return [f"Forget     {self._unknown}"]
        asking = f"Forget     {self.pending_forget} ids are still to be asked for: `{self.command} forget`"
        return [asking] if self.pending_forget else []

    def _next(self) -> str:
        if self.decision.enabled:
            return f"Next: `{self.command} show` shows what is recorded, `{self.command} disable` switches it off."
        if self.decision.only_notice_missing:
            return f"Next: the first command on a terminal shows the notice. `{self.command} enable` is a yes."
        return how_to_switch_on(self.decision, self.command)


def how_to_switch_on(decision: Decision, command: str) -> str:
    """What to do about each *off* that isn't the notice's."""
    ways = {
        "environment": "unset {where}",
        "plugins": "take its name out of {where}",
        "folder": "change to a directory that exists",
        "project": "`{command} enable --project`, for everybody in it",
        "another project": "see to {where}, which is for everybody below it",
        "user": "`{command} enable`",
        "a file": "mend {where}",
        "machine": "ask whoever administers this machine about {where}",
        "home": "set HOME",  # without a home folder no choice can be saved
    }
    # The command writes into the nearest file, and mends nothing in it but `enabled`.
    nearest = next((source for source in decision.sources if source.name == "project"), None)
    each = []
    for source in decision.sources:
        way = source.name
        if way == "project" and source is not nearest:
            way = "another project"
        elif way in ("project", "user") and not source.answered:
            way = "a file"
        if source.off and way in ways:
            each.append(ways["home" if source.where == "HOME" else way].format(where=source.where, command=command))
    return f"Next: to switch it on, {'; '.join(each)}."


def read_status(consent: Consent) -> Status:
    """Look, and change nothing. Never raises."""
    decision, destination = consent.decide(), find_destination(consent.product, consent.environ)
    queued: int | None = 0
    delivery: DeliveryState | None = DeliveryState()
    pending_forget: int | None = 0
    problems: list[str] = []
    missing = None
    with suppress(ConfigurationError):  # the sources say what is wrong with the home folder
        locations = consent.locations
        try:
            pending_forget = pending_count(locations)
        except ConfigurationError as error:
            pending_forget = None
            problems.append(str(error))
        try:
            delivery = read_state_to_show(locations.telemetry)
        except ConfigurationError as error:
            delivery = None
            problems.append(str(error))
        try:
            queued = len(Queue(locations.queue).waiting())
            if queued and decision.enabled and destination.url:
                missing = missing_since(locations)
        except OSError as error:
            queued = None
            problems.append(reason_of(error))
    return Status(
        command=consent.product.telemetry,
        decision=decision,
        destination=destination,
        queued=queued,
        delivery=delivery,
        problem=" ".join(problems),
        missing_since=_if_overdue(missing),
        pending_forget=pending_forget,
        collecting_plugins=consent.collecting_plugins,
    )


def _last(delivery: DeliveryState) -> str:
    last = delivery.last
    if last is None:
        return "never"
    return (
        f"{last.at}: {_runs(last.sent)}, {last.accepted} accepted (answer: {last.outcome}{address_hint(last.outcome)})"
    )


def _if_overdue(started: float | None) -> str | None:
    # One that was started just now may be on its way.
    if started is None or time.time() - started < LIFETIME:
        return None
    return datetime.fromtimestamp(started, UTC).isoformat("T", "seconds")


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"
