"""What is still to be asked for: read from a file that anybody may have damaged, and no longer than it can matter."""

import json
from datetime import UTC, datetime, timedelta

from consenting import Consenting
from sst_core import week_of
from sst_telemetry.pending import WEEKS, pending_count, weeks


def test_a_pending_file_that_is_torn_or_foreign_is_not_sent(consenting: Consenting) -> None:
    file = consenting.locations.state / "forget.json"
    for content in (
        "",
        "{",
        '{"a": 1}',
        '{"a": {"no list": "2026-W48"}}',
        json.dumps({"a": [{"not an id": week_of(datetime.now(UTC))}]}),
        '{"a": ["not ids"]}',
        "[[]]",
        "[" * 100_000,
    ):
        file.write_text(content)
        assert pending_count(consenting.locations) == 0


def test_pending_ids_end_with_the_weeks_that_a_collector_keeps(consenting: Consenting) -> None:
    weeks = [week_of(datetime.now(UTC) - timedelta(weeks=back)) for back in (0, WEEKS - 1, WEEKS)]
    ids = {f"{number:032x}": week for number, week in enumerate(weeks)}
    (consenting.locations.state / "forget.json").write_text(
        json.dumps({"http://127.0.0.1:9/events": [ids, "no ids"], "https://a.example": {}})
    )

    assert pending_count(consenting.locations) == 2


def test_the_weeks_are_those_that_a_collector_may_still_keep_and_no_more() -> None:
    days = [datetime(2026, 11, 23 + day, tzinfo=UTC) for day in range(7)]
    # A run is sent for 30 days, and then kept for 90.
    touched = [{week_of(day - timedelta(days=back)) for back in range(30 + 90 + 1)} for day in days]

    assert all(some <= set(weeks(day)) for day, some in zip(days, touched, strict=True))
    assert max(map(len, touched)) == WEEKS
    assert all(weeks(day)[0] == "2026-W48" for day in days)
