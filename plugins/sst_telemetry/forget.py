"""Asking the collector to delete what it still keeps of this machine: the only request that a user makes by name.

What could not be asked stays pending. It is the only id that is kept while telemetry is off, `sst telemetry` shows it,
and nothing but `forget` tries again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sst_core import (
    ConfigurationError,
    Consent,
    Locations,
    RandomId,
    SstError,
    find_destination,
    read_own,
    write_private,
)
from sst_telemetry.batch import utc_now
from sst_telemetry.identity import iso_week, stored_secret, weekly_id
from sst_telemetry.state import was_anything_sent

WEEKS = 14
"""Weeks back from this one. A collector keeps rows for 90 days, which touch at most 14 ISO weeks."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What became of the request."""

    asked: int
    """Ids that the collector was asked to forget, and confirmed."""
    pending: int
    """Ids that are still to be asked for."""
    what: str

    def as_json(self) -> Mapping[str, object]:
        """For scripts."""
        return {"asked": self.asked, "pending": self.pending, "what": self.what}


def forget(consent: Consent) -> Forgotten:
    """Ask now, in the foreground. Raises SstError when the request can't even be kept."""
    from sst_telemetry.post import Collector

    try:
        locations = consent.locations
        with consent.changing():
            ids = tuple(dict.fromkeys((*pending_ids(locations), *_weekly_ids(locations, utc_now()))))
            if not ids:
                return Forgotten(0, 0, "Nothing was ever sent from this machine, so there is nothing to ask for.")
            _keep(locations, ids)
        target = find_destination(consent.product, consent.environ)
        if target.url is None:
            return Forgotten(0, len(ids), f"Nobody could be asked: {target.where}.")
        with Collector(target.url, consent.product.name) as collector:
            outcome = collector.forget(ids)
        if outcome is not None:
            return Forgotten(0, len(ids), f"The collector did not confirm ({outcome}). Try `forget` again later.")
        with consent.changing():
            _keep(locations, tuple(kept for kept in pending_ids(locations) if kept not in ids))
    except OSError as error:
        raise SstError(f"The request can't be kept on this machine: {error}. Nothing was asked.") from None
    return Forgotten(len(ids), 0, "The collector has forgotten this machine. Totals that are published stay.")


def reset(consent: Consent) -> Forgotten:
    """Forget, and be another machine from now on. What could not be asked stays pending."""
    forgotten = forget(consent)
    try:
        with consent.changing():
            (consent.locations.telemetry / "secret").unlink(missing_ok=True)
    except OSError as error:
        raise SstError(f"The machine's secret can't be deleted: {error}.") from None
    return forgotten


def pending_ids(locations: Locations) -> tuple[str, ...]:
    """The ids that a `forget` could not be asked for yet."""
    try:
        values = json.loads(read_own(locations.state / "forget.json") or b"[]")
    except (ConfigurationError, ValueError, RecursionError):
        return ()
    return tuple(value for value in values if RandomId().accepts(value)) if isinstance(values, list) else ()


def _keep(locations: Locations, ids: tuple[str, ...]) -> None:
    path = locations.state / "forget.json"
    if ids:
        write_private(path, json.dumps(ids).encode())
    else:
        path.unlink(missing_ok=True)


def _weekly_ids(locations: Locations, now: datetime) -> tuple[str, ...]:
    secret = stored_secret(locations.telemetry)
    if secret is None or not was_anything_sent(locations.telemetry):
        return ()
    return tuple(weekly_id(secret, iso_week(now - timedelta(weeks=back))) for back in range(WEEKS))
