from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sst_core import week_of

MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, MOMENTS)
def test_weeks_sort_as_their_moments_do(one: datetime, other: datetime) -> None:
    assert (week_of(one) <= week_of(other)) or one > other


@pytest.mark.parametrize(
    ("moment", "week"),
    [
        (datetime(2027, 1, 1, tzinfo=UTC), "2026-W53"),
        (datetime(2027, 1, 3, 12, tzinfo=UTC), "2026-W53"),
        (datetime(2027, 1, 4, tzinfo=UTC), "2027-W01"),
        (datetime(2026, 11, 23, 1, tzinfo=timezone(timedelta(hours=2))), "2026-W47"),
        (datetime(2026, 11, 23, 3, tzinfo=timezone(timedelta(hours=9))), "2026-W47"),
    ],
)
def test_the_week_is_the_one_in_utc_and_of_the_iso_year(moment: datetime, week: str) -> None:
    assert week_of(moment) == week
