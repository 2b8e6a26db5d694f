from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sst_collector.weeks import shifted
from sst_core import week_of

MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.integers(-60, 60))
def test_shifting_a_week_is_shifting_its_moments(moment: datetime, by: int) -> None:
    assert shifted(week_of(moment), by) == week_of(moment + timedelta(weeks=by))


def test_a_year_may_have_53_weeks() -> None:
    assert shifted("2026-W53", 1) == "2027-W01"
