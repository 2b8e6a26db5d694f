"""A clock, and counting in the ISO weeks of :func:`sst_core.week_of`."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

Clock = Callable[[], datetime]
"""The time now, with its zone."""


def shifted(week: str, by: int) -> str:
    """The week `by` weeks after `week`; before it, if negative."""
    return (monday_of(week) + timedelta(weeks=by)).strftime("%G-W%V")


def monday_of(week: str) -> date:
    """The day that `week` begins on."""
    return date.fromisoformat(f"{week}-1")
