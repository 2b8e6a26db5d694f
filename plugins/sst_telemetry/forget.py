"""Asking the collector to delete what it still keeps of this machine: the only request that a user makes by name.

What could not be asked stays pending. It is the only id that is kept while telemetry is off, `sst telemetry` shows it,
and nothing but `forget` tries again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sst_core import (
    ConfigurationError,
    Consent,
    Locations,
    RandomId,
    SstError,
    find_destination,
    read_own,
    week_of,
    write_private,
)
from sst_telemetry.batch import utc_now
from sst_telemetry.identity import drop_secret, stored_secret, weekly_id
from sst_telemetry.leftovers import PENDING, remove_leftovers
from sst_telemetry.queue import Queue, pinned_week
from sst_telemetry.state import DELIVERY, read_last_batch, read_state, write_last_batch

WEEKS = 19
"""Weeks back from this one: a run is sent up to 30 days after its first try, whose week's id it keeps, and a collector
keeps it for 90 days from then; 120 days can touch so many."""
IDS_A_REQUEST = 50
"""A collector takes up to 100."""

Ids = dict[str, str]
"""Of one machine, each with its week."""
Pending = dict[str, list[Ids]]
"""By the collector that they are to be asked of: the ids of each machine that this one has been, by `reset`."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What became of the request."""

    asked: int
    """Ids that a collector was asked to forget, and confirmed."""
    pending: int
    """Ids that are still to be asked for."""
    what: str

    def as_json(self) -> Mapping[str, object]:
        """For scripts."""
        return {"asked": self.asked, "pending": self.pending, "what": self.what}


def forget(consent: Consent) -> Forgotten:
    """Ask every collector that was sent something, now and in the foreground. Raises SstError and OSError."""
    if not consent.locations.state.exists():
        return _NOTHING
    with consent.changing() as lock:
        os.write(lock, str(os.getpid()).encode())  # for `disable`, which ends whoever holds it
        return _ask(consent, _noted(consent))


def reset(consent: Consent) -> Forgotten:
    """Forget, and be another machine from now on. What could not be asked stays pending; where that can't be kept,
    this stays the same machine. Raises as `forget`."""
    locations = consent.locations
    if not locations.state.exists():
        return _NOTHING
    with consent.changing() as lock:
        os.write(lock, str(os.getpid()).encode())
        pending = _noted(consent)  # or the secret stays: without it, nobody could ever be asked for its ids
        try:
            forgotten = _ask(consent, pending)
        finally:
            drop_secret(locations.telemetry)
            remove_leftovers(locations)
            if locations.telemetry.is_dir():
                write_last_batch(locations.telemetry, b"")  # the old id is in it
                _forget_attempts(locations)
    return replace(forgotten, what=f"{forgotten.what} From now on this is another machine.")


def pending_count(locations: Locations) -> int:
    """How many ids no collector has confirmed yet."""
    return _count(_pending(locations, utc_now()))


_NOTHING = Forgotten(0, 0, "No id that was sent is kept on this machine, so there is nothing to ask for.")


def _noted(consent: Consent) -> Pending:
    """All that is to be asked, which is kept before anybody is. Raises SstError where it can't be kept."""
    locations, now = consent.locations, utc_now()
    pending = _pending(locations, now)
    for url in _sent_to(consent):
        pending[url] = _with(pending.get(url, []), _weekly_ids(locations, now))
    _keep(locations, pending)
    return pending


def _ask(consent: Consent, pending: Pending) -> Forgotten:
    if not _count(pending):
        return _NOTHING
    asked, failures = 0, []
    for url in pending:
        confirmed, failure = _ask_one(consent, url, pending)
        asked += confirmed
        failures += [f"{url} did not confirm ({failure})"] if failure else []
    left = _count(pending)
    if failures:
        return Forgotten(asked, left, f"{'; '.join(failures)}. `forget` asks again.")
    return Forgotten(asked, left, "The collector deletes what it still keeps of this machine. Published totals stay.")


def _with(machines: list[Ids], ours: Ids) -> list[Ids]:
    """What is pending, and the ids that this machine has now."""
    before = [ids for ids in machines if not ids.keys() & ours.keys()]
    still = [ids for ids in machines if ids.keys() & ours.keys()]
    return [*before, {kept: week for ids in (*still, ours) for kept, week in ids.items()}]


def _ask_one(consent: Consent, url: str, pending: Pending) -> tuple[int, str | None]:
    """Ask one collector, some ids a request. Returns how many it confirmed, and what came instead for the next.

    The ids of two machines are in no request together: it would say that they are one.
    """
    from sst_telemetry.post import Collector

    asked = 0
    try:
        with Collector(url, consent.product.name) as collector:
            for ids in pending[url]:
                while some := list(ids)[:IDS_A_REQUEST]:
                    failure = collector.forget(some)
                    if failure is not None:
                        return asked, failure
                    asked += len(some)
                    for kept in some:
                        del ids[kept]
                    _keep(consent.locations, pending)
    except ConfigurationError as error:
        return asked, str(error)
    return asked, None


def _count(pending: Pending) -> int:
    return sum(len(ids) for machines in pending.values() for ids in machines)


def _sent_to(consent: Consent) -> tuple[str, ...]:
    """The collectors that were sent something; the one that is configured if that can't be read any more."""
    telemetry = consent.locations.telemetry
    known = read_state(telemetry).sent_to
    if known or not (telemetry / DELIVERY).exists() or not read_last_batch(telemetry):
        return known
    configured = find_destination(consent.product, consent.environ).url
    return (configured,) if configured else ()


def _pending(locations: Locations, now: datetime) -> Pending:
    """What is still to be asked, less the weeks of which no collector keeps anything any more."""
    try:
        values = json.loads(read_own(locations.state / PENDING) or b"{}")
    except (ConfigurationError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    weeks = _weeks(now)
    return {
        url: [
            {kept: week for kept, week in ids.items() if RandomId().accepts(kept) and week in weeks}
            for ids in machines
            if isinstance(ids, dict)
        ]
        for url, machines in values.items()
        if isinstance(machines, list)
    }


def _keep(locations: Locations, pending: Pending) -> None:
    path = locations.state / PENDING
    left = {url: found for url, machines in pending.items() if (found := [ids for ids in machines if ids])}
    try:
        if left:
            write_private(path, json.dumps(left).encode())
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise SstError(f"The request can't be kept on this machine: {error}.") from None


def _weekly_ids(locations: Locations, now: datetime) -> dict[str, str]:
    secret = stored_secret(locations.telemetry)
    return {} if secret is None else {weekly_id(secret, week): week for week in _weeks(now)}


def _weeks(now: datetime) -> list[str]:
    return [week_of(now - timedelta(weeks=back)) for back in range(WEEKS)]


def _forget_attempts(locations: Locations) -> None:
    """Drop queued runs that were sent under the old id already: under a new one they would link the two."""
    for path in Queue(locations.queue).waiting():
        if pinned_week(path) is not None:
            path.unlink(missing_ok=True)
