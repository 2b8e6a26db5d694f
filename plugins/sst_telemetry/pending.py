"""The ids that collectors are still to be asked to forget: the only ones that are kept while telemetry is off."""

import json
from datetime import date, datetime, timedelta
from typing import TypeGuard

from sst_core import (
    ConfigurationError,
    Locations,
    RandomId,
    SstError,
    read_own,
    reason_of,
    utc_now,
    week_of,
    write_private,
)
from sst_telemetry.folder import Folder

WEEKS = 19
"""Weeks back from this one: a run is sent up to 30 days after its first try, whose week's id it keeps, and a collector
keeps it for 90 days from then; 120 days can touch so many."""

Ids = dict[str, str]
"""Of one machine, each with its week."""
Pending = dict[str, list[Ids]]
"""By the collector that they are to be asked of: the ids of each machine that this one has been, by `reset`."""


def pending_count(locations: Locations) -> int:
    """How many ids no collector has confirmed yet. Raises as `read_pending`."""
    return count(read_pending(locations, utc_now()))


def read_pending(locations: Locations, now: datetime) -> Pending:
    """What is still to be asked, less the weeks of which no collector keeps anything any more.

    Raises :class:`ConfigurationError` where that can't be known: nobody is told "nothing" then, and the file stays.
    """
    path = Folder(locations.telemetry).pending
    try:
        values = json.loads(read_own(path) or b"{}")
    except (ValueError, RecursionError):
        values = None
    if not _is_pending(values):
        raise ConfigurationError(f"{path} is torn: which ids are still to be asked for is not known. Delete it.")
    kept_weeks = weeks(now)
    return {
        url: [{kept: week for kept, week in ids.items() if week in kept_weeks} for ids in machines]
        for url, machines in values.items()
    }


def _is_pending(values: object) -> TypeGuard[Pending]:
    """Whether it is what `keep` writes."""
    if not isinstance(values, dict) or not all(isinstance(machines, list) for machines in values.values()):
        return False
    every = [ids for machines in values.values() for ids in machines]
    if not all(isinstance(ids, dict) for ids in every):
        return False
    return all(RandomId().accepts(kept) and isinstance(week, str) for ids in every for kept, week in ids.items())


def keep(locations: Locations, pending: Pending) -> None:
    """Write what is left to be asked; where nothing is, there is no file. Raises SstError."""
    path = Folder(locations.telemetry).pending
    left = {url: found for url, machines in pending.items() if (found := [ids for ids in machines if ids])}
    try:
        if left:
            write_private(path, json.dumps(left).encode())
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise SstError(f"The request can't be kept on this machine: {reason_of(error)}.") from None


def count(pending: Pending) -> int:
    """How many ids that are."""
    return sum(len(ids) for machines in pending.values() for ids in machines)


def last_day(pending: Pending) -> date:
    """The last on which any of it is still asked for: from the next, no collector keeps anything of it any more."""
    last = max(week for machines in pending.values() for ids in machines for week in ids.values())
    return date.fromisoformat(last) + timedelta(weeks=WEEKS, days=-1)


def with_ours(machines: list[Ids], ours: Ids) -> list[Ids]:
    """What is pending, and the ids that this machine has now. Whatever of these was pending is among them."""
    return [*(ids for ids in machines if not ids.keys() & ours.keys()), ours]


def weeks(now: datetime) -> list[str]:
    """Those of which a collector may still keep something, this one first."""
    return [week_of(now - timedelta(weeks=back)) for back in range(WEEKS)]
