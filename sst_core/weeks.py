"""The clock, and ISO weeks, written `2026-W48`: what an anonymous id lives for, and what is counted and published at
once."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The machine's clock, in UTC."""
    return datetime.now(UTC)


def week_of(moment: datetime) -> str:
    """The week that `moment` is in, of which UTC decides where it ends. As text, weeks sort in order of time.

    A moment without a time zone is taken for local time.
    """
    return moment.astimezone(UTC).strftime("%G-W%V")
