from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from sst_collector.weeks import shifted, week_of

MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.integers(-60, 60))
def test_shifting_a_week_is_shifting_its_moments(moment: datetime, by: int) -> None:
    assert shifted(week_of(moment), by) == week_of(moment + timedelta(weeks=by))


@given(MOMENTS, MOMENTS)
def test_weeks_sort_as_their_moments_do(one: datetime, other: datetime) -> None:
    assert (week_of(one) <= week_of(other)) or one > other


def test_the_week_is_the_one_in_utc_and_of_the_iso_year() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert week_of(datetime(2026, 11, 23, 3, tzinfo=tokyo)) == "2026-W47"
    assert week_of(datetime(2027, 1, 1, tzinfo=UTC)) == "2026-W53"
    assert shifted("2026-W53", 1) == "2027-W01"
