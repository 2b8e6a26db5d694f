"""`sst telemetry`: on or off, every source with its value and place, where data goes, what is queued, what next."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from sst_core import CollectingPlugin, ConfigurationError, Consent, Decision, Destination, find_destination, printable
from sst_telemetry.pending import pending_count
from sst_telemetry.queue import Queue
from sst_telemetry.state import DeliveryState, read_state


@dataclass(frozen=True, slots=True)
class Status:
    """All that a user may want to know about telemetry on this machine."""

    command: str
    """How a user calls this: `sst telemetry`."""
    decision: Decision
    destination: Destination
    queued: int
    delivery: DeliveryState
    pending_forget: int
    """Ids that the collector could not be asked to forget yet: the only ids that are kept while off."""
    collecting_plugins: tuple[CollectingPlugin, ...] = ()
    """Those of others that collect too, under the same consent."""

    def as_json(self) -> Mapping[str, object]:
        """For scripts."""
        last = self.delivery.last
        return {
            "enabled": self.decision.enabled,
            "sources": [asdict(source) for source in self.decision.sources],
            "collector": self.destination.url,
            "queued": self.queued,
            "last_delivery": None if last is None else asdict(last),
            "dropped": self.delivery.dropped,
            "rejected": self.delivery.rejected,
            "set_aside": self.delivery.set_aside,
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
            f"Queued     {_runs(self.queued)}",
            f"Last sent  {self._last()}",
            *self._losses(),
            *(
                f"Also       plugin {plugin.distribution} collects, to {plugin.sends_to}"
                for plugin in self.collecting_plugins
            ),
            *(
                [f"Forget     {self.pending_forget} ids are still to be asked for: `{self.command} forget`"]
                if self.pending_forget
                else []
            ),
            "",
            self._next(),
        ]
        return "\n".join(map(printable, lines))

    def _last(self) -> str:
        last = self.delivery.last
        if last is None:
            return "never"
        return f"{last.at}: {_runs(last.sent)}, {last.accepted} accepted (answer: {last.outcome})"

    def _losses(self) -> list[str]:
        counts = {
            "dropped, over the queue's bounds": self.delivery.dropped,
            "rejected by the collector": self.delivery.rejected,
            "set aside, not a recorded run": self.delivery.set_aside,
        }
        return [f"Not sent   {_runs(count)} {why}" for why, count in counts.items() if count]

    def _next(self) -> str:
        if self.decision.enabled:
            return f"Next: `{self.command} show` shows what is recorded, `{self.command} disable` switches it off."
        if self.decision.only_notice_missing:
            return f"Next: the first command on a terminal shows the notice. `{self.command} enable` is a yes."
        ways = {
            "environment": "unset {where}",
            "plugins": "take telemetry out of {where}",
            "project": "`{command} enable --project`, for everybody in it",
            "user": "`{command} enable`",
            "machine": "ask whoever administers this machine about {where}",
        }
        off = [source for source in self.decision.sources if source.off and source.name in ways]
        each = [
            # Without a home folder no choice can be saved.
            "set HOME" if source.where == "HOME" else ways[source.name].format(where=source.where, command=self.command)
            for source in off
        ]
        return f"Next: to switch it on, {'; '.join(each)}."


def read_status(consent: Consent) -> Status:
    """Look, and change nothing. Never raises."""
    queued, delivery, pending_forget = 0, DeliveryState(), 0
    try:
        locations = consent.locations
        queued = len(Queue(locations.queue).waiting())
        delivery = read_state(locations.telemetry)
        pending_forget = pending_count(locations)
    except (ConfigurationError, OSError):
        pass  # the sources say what is wrong with the home folder
    return Status(
        command=consent.product.telemetry,
        decision=consent.decide(),
        destination=find_destination(consent.product, consent.environ),
        queued=queued,
        delivery=delivery,
        pending_forget=pending_forget,
        collecting_plugins=consent.collecting_plugins,
    )


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"
