"""Asking the collector to delete what it still keeps of this machine: the only request that a user makes by name.

What could not be asked stays pending: `sst telemetry` shows it, and nothing but `forget` tries again.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sst_core import Consent, Locations, SstError, find_destination, reason_of, utc_now
from sst_telemetry.folder import Folder
from sst_telemetry.identity import drop_secret, stored_secret, weekly_id
from sst_telemetry.leftovers import remove_leftovers
from sst_telemetry.needed import needed
from sst_telemetry.pending import Ids, Pending, count, keep, last_day, read_pending, weeks, with_ours
from sst_telemetry.queue import Queue, pinned_week
from sst_telemetry.state import sent_to, write_last_batch

if TYPE_CHECKING:
    from sst_telemetry.post import Connection

IDS_A_REQUEST = 50
"""A collector takes up to 100."""


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
        dropped = 0
        try:
            forgotten = _ask(consent, pending)
        finally:
            dropped = _become_another(locations)
    what = [forgotten.what, "From now on this is another machine."]
    if dropped:
        runs = "1 run" if dropped == 1 else f"{dropped} runs"
        what += [f"What was queued and tried under the old id is deleted: {runs}."]
    return replace(forgotten, what=" ".join(what))


def _become_another(locations: Locations) -> int:
    """Drop the secret and all that was sent under it, and return how many queued runs that were. Raises SstError."""
    try:
        dropped = 0
        if locations.telemetry.is_dir():
            write_last_batch(locations.telemetry, b"")  # the old id is in it
            dropped = _forget_attempts(locations)
        remove_leftovers(locations)
        # The last: what was tried under it and is still there would be sent again under the next one.
        drop_secret(locations.telemetry)
    except OSError as error:
        raise SstError(f"This is still the same machine: {reason_of(error)}. `reset` tries again.") from None
    return dropped


_NOTHING = Forgotten(0, 0, "No id that was sent is kept on this machine, so there is nothing to ask for.")


def is_due(consent: Consent) -> bool:
    """Whether a collector would be asked for anything, as things stand now. Raises SstError."""
    return count(_to_ask(consent)) > 0


def _noted(consent: Consent) -> Pending:
    """All that is to be asked, which is kept before anybody is. Raises SstError where it can't be read or kept."""
    pending = _to_ask(consent)
    keep(consent.locations, pending)
    return pending


def _to_ask(consent: Consent) -> Pending:
    locations, now = consent.locations, utc_now()
    pending = read_pending(locations, now)
    for url in sent_to(consent.locations.telemetry, find_destination(consent.product, consent.environ).url):
        pending[url] = with_ours(pending.get(url, []), _weekly_ids(locations, now))
    return pending


def _ask(consent: Consent, pending: Pending) -> Forgotten:
    if not count(pending):
        return _NOTHING
    asked, failures = 0, []
    for url in pending:
        confirmed, failure = _ask_one(consent, url, pending)
        asked += confirmed
        failures += [f"{url} did not confirm ({failure})"] if failure else []
    left = count(pending)
    if failures:
        file = Folder(consent.locations.telemetry).pending
        again = f"`forget` asks again, until {last_day(pending)}; to give up before, delete {file}."
        return Forgotten(asked, left, f"{'; '.join(failures)}. {again}")
    return Forgotten(asked, left, "The collector deletes what it still keeps of this machine. Published totals stay.")


def _ask_one(consent: Consent, url: str, pending: Pending) -> tuple[int, str | None]:
    """Ask one collector, some ids a request. Returns how many it confirmed, and what came instead for the next.

    The ids of two machines are in no request together, nor on one connection: it would say that they are one.
    """
    asked = 0
    for ids in filter(None, pending[url]):
        try:
            connecting = _connected(consent, url)
        except SstError as error:
            return asked, str(error)
        with connecting as connection:
            while some := list(ids)[:IDS_A_REQUEST]:
                failure = connection.forget(some)
                if failure is not None:
                    return asked, failure
                asked += len(some)
                for kept in some:
                    del ids[kept]
                keep(consent.locations, pending)
    return asked, None


def _connected(consent: Consent, url: str) -> "Connection":
    with needed(consent.product):
        from sst_telemetry.post import Connection

        return Connection(url, consent.product.name)


def _weekly_ids(locations: Locations, now: datetime) -> Ids:
    secret = stored_secret(locations.telemetry)
    return {} if secret is None else {weekly_id(secret, week): week for week in weeks(now)}


def _forget_attempts(locations: Locations) -> int:
    """Drop queued runs that were sent under the old id already, and return how many that were: under a new one they
    would link the two."""
    tried = [path for path in Queue(locations.queue).waiting() if pinned_week(path) is not None]
    for path in tried:
        path.unlink(missing_ok=True)
    return len(tried)
