"""A clock that was ahead: weeks in a warehouse that have not begun, and what to do about them.

Where one is published, whatever arrives until it is over would be filed behind it, and neither be published nor expire
before. Of a clock that is less than a week ahead nothing has to be repaired.
"""

from datetime import datetime

from sst_collector.warehouse.protocol import WarehouseError
from sst_core import week_of


class ClockAheadError(WarehouseError):
    """A week in the warehouse has not begun. What it says names the week and nothing else: anybody may read it."""


def refuse_if_ahead(latest: str, now: datetime) -> None:
    """Raises :class:`ClockAheadError` where `latest`, a warehouse's last week, has not begun by `now`."""
    if advice := advice_if_ahead(latest, now):
        raise ClockAheadError(advice)


def advice_if_ahead(latest: str, now: datetime) -> str | None:
    """What it means that `latest` is in a warehouse and has not begun by `now`, and what to do; None if it has."""
    if latest <= week_of(now):
        return None
    return (
        f"{latest} is in the warehouse and has not begun: a clock was ahead. Set this machine's clock right. If it is, "
        'do what docs/collector.md says under "A clock that was ahead".'
    )
