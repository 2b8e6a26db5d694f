"""A clock that was ahead: weeks in a warehouse that should not be in it yet, and what to do about them.

Where a week that has not begun is published, whatever arrives until it is over would be filed behind it, and neither be
published nor expire before. Where runs are kept of one that is later than the next, these would be kept for as long.
A clock that is less than a week ahead does neither: it publishes the week that is open, and files runs in the next, and
nothing has to be repaired.
"""

from datetime import datetime

from sst_collector.warehouse.protocol import Warehouse, WarehouseError
from sst_collector.weeks import shifted
from sst_core import week_of


class ClockAheadError(WarehouseError):
    """A week in the warehouse has not begun. What it says names the week and nothing else: anybody may read it."""


def refuse_if_ahead(warehouse: Warehouse, now: datetime) -> None:
    """Raises :class:`ClockAheadError` where there is :func:`advice_if_ahead`."""
    published, kept = warehouse.last_published_week(), warehouse.last_kept_week(after=week_of(now))
    if advice := advice_if_ahead(published, kept, now):
        raise ClockAheadError(advice)


def advice_if_ahead(published: str, kept: str, now: datetime) -> str | None:
    """What to do where a clock was ahead by a week and more of `now`; None if none was.

    `published` is the last week that is published in a warehouse, and `kept` the last that runs are kept of; empty if
    there is none.
    """
    this_week = week_of(now)
    if published <= this_week and kept <= shifted(this_week, 1):
        return None
    return (
        f"{max(published, kept)} is in the warehouse and has not begun: a clock was ahead. Set this machine's clock "
        'right. If it is, do what docs/collector.md says under "A clock that was ahead".'
    )
