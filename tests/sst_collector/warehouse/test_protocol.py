"""The contract of a warehouse: each of them keeps it, real ones all."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from attacking import folded
from collecting import Values, a_run
from sst_collector.loader import load
from sst_collector.warehouse.protocol import Cell, PublishedWeek, Warehouse, WarehouseError
from sst_collector.weeks import shifted
from sst_core import SST, Catalogue, week_of
from waiting import eventually
from warehousing import WEEK, Place, SegmentOf, runs


@pytest.fixture
def warehouse(place: Place) -> Iterator[Warehouse]:
    with place.opened() as warehouse:
        yield warehouse


def test_a_segment_is_loaded_once_however_often_it_is_tried(place: Place, segment_of: SegmentOf) -> None:
    segment = segment_of(a_run(), {"rejected": 2})
    for _ in range(2):  # as after a kill between the commit and the deletion
        with place.opened() as warehouse:
            warehouse.load(segment)
            assert (runs(warehouse), warehouse.rejected_lines()) == (1, 2)


def test_a_session_counts_once_in_a_segment_and_across_them(warehouse: Warehouse, segment_of: SegmentOf) -> None:
    one = a_run()
    load([segment_of(one, one), segment_of(one, a_run(), week="2026-W49")], warehouse)
    assert (runs(warehouse), runs(warehouse, "2026-W49")) == (1, 1)


@pytest.mark.parametrize(
    "tail",
    [b'{"week":"2026-W48","sess', b"\0" * 5000, b"\0" * 5000 + b'\n{"week":', b"\xff\xfe\n{}\n[]\n8\n", b""],
    ids=["cut", "zeros", "zeros and a cut", "rubbish", "nothing"],
)
def test_what_a_crash_tore_is_skipped(tail: bytes, warehouse: Warehouse, segment_of: SegmentOf) -> None:
    load([segment_of(a_run(), tail=tail), segment_of(tail=tail)], warehouse)
    assert (runs(warehouse), warehouse.rejected_lines()) == (1, 0)


def test_however_much_a_crash_filled_with_zeros_it_is_skipped(warehouse: Warehouse, segment_of: SegmentOf) -> None:
    zeros = b"\0" * (17 << 20)  # DuckDB reads no line of more than 16 MiB
    torn = [segment_of(a_run(), tail=zeros), segment_of(tail=zeros), segment_of(a_run(), tail=b'{"week":' + zeros)]
    load(torn, warehouse)
    assert (runs(warehouse), any(segment.exists() for segment in torn)) == (2, False)


def test_segments_are_deleted_only_after_a_checkpoint(
    warehouse: Warehouse,
    segment_of: SegmentOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    segment = segment_of(a_run())
    with monkeypatch.context() as broken:
        broken.setattr(type(warehouse), "checkpoint", _fail)
        with pytest.raises(WarehouseError):
            load([segment], warehouse)
    assert segment.exists()
    load([segment], warehouse)
    assert not segment.exists()
    assert runs(warehouse) == 1


def _fail(_warehouse: Warehouse) -> None:
    raise WarehouseError("no")


def test_cells_count_runs_and_distinct_machines(warehouse: Warehouse, segment_of: SegmentOf) -> None:
    machine = "ab" * 16
    load(
        [
            segment_of(
                a_run(anonymousId=machine),
                a_run(anonymousId=machine, command="deploy"),
                a_run(anonymousId=machine, command="deploy"),
                a_run(systemPlatform="darwin", distro=None, cpuCount=16),
            )
        ],
        warehouse,
    )
    cells = {(cell.dimension, cell.value): (cell.runs, cell.machines) for cell in warehouse.cells(WEEK)}
    assert cells == {
        ("version", "0.1.0"): (4, 2),
        ("platform", "darwin"): (1, 1),
        ("platform", "linux"): (3, 1),
        ("architecture", "x64"): (4, 2),
        ("distro", "debian-12"): (3, 1),
        ("cpus", "16"): (1, 1),
        ("cpus", "8"): (3, 1),
        ("python", "3.11"): (4, 2),
        ("command", "build"): (2, 2),
        ("command", "deploy"): (2, 1),
    }


def test_the_small_ones_of_a_dimension_come_as_one_cell_in_each_group(
    warehouse: Warehouse, segment_of: SegmentOf
) -> None:
    """However many they are: a collector has no room for each that a stranger invents."""
    nothing_said: Values = {"distro": None, "pythonVersion": None}
    known = [a_run() for _ in range(3)]
    invented = [a_run(sstVersion=f"9.{number}.{number}", command="deploy") for number in range(50)]
    twice = [a_run(sstVersion="8.0.0", anonymousId="ab" * 16) for _ in range(2)]  # by a single machine
    theirs = [a_run(sstVersion=f"7.0.{number}", **nothing_said) for number in range(2)]
    load([segment_of(*known, *invented, *twice, *theirs, a_run(isCI=True))], warehouse)
    every, told = warehouse.cells(WEEK), warehouse.cells(WEEK, 3)
    assert [cell for cell in told if cell.dimension == "version"] == [
        Cell("version", "", 52, 51, values=51),
        Cell("version", "", 2, 2, unsaid="distro python ", values=2),
        Cell("version", "0.1.0", 3, 3),
    ]
    assert sorted(map(repr, told)) == sorted(map(repr, folded(every, 3)))


def test_ci_runs_are_counted_in_their_own_dimension_and_in_no_other(
    warehouse: Warehouse, segment_of: SegmentOf
) -> None:
    load([segment_of(a_run(isCI=True, ciName="gitlab"), a_run(isCI=True))], warehouse)
    assert warehouse.cells(WEEK) == [Cell("ci", "true", 2, None)]


def test_a_run_that_arrives_for_a_week_that_is_out_joins_the_first_that_is_not(
    warehouse: Warehouse, segment_of: SegmentOf
) -> None:
    warehouse.publish(PublishedWeek("2026-W52", (), withheld=0))
    load([segment_of(a_run(), week="2026-W51"), segment_of(a_run(), week="2026-W52")], warehouse)
    assert runs(warehouse, "2026-W53") == 2


def test_what_was_published_is_read_back_as_it_was(warehouse: Warehouse) -> None:
    published = PublishedWeek(
        WEEK, (Cell("ci", "true", 20, None), Cell("command", "build", 40, 12)), withheld=3, rejected=20
    )
    warehouse.publish(published)
    assert warehouse.published_weeks(since=WEEK) == [published]
    assert warehouse.published_weeks(since="2026-W49") == []


def test_a_field_that_the_catalogue_gains_becomes_a_column(place: Place, segment_of: SegmentOf) -> None:
    smaller = Catalogue(tuple(field for field in SST.catalogue if field.key != "distro"))
    with place.opened(smaller) as warehouse:
        load([segment_of(a_run())], warehouse)
    with place.opened() as warehouse:
        load([segment_of(a_run())], warehouse)
        assert [cell for cell in warehouse.cells(WEEK) if cell.dimension in ("distro", "platform")] == [
            Cell("platform", "linux", 1, 1),
            Cell("platform", "linux", 1, 1, unsaid="distro "),
            Cell("distro", "debian-12", 1, 1),
        ]


def test_runs_that_leave_the_same_unsaid_are_counted_apart_and_a_null_is_no_value(
    warehouse: Warehouse, segment_of: SegmentOf
) -> None:
    nothing_said: Values = {"distro": None, "pythonVersion": None}
    darwin: Values = {"systemPlatform": "darwin"}
    runs = [a_run(), a_run(**nothing_said), a_run(**nothing_said), a_run(**darwin, **nothing_said), a_run(**darwin)]
    load([segment_of(*runs)], warehouse)
    cells = [cell for cell in warehouse.cells(WEEK) if cell.dimension in ("platform", "distro", "python")]
    # A distribution is Linux's: nothing is left unsaid where there is none, nor counted where one is claimed.
    assert cells == [
        Cell("platform", "darwin", 1, 1),
        Cell("platform", "darwin", 1, 1, unsaid="python "),
        Cell("platform", "linux", 1, 1),
        Cell("platform", "linux", 2, 2, unsaid="distro python "),
        Cell("distro", "debian-12", 1, 1),
        Cell("python", "3.11", 2, 2),
    ]


def test_a_session_counts_once_in_31_days(warehouse: Warehouse, segment_of: SegmentOf) -> None:
    one = a_run()
    sunday = week_of(datetime(2026, 11, 1, tzinfo=UTC))
    monday_31_days_later = week_of(datetime(2026, 12, 2, tzinfo=UTC))
    load([segment_of(one, week=sunday), segment_of(one, week=monday_31_days_later)], warehouse)
    assert (runs(warehouse, sunday), runs(warehouse, monday_31_days_later)) == (1, 0)


def test_the_last_week_that_is_published_is_known(warehouse: Warehouse) -> None:
    assert warehouse.last_published_week() == ""
    for week in (WEEK, shifted(WEEK, 5)):
        warehouse.publish(PublishedWeek(week, (), withheld=0))
    assert warehouse.last_published_week() == shifted(WEEK, 5)


def test_the_last_week_that_has_runs_is_told_if_it_is_late_enough(warehouse: Warehouse, segment_of: SegmentOf) -> None:
    assert warehouse.last_kept_week(after="") == ""
    load([segment_of(a_run(), week=week) for week in ("2026-W49", WEEK)], warehouse)
    told = [*["2026-W49"] * 2, ""]
    asked = ("2026-W47", WEEK, "2026-W49")
    eventually(lambda: [warehouse.last_kept_week(after=week) for week in asked] == told, "each replica has them")


def test_only_published_weeks_expire(warehouse: Warehouse, segment_of: SegmentOf) -> None:
    weeks = ("2026-W20", "2026-W31", "2026-W32")
    load([segment_of(a_run(), week=week) for week in weeks], warehouse)
    warehouse.publish(PublishedWeek("2026-W20", (), withheld=0))
    warehouse.publish(PublishedWeek("2026-W31", (), withheld=0))
    warehouse.expire(before="2026-W31")
    assert [runs(warehouse, week) for week in weeks] == [0, 1, 1]
    warehouse.expire(before="2026-W45")
    assert runs(warehouse, "2026-W32") == 1


def test_a_machine_is_forgotten_in_every_week_that_is_kept(warehouse: Warehouse, segment_of: SegmentOf) -> None:
    ids = [secrets.token_hex(16) for _ in range(3)]
    weeks = ("2026-W30", "2026-W31", "2026-W48")
    load(
        [segment_of(a_run(anonymousId=id), a_run(), week=week) for id, week in zip(ids, weeks, strict=True)], warehouse
    )
    load([segment_of(*({"forget": id} for id in ids))], warehouse)
    assert [runs(warehouse, week) for week in weeks] == [1, 1, 1]
