"""`sst telemetry show`: what is queued, as it would be sent now, and the last batch, byte for byte as it was sent."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from sst_core import (
    Choice,
    ConfigurationError,
    Consent,
    Locations,
    Product,
    Session,
    SstError,
    held_if_free,
    printable,
    reason_of,
    utc_now,
)
from sst_telemetry.batch import Composed, compose, preview
from sst_telemetry.identity import secret_for_looking
from sst_telemetry.queue import Queue
from sst_telemetry.record import run_facts
from sst_telemetry.state import LastDelivery, read_last_batch, read_state_to_show


@dataclass(frozen=True, slots=True)
class View:
    """What there is to see."""

    queued: tuple[str, ...]
    unusable: tuple[str, ...]
    """The names of files in the queue that are no recorded run, and will not be sent."""
    of_others: tuple[str, ...]
    """The names of files in the queue that another version has recorded, which alone can send them."""
    last: LastDelivery | None
    last_batch: str
    made_up: bool = False
    """Whether the weekly id shown with what is queued is made up, since this machine has none now that can be used."""

    def as_json(self) -> Mapping[str, object]:
        """For scripts."""
        batch = {} if self.last is None else {"at": self.last.at, "url": self.last.url, "outcome": self.last.outcome}
        return {
            "queued": list(self.queued),
            "made_up_id": self.made_up,
            "unusable": list(self.unusable),
            "of_other_versions": list(self.of_others),
            "last_batch": None if self.last is None else {**batch, "body": self.last_batch},
        }

    def as_text(self) -> str:
        """For people."""
        as_sent = (
            "as they would be sent, but for a weekly id made up for this" if self.made_up else "as they would be sent"
        )
        none = "Nothing is queued that this version sends." if self.of_others else "Nothing is queued."
        lines = [f"Queued ({len(self.queued)}), {as_sent}:" if self.queued else none]
        lines += self.queued
        lines += [f"Not a recorded run, and not sent: {printable(name)}" for name in self.unusable]
        lines += [f"Recorded by another version, which alone can send it: {printable(name)}" for name in self.of_others]
        if self.last is None:
            return "\n".join([*lines, "", "Nothing was ever sent."])
        title = f"Last batch, sent to {self.last.url} at {self.last.at} (answer: {self.last.outcome}):"
        return "\n".join([*lines, "", title, self.last_batch.rstrip("\n") or "(its content is deleted)"])


def preview_of(session: Session, name: str) -> str:
    """What the command `name` would send now."""
    product = session.context.product
    return preview(product, run_facts(product, name if name in registered(product) else "", session.context.ci))


def previewable(session: Session) -> list[str]:
    """The commands that :func:`preview_of` knows: the product's own, and those of plugins."""
    names = {*registered(session.context.product), *(entry.name for entry in session.plugins.commands)}
    return sorted(names - {session.context.product.telemetry_command})


def registered(product: Product) -> tuple[str, ...]:
    """The product's own commands that are recorded by name."""
    kind = product.catalogue["command"].kind
    return tuple(name for name in kind.values if name != kind.otherwise) if isinstance(kind, Choice) else ()


def view_of(consent: Consent) -> View:
    """Look, and change nothing but for the machine's secret, which is made where a run that may be sent needs it.

    Raises SstError where nobody can look.
    """
    try:
        locations = consent.locations
    except ConfigurationError:  # without a home folder nothing is ever recorded
        return View((), (), (), None, "")
    try:
        composed, made_up = _composed(consent, locations)
    except OSError as error:
        raise SstError(f"What is queued can't be read: {reason_of(error)}.") from None
    return View(
        queued=tuple(line.content.decode() for line in composed.lines),
        unusable=tuple(path.name for path in composed.no_runs),
        of_others=tuple(path.name for path in composed.of_others),
        last=read_state_to_show(locations.telemetry).last,
        last_batch=read_last_batch(locations.telemetry).decode(errors="replace"),
        made_up=made_up,
    )


def _composed(consent: Consent, locations: Locations) -> tuple[Composed, bool]:
    """With the machine's id, or with one made up, and which."""
    waiting, now = Queue(locations.queue).waiting(), utc_now()
    with suppress(ConfigurationError, OSError), held_if_free(locations.lock) as mine:
        # Under the lock, so that a `disable` at this moment is not followed by a new id on the disk.
        if mine is not None and consent.decide().enabled:
            return compose(consent.product, locations, waiting, now), False
    # Nothing would be sent, or the machine's id can't be kept: what is queued can be looked at all the same.
    secret, made_up = secret_for_looking(locations.telemetry)
    composed = compose(consent.product, locations, waiting, now, lambda _: secret)
    return composed, made_up and bool(composed.lines)
