"""Asking the collector to delete what it still keeps of this machine: the only request that a user makes by name.

What could not be asked stays pending. It is the only id that is kept while telemetry is off, `sst telemetry` shows it,
and nothing but `forget` tries again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sst_core import ConfigurationError, Consent, Locations, RandomId, SstError, read_own, write_private
from sst_telemetry.batch import utc_now
from sst_telemetry.identity import iso_week, stored_secret, weekly_id
from sst_telemetry.state import read_state, write_last_batch

WEEKS = 14
"""Weeks back from this one, which 90 days can touch."""
IDS_A_REQUEST = 50
"""A collector takes up to 100."""

Pending = Mapping[str, tuple[str, ...]]
"""Ids by the collector that they are to be asked of."""


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
    with consent.changing() as lock:
        os.write(lock, str(os.getpid()).encode())  # for `disable`, which ends whoever holds it
        return _ask(consent)


def reset(consent: Consent) -> Forgotten:
    """Forget, and be another machine from now on. What could not be asked stays pending. Raises as `forget`."""
    with consent.changing() as lock:
        os.write(lock, str(os.getpid()).encode())
        forgotten = _ask(consent)
        telemetry = consent.locations.telemetry
        (telemetry / "secret").unlink(missing_ok=True)
        if telemetry.is_dir():
            write_last_batch(telemetry, b"")  # the old id is in it
    return forgotten


def pending_count(locations: Locations) -> int:
    """How many ids no collector has confirmed yet."""
    return sum(map(len, _pending(locations).values()))


def _ask(consent: Consent) -> Forgotten:
    locations = consent.locations
    pending = dict(_pending(locations))
    for url in read_state(locations.telemetry).sent_to:
        pending[url] = tuple(dict.fromkeys((*pending.get(url, ()), *_weekly_ids(locations, utc_now()))))
    _keep(locations, pending)
    if not pending:
        return Forgotten(0, 0, "Nothing was ever sent from this machine, so there is nothing to ask for.")
    asked, failures = 0, []
    for url in list(pending):
        confirmed, failure = _ask_one(consent, url, pending)
        asked += confirmed
        failures += [f"{url} did not confirm ({failure})"] if failure else []
    left = sum(map(len, pending.values()))
    if failures:
        return Forgotten(asked, left, f"{'; '.join(failures)}. `forget` asks again.")
    return Forgotten(asked, left, "The collector deletes what it still keeps of this machine. Published totals stay.")


def _ask_one(consent: Consent, url: str, pending: dict[str, tuple[str, ...]]) -> tuple[int, str | None]:
    """Ask one collector, some ids a request. Returns how many it confirmed, and what came instead for the next."""
    from sst_telemetry.post import Collector

    asked = 0
    try:
        with Collector(url, consent.product.name) as collector:
            while ids := pending[url][:IDS_A_REQUEST]:
                failure = collector.forget(ids)
                if failure is not None:
                    return asked, failure
                asked += len(ids)
                pending[url] = pending[url][IDS_A_REQUEST:]
                _keep(consent.locations, pending)
    except ConfigurationError as error:
        return asked, str(error)
    return asked, None


def _pending(locations: Locations) -> Pending:
    try:
        values = json.loads(read_own(locations.state / "forget.json") or b"{}")
    except (ConfigurationError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        url: tuple(anonymous for anonymous in ids if RandomId().accepts(anonymous))
        for url, ids in values.items()
        if isinstance(ids, list)
    }


def _keep(locations: Locations, pending: Pending) -> None:
    path = locations.state / "forget.json"
    left = {url: ids for url, ids in pending.items() if ids}
    try:
        if left:
            write_private(path, json.dumps(left).encode())
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise SstError(f"The request can't be kept on this machine: {error}.") from None


def _weekly_ids(locations: Locations, now: datetime) -> tuple[str, ...]:
    secret = stored_secret(locations.telemetry)
    if secret is None:
        return ()
    return tuple(weekly_id(secret, iso_week(now - timedelta(weeks=back))) for back in range(WEEKS))
