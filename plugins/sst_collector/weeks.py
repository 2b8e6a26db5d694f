"""ISO weeks, written `2026-W48`. As text they sort in order of time, and UTC decides where one ends."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

Clock = Callable[[], datetime]
"""The time now, with its zone."""


def utc_now() -> datetime:
    """The clock that is used outside tests."""
    return datetime.now(UTC)


def week_of(moment: datetime) -> str:
    """The week that `moment` is in."""
    return moment.astimezone(UTC).strftime("%G-W%V")


def shifted(week: str, by: int) -> str:
    """The week `by` weeks after `week`; before it, if negative."""
    return (monday_of(week) + timedelta(weeks=by)).strftime("%G-W%V")


def monday_of(week: str) -> date:
    """The day that `week` begins on."""
    return date.fromisoformat(f"{week}-1")
