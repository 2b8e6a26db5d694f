import json
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collecting import Values, a_run
from sst_collector.loader import load
from sst_collector.publishing import suppression
from sst_collector.publishing.publication import publish, snapshot_of
from sst_collector.publishing.ranking import keeping, ranking
from sst_collector.warehouse.clock_ahead import ClockAheadError, refuse_if_ahead
from sst_collector.warehouse.duckdb.warehouse import DuckdbWarehouse, opened
from sst_collector.warehouse.protocol import Cell, PublishedWeek
from sst_core import SST, week_of

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckdbWarehouse]:
    with opened(tmp_path / "warehouse.duckdb", SST.catalogue) as warehouse:
        yield warehouse


@pytest.fixture
def arrive(warehouse: DuckdbWarehouse, tmp_path: Path) -> Callable[[datetime, int], None]:
    """So many machines run `build` once each, and it is loaded."""

    def arrive(now: datetime, machines: int, **values: object) -> None:
        segment = tmp_path / f"{secrets.token_hex(8)}.ndjson"
        lines = [json.dumps({"week": week_of(now), **a_run(**values)}) for _ in range(machines)]
        segment.write_text("\n".join(lines))
        load([segment], warehouse)

    return arrive


Arrive = Callable[..., None]


def last_week(warehouse: DuckdbWarehouse) -> PublishedWeek:
    return warehouse.published_weeks(since="2026-W01")[-1]


def snapshot(warehouse: DuckdbWarehouse, now: datetime, min_machines: int = 10) -> Values:
    publish(warehouse, SST.catalogue, min_machines, now)
    answer: Values = json.loads(snapshot_of(warehouse, SST.catalogue, min_machines, now).to_json())
    return answer


def builds(snapshot: Values) -> dict[str, tuple[int, int] | None]:
    return {
        window: next(
            ((cell["runs"], cell["machines"]) for cell in dimensions["command"] if cell["value"] == "build"), None
        )
        for window, dimensions in snapshot["windows"].items()
    }


def test_with_nothing_taken_in_the_shape_is_complete(warehouse: DuckdbWarehouse) -> None:
    names = {"command", "version", "platform", "distro", "architecture", "cpus", "python", "ci"}
    assert snapshot(warehouse, MONDAY) == {
        "snapshot": "2026-11-23T00:00:00Z",
        "windows": {window: {name: [] for name in names} for window in ("30", "90", "365")},
        "withheld": 0,
        "rejected": 0,
        "min_machines": 10,
        "weeks": [],
    }


def test_a_week_is_published_when_it_has_closed(warehouse: DuckdbWarehouse, arrive: Arrive) -> None:
    arrive(MONDAY, 12)
    assert builds(snapshot(warehouse, MONDAY + timedelta(days=6, hours=23)))["30"] is None
    assert builds(snapshot(warehouse, MONDAY + timedelta(days=7)))["30"] == (12, 12)


