"""What is still to be asked for: read from a file that anybody may have damaged, and no longer than it can matter."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consenting import Consenting
from permissions import give_away
from sst_core import ConfigurationError, SstError, week_of
from sst_telemetry.pending import WEEKS, keep, pending_count, weeks

AN_ID = "0" * 32


def test_a_pending_file_in_which_nothing_is_left_is_an_empty_one(consenting: Consenting) -> None:
    file = consenting.locations.state / "forget.json"
    for content in ("", "{}", '{"a": []}', '{"a": [{}]}', f'{{"a": [{{"{AN_ID}": "2020-01-06"}}]}}'):
        file.write_text(content)
        assert pending_count(consenting.locations) == 0


TORN = [
    "{",
    "[[]]",
    "null",
    "[" * 100_000,
    '{"a": 1}',
    '{"a": {"no list": "2026-W48"}}',
    '{"a": ["not ids"]}',
    '{"a": [{"not an id": "2026-11-23"}]}',
    f'{{"a": [{{"{AN_ID}": 1}}]}}',
]


@pytest.mark.parametrize("content", TORN, ids=lambda content: content[:24])
def test_a_pending_file_that_is_torn_is_not_taken_for_an_empty_one(consenting: Consenting, content: str) -> None:
    file = consenting.locations.state / "forget.json"
    file.write_text(content)

    with pytest.raises(ConfigurationError, match=r"is torn: .* Delete it\.") as refused:
        pending_count(consenting.locations)

    assert str(refused.value).startswith(str(file))


@pytest.mark.parametrize("foreign", [lambda file: file.chmod(0o666), give_away], ids=["writable", "another's"])
def test_a_pending_file_that_others_may_have_written_is_not_taken_for_an_empty_one(
    consenting: Consenting, foreign: Callable[[Path], None]
) -> None:
    file = consenting.locations.state / "forget.json"
    file.write_text("{}")
    foreign(file)

    with pytest.raises(ConfigurationError):
        pending_count(consenting.locations)


def test_pending_ids_end_with_the_weeks_that_a_collector_keeps(consenting: Consenting) -> None:
    weeks = [week_of(datetime.now(UTC) - timedelta(weeks=back)) for back in (0, WEEKS - 1, WEEKS)]
    ids = {f"{number:032x}": week for number, week in enumerate(weeks)}
    (consenting.locations.state / "forget.json").write_text(
        json.dumps({"http://127.0.0.1:9/events": [ids, {}], "https://a.example": []})
    )

    assert pending_count(consenting.locations) == 2


def test_the_weeks_are_those_that_a_collector_may_still_keep_and_no_more() -> None:
    days = [datetime(2026, 11, 23 + day, tzinfo=UTC) for day in range(7)]
    # A run is sent for 30 days, and then kept for 90.
    touched = [{week_of(day - timedelta(days=back)) for back in range(30 + 90 + 1)} for day in days]

    assert all(some <= set(weeks(day)) for day, some in zip(days, touched, strict=True))
    assert max(map(len, touched)) == WEEKS
    assert all(weeks(day)[0] == "2026-W48" for day in days)


def test_what_the_disk_refuses_is_told_and_nothing_is_asked(consenting: Consenting) -> None:
    (consenting.locations.state / "forget.json" / "in the way").mkdir(parents=True)

    with pytest.raises(SstError, match=r"The request can't be kept on this machine: .*forget\.json"):
        keep(consenting.locations, {})
