"""Asking the collector to delete what it still keeps of this machine: the only request that a user makes by name.

What could not be asked stays pending. It is the only id that is kept while telemetry is off, `sst telemetry` shows it,
and nothing but `forget` tries again.
"""

import json
import os
from collections.abc import Collection, Mapping
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
from sst_telemetry.leftovers import REQUESTS, remove_leftovers
from sst_telemetry.queue import Queue, pinned_week
from sst_telemetry.state import DELIVERY, read_last_batch, read_state, write_last_batch

WEEKS = 19
"""Weeks back from this one: a run is sent up to 30 days after its first try, whose week's id it keeps, and a collector
keeps it for 90 days from then; 120 days can touch so many."""
IDS_A_REQUEST = 50
"""A collector takes up to 100."""

Pending = dict[str, dict[str, str]]
"""By the collector that they are to be asked of: ids, each with its week."""


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
        return _ask(consent)


def reset(consent: Consent) -> Forgotten:
    """Forget, and be another machine from now on. What could not be asked stays pending. Raises as `forget`."""
    locations = consent.locations
    if not locations.state.exists():
        return _NOTHING
    with consent.changing() as lock:
        os.write(lock, str(os.getpid()).encode())
        try:
            forgotten = _ask(consent)
        finally:
            drop_secret(locations.telemetry)
            remove_leftovers(locations)
            if locations.telemetry.is_dir():
                write_last_batch(locations.telemetry, b"")  # the old id is in it
                _forget_attempts(locations)
    return replace(forgotten, what=f"{forgotten.what} From now on this is another machine.")


def pending_count(locations: Locations) -> int:
    """How many ids no collector has confirmed yet."""
    return sum(map(len, _pending(locations, utc_now()).values()))


_NOTHING = Forgotten(0, 0, "No id that was sent is kept on this machine, so there is nothing to ask for.")


def _ask(consent: Consent) -> Forgotten:
    locations, now = consent.locations, utc_now()
    pending = _pending(locations, now)
    for url in _sent_to(consent):
        pending[url] = {**pending.get(url, {}), **_weekly_ids(locations, now)}
    _keep(locations, pending)
    if not any(pending.values()):
        return _NOTHING
    asked, failures = 0, []
    ours = _weekly_ids(locations, now).keys()
    for url in pending:
        confirmed, failure = _ask_one(consent, url, pending, ours)
        asked += confirmed
        failures += [f"{url} did not confirm ({failure})"] if failure else []
    left = sum(map(len, pending.values()))
    if failures:
        return Forgotten(asked, left, f"{'; '.join(failures)}. `forget` asks again.")
    return Forgotten(asked, left, "The collector deletes what it still keeps of this machine. Published totals stay.")


def _ask_one(consent: Consent, url: str, pending: Pending, ours: Collection[str]) -> tuple[int, str | None]:
    """Ask one collector, some ids a request. Returns how many it confirmed, and what came instead for the next.

    Those that are `ours` now, and those from before a `reset`, are in no request together: it would say that the two
    machines are one.
    """
    from sst_telemetry.post import Collector

    asked = 0
    try:
        with Collector(url, consent.product.name) as collector:
            while ids := _some(pending[url], ours):
                failure = collector.forget(ids)
                if failure is not None:
                    return asked, failure
                asked += len(ids)
                pending[url] = {kept: week for kept, week in pending[url].items() if kept not in ids}
                _keep(consent.locations, pending)
    except ConfigurationError as error:
        return asked, str(error)
    return asked, None


def _some(pending: Collection[str], ours: Collection[str]) -> list[str]:
    before = [kept for kept in pending if kept not in ours]
    return (before or list(pending))[:IDS_A_REQUEST]


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
        values = json.loads(read_own(locations.state / REQUESTS) or b"{}")
    except (ConfigurationError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    weeks = _weeks(now)
    return {
        url: {kept: week for kept, week in ids.items() if RandomId().accepts(kept) and week in weeks}
        for url, ids in values.items()
        if isinstance(ids, dict)
    }


def _keep(locations: Locations, pending: Pending) -> None:
    path = locations.state / REQUESTS
    left = {url: ids for url, ids in pending.items() if ids}
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