def test_a_week_is_published_without_a_look_at_each_value_of_too_few_machines(
    warehouse: DuckdbWarehouse, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(MONDAY, 30)
    for number in range(20):
        arrive(MONDAY, 1, sstVersion=f"9.0.{number}")
    looked_at: list[Cell] = []
    cells = warehouse.cells

    def looking(week: str, min_machines: int = 1) -> list[Cell]:
        looked_at.extend(cells(week, min_machines))
        return looked_at

    monkeypatch.setattr(warehouse, "cells", looking)
    publish(warehouse, SST.catalogue, 10, MONDAY + timedelta(weeks=1))
    assert [cell.values for cell in looked_at if cell.dimension == "version"] == [20, 1]
    assert last_week(warehouse).withheld == 1  # the versions, whole: the one that is known goes with the small ones


def test_a_private_collector_shows_the_open_week_as_it_is_so_far(warehouse: DuckdbWarehouse, arrive: Arrive) -> None:
    arrive(MONDAY, 1)
    shown = snapshot(warehouse, MONDAY, min_machines=1)
    assert (builds(shown)["30"], shown["withheld"]) == ((1, 1), 0)
    arrive(MONDAY, 1)
    assert builds(snapshot(warehouse, MONDAY, min_machines=1))["30"] == (2, 2)
    assert builds(snapshot(warehouse, MONDAY + timedelta(weeks=1), min_machines=1))["30"] == (2, 2)


def test_a_private_collector_shows_an_open_week_once_that_a_clock_published_early(
    warehouse: DuckdbWarehouse, arrive: Arrive
) -> None:
    arrive(MONDAY, 12)
    publish(warehouse, SST.catalogue, 1, MONDAY + timedelta(weeks=1))
    shown = snapshot(warehouse, MONDAY, min_machines=1)
    assert [(week["week"], week["runs"]) for week in shown["weeks"]] == [("2026-W48", 12)]
    assert builds(shown)["30"] == (12, 12)


def test_a_week_that_is_out_is_never_computed_again(warehouse: DuckdbWarehouse, arrive: Arrive) -> None:
    arrive(MONDAY, 12)
    next_week = MONDAY + timedelta(weeks=1)
    before = snapshot(warehouse, next_week)
    arrive(MONDAY, 30)  # a clock that was wrong
    assert snapshot(warehouse, next_week) == before
    assert builds(snapshot(warehouse, next_week + timedelta(weeks=1)))["30"] == (42, 21)


def test_a_week_to_come_that_is_out_is_refused_and_one_that_is_not_over_is_not(
    warehouse: DuckdbWarehouse, arrive: Arrive
) -> None:
    for now in (MONDAY, MONDAY + timedelta(weeks=1)):
        arrive(now, 12)
    publish(warehouse, SST.catalogue, 10, MONDAY + timedelta(weeks=2))
    refuse_if_ahead(warehouse, MONDAY + timedelta(weeks=1))
    for now in (MONDAY + timedelta(days=6), MONDAY - timedelta(days=1)):
        with pytest.raises(ClockAheadError, match="2026-W49 is in the warehouse and has not begun"):
            refuse_if_ahead(warehouse, now)


def test_runs_of_a_week_after_the_next_are_refused_and_those_of_the_next_are_not(
    warehouse: DuckdbWarehouse, arrive: Arrive
) -> None:
    arrive(MONDAY + timedelta(weeks=1), 12)
    refuse_if_ahead(warehouse, MONDAY)
    with pytest.raises(ClockAheadError, match="2026-W49 is in the warehouse and has not begun"):
        refuse_if_ahead(warehouse, MONDAY - timedelta(seconds=1))


def test_a_window_is_the_sum_of_its_weeks_as_published(warehouse: DuckdbWarehouse, arrive: Arrive) -> None:
    for weeks, machines in ((1, 20), (2, 9), (4, 10), (5, 40), (13, 11), (14, 100), (52, 50), (53, 1000)):
        arrive(MONDAY - timedelta(weeks=weeks), machines)
    # Withheld: 9. The mean is over the weeks of which something is told, and so never below the threshold itself.
    assert builds(snapshot(warehouse, MONDAY)) == {"30": (30, 15), "90": (81, 20), "365": (231, 38)}


def test_a_window_tells_of_the_thousand_values_with_the_most_machines_and_then_runs(warehouse: DuckdbWarehouse) -> None:
    for week, runs in (("2026-W46", 20), ("2026-W47", 10)):
        versions = [Cell("version", f"1.{runs}.{number:03}", runs, 10) for number in range(600)]
        few_runs = Cell("version", "0.1.0", 6, 6)
        warehouse.publish(PublishedWeek(week, (*versions, few_runs), withheld=0))
    told = snapshot(warehouse, MONDAY, min_machines=2)["windows"]["30"]["version"]
    values = [total["value"] for total in told]
    assert (len(values), values[0], values[-1]) == (1000, "1.20.000", "1.10.398")
    assert told[600] == {"value": "0.1.0", "runs": 12, "machines": 6}  # twelve machines in two weeks, and as many runs


def test_a_value_of_every_week_is_not_kept_out_of_a_window_by_a_thousand_of_one_week_each(
    warehouse: DuckdbWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression, "MOST_VALUES", 5)
    known = Cell("version", "2.3.4", 60, 50)
    for week in ("2026-W44", "2026-W45", "2026-W46", "2026-W47"):
        invented = [Cell("version", f"9.{week[-2:]}.{number}", 9000, 60) for number in range(4)]
        warehouse.publish(PublishedWeek(week, (known, *invented), withheld=0))
    told = snapshot(warehouse, MONDAY)["windows"]["90"]["version"]
    assert len(told) == 5
    assert told[-1] == {"value": "2.3.4", "runs": 240, "machines": 50}


def test_a_week_says_what_it_comes_to_and_how_much_is_withheld(warehouse: DuckdbWarehouse, arrive: Arrive) -> None:
    arrive(MONDAY, 30)
    arrive(MONDAY, 16, command="deploy", systemPlatform="darwin", distro=None)
    arrive(MONDAY, 3, command="remove", systemPlatform="win32", distro=None)
    arrive(MONDAY, 90, isCI=True)  # told apart: they are of no machine
    arrive(MONDAY + timedelta(weeks=2), 9)
    weeks = snapshot(warehouse, MONDAY + timedelta(weeks=3))["weeks"]
    assert weeks == [
        {"week": "2026-W48", "runs": 49, "machines": 49, "withheld": 4},  # two commands, two platforms
        {"week": "2026-W50", "runs": None, "machines": None, "withheld": 7},
    ]


def test_a_weeks_machines_are_no_more_for_running_several_commands(warehouse: DuckdbWarehouse, arrive: Arrive) -> None:
    for machine in range(20):
        for command in ("build", "deploy", "start"):
            arrive(MONDAY, 1, command=command, anonymousId=f"{machine:032x}")
    (week,) = snapshot(warehouse, MONDAY + timedelta(weeks=1))["weeks"]
    assert (week["runs"], week["machines"]) == (60, 20)


def test_a_machine_of_each_group_is_two_in_the_open_week(warehouse: DuckdbWarehouse, arrive: Arrive) -> None:
    arrive(MONDAY, 1)
    arrive(MONDAY, 1, pythonVersion=None, distro=None)
    assert builds(snapshot(warehouse, MONDAY, min_machines=1))["30"] == (2, 2)


def test_who_is_withheld_for_a_small_neighbour_is_the_smallest_of_those_published_before(
    warehouse: DuckdbWarehouse, arrive: Arrive
) -> None:
    def told(week: int, **commands: int) -> set[str]:
        for command, machines in commands.items():
            arrive(MONDAY + timedelta(weeks=week), machines, command=command)
        snapshot(warehouse, MONDAY + timedelta(weeks=week + 1))
        return {cell.value for cell in last_week(warehouse).cells if cell.dimension == "command"}

    # Nothing was published before: the catalogue's last goes first, and it lists `build` first.
    assert told(0, build=30, start=40, diff=20, remove=1) == {"build", "start"}
    # What was not published lately goes last. From then on it is the smallest.
    assert told(1, build=30, start=40, diff=20, remove=1) == {"start", "diff"}
    assert told(2, build=30, start=40, diff=20, remove=1) == {"build", "start"}
    # However it has grown: what it is in the week itself must not tell.
    assert told(3, build=30, start=40, diff=200, remove=1) == {"build", "start"}
    assert told(4, build=30, start=40, diff=200, remove=1) == {"build", "start"}
    assert told(5, build=30, start=40, diff=200, remove=1) == {"build", "start"}
    assert told(6, build=30, start=40, diff=200, remove=1) == {"start", "diff"}


def test_machines_of_a_withheld_version_are_not_what_the_python_versions_leave(
    warehouse: DuckdbWarehouse, arrive: Arrive
) -> None:
    legacy = {"pythonVersion": None, "distro": None}
    arrive(MONDAY, 43)
    arrive(MONDAY, 20, systemPlatform="darwin", distro=None)
    arrive(MONDAY, 30, sstVersion="1.18.4", **legacy)
    arrive(MONDAY, 5, sstVersion="1.18.3", **legacy)
    arrive(MONDAY, 3, sstVersion="1.18.4", systemPlatform="darwin", **legacy)
    told = snapshot(warehouse, MONDAY + timedelta(weeks=1))["windows"]["30"]
    numbers = {name: {cell["value"]: cell["machines"] for cell in cells} for name, cells in told.items()}
    # 35 of the original client's are on Linux, their versions withheld; of the 3 that are not, nothing is told at all.
    assert numbers["platform"] == {"linux": 43 + 35, "darwin": 20}
    assert numbers["version"] == {"0.1.0": 63}
    assert numbers["python"] == {"3.11": 63}
    assert numbers["distro"] == {"debian-12": 43}


def test_the_original_client_beside_a_small_python_version_is_published(
    warehouse: DuckdbWarehouse, arrive: Arrive
) -> None:
    arrive(MONDAY, 40)
    arrive(MONDAY, 3, pythonVersion="3.12")
    arrive(MONDAY, 38, sstVersion="1.18.4", pythonVersion=None, distro=None)
    assert builds(snapshot(warehouse, MONDAY + timedelta(weeks=1)))["30"] == (81, 81)


def test_where_there_are_too_many_values_those_that_were_published_lately_are_told(
    warehouse: DuckdbWarehouse, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression, "MOST_VALUES", 2)
    for machines, version in ((30, "1.2.0"), (20, "1.1.0")):
        arrive(MONDAY, machines, sstVersion=version)
    snapshot(warehouse, MONDAY + timedelta(weeks=1))
    for machines, version in ((99, "0.0.1"), (99, "9.9.9"), (12, "1.2.0"), (12, "1.1.0")):
        arrive(MONDAY + timedelta(weeks=1), machines, sstVersion=version)
    snapshot(warehouse, MONDAY + timedelta(weeks=2))
    assert {cell.value for cell in last_week(warehouse).cells if cell.dimension == "version"} == {"1.1.0", "1.2.0"}


def test_the_most_machines_as_they_were_published_last_are_told_first_and_then_the_oldest_version() -> None:
    earlier = [PublishedWeek("2026-W47", (Cell("version", "2.0.0", 9, 30), Cell("version", "1.0.0", 99, 20)), 0)]
    cells = [Cell("version", version, 99, 99) for version in ("0.2.0", "0.10.0", "1.0.0", "2.0.0")]
    told = [cell.value for cell in sorted(cells, key=keeping(earlier, SST.catalogue))]
    assert told == ["2.0.0", "1.0.0", "0.2.0", "0.10.0"]


def test_the_rank_is_of_machines_as_they_were_published_last() -> None:
    earlier = [
        PublishedWeek("2026-W46", (Cell("command", "build", 900, 20), Cell("command", "start", 30, 30)), 0),
        PublishedWeek("2026-W47", (Cell("command", "build", 900, 40),), 0),
    ]
    cells = [Cell("command", command, 20, 20) for command in ("build", "start")]
    assert [cell.value for cell in sorted(cells, key=ranking(earlier, SST.catalogue))] == ["start", "build"]
    assert [cell.value for cell in sorted(cells, key=ranking(earlier[:1], SST.catalogue))] == ["build", "start"]


def test_what_is_no_version_has_a_place_too() -> None:
    cells = [Cell("python", version, 20, 20) for version in ("3.11", "unknown", "3.2", "3.11rc1")]
    by_rank = [cell.value for cell in sorted(cells, key=ranking([], SST.catalogue))]
    assert by_rank == ["unknown", "3.11rc1", "3.2", "3.11"]


def test_a_value_that_the_catalogue_no_longer_has_is_the_first_to_be_withheld() -> None:
    rank = ranking([], SST.catalogue)
    cells = [Cell("command", command, 20, 20) for command in ("build", "plugin", "of-an-earlier-catalogue")]
    assert [cell.value for cell in sorted(cells, key=rank)] == ["of-an-earlier-catalogue", "plugin", "build"]


def test_a_week_that_was_published_with_ci_runs_as_they_are_is_left_out(
    warehouse: DuckdbWarehouse, arrive: Arrive
) -> None:
    for week, runs in enumerate((3, 20)):
        arrive(MONDAY + timedelta(weeks=week), runs, isCI=True)
    later = MONDAY + timedelta(weeks=2)
    publish(warehouse, SST.catalogue, 1, later)

    def told(min_machines: int) -> list[Values]:
        ci: list[Values] = snapshot(warehouse, later, min_machines)["windows"]["30"]["ci"]
        return ci

    assert [told(least) for least in (1, 2, 10)] == [[{"value": "true", "runs": runs}] for runs in (23, 20, 20)]


def test_a_week_that_was_published_with_a_lower_threshold_is_left_out(
    warehouse: DuckdbWarehouse, arrive: Arrive
) -> None:
    arrive(MONDAY, 9)
    arrive(MONDAY + timedelta(weeks=1), 10)
    later = MONDAY + timedelta(weeks=2)
    assert builds(snapshot(warehouse, later, min_machines=1))["30"] == (19, 10)
    assert builds(snapshot(warehouse, later, min_machines=10))["30"] == (10, 10)


def test_withheld_cells_are_counted(warehouse: DuckdbWarehouse, arrive: Arrive) -> None:
    arrive(MONDAY, 9)
    out = snapshot(warehouse, MONDAY + timedelta(weeks=1))
    assert out["withheld"] == 7
    assert not any(cells for dimensions in out["windows"].values() for cells in dimensions.values())


def test_rejected_lines_are_told_in_tens_when_a_week_comes_out(
    warehouse: DuckdbWarehouse, arrive: Arrive, tmp_path: Path
) -> None:
    told: list[int] = []

    def reject(lines: int, now: datetime) -> None:
        segment = tmp_path / f"{secrets.token_hex(8)}.ndjson"
        segment.write_text(json.dumps({"week": week_of(now), "rejected": lines}))
        load([segment], warehouse)
        publish(warehouse, SST.catalogue, 10, now)
        told.append(snapshot_of(warehouse, SST.catalogue, 10, now).rejected)

    arrive(MONDAY, 12)
    arrive(MONDAY + timedelta(weeks=1), 12)
    for lines, hours in ((23, 0), (1, 1), (1, 7 * 24), (8, 7 * 24 + 1), (40, 8 * 24), (0, 14 * 24)):
        reject(lines, MONDAY + timedelta(hours=hours))
    assert told == [0, 0, 20, 20, 20, 70]
    assert snapshot(warehouse, MONDAY + timedelta(weeks=2), min_machines=1)["rejected"] == 73
    # Nor does who has no snapshot yet, or joins in the middle of a week, tell how many there are by now.
    reject(100, MONDAY + timedelta(weeks=2, hours=1))
    assert told[-1] == 70


def test_ci_is_told_in_runs_only(warehouse: DuckdbWarehouse, arrive: Arrive) -> None:
    arrive(MONDAY, 27, isCI=True)
    dimensions = snapshot(warehouse, MONDAY + timedelta(weeks=1))["windows"]["30"]
    assert dimensions.pop("ci") == [{"value": "true", "runs": 30}]
    assert not any(dimensions.values())


def test_values_come_largest_first(warehouse: DuckdbWarehouse, arrive: Arrive) -> None:
    for command, machines in (("start", 11), ("build", 12), ("deploy", 11)):
        arrive(MONDAY, machines, command=command)
    commands = snapshot(warehouse, MONDAY + timedelta(weeks=1))["windows"]["90"]["command"]
    assert [cell["value"] for cell in commands] == ["build", "deploy", "start"]


def test_values_of_as_many_runs_come_by_name_in_whichever_week_they_were(
    warehouse: DuckdbWarehouse, arrive: Arrive
) -> None:
    for weeks, command, machines in ((0, "start", 11), (1, "deploy", 30), (1, "start", 19)):
        arrive(MONDAY + timedelta(weeks=weeks), machines, command=command)
    commands = snapshot(warehouse, MONDAY + timedelta(weeks=2))["windows"]["90"]["command"]
    assert [(cell["value"], cell["runs"]) for cell in commands] == [("deploy", 30), ("start", 30)]
