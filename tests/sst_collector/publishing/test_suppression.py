from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacking import folded
from sst_collector.publishing import suppression
from sst_collector.publishing.suppression import publishable
from sst_collector.warehouse.protocol import Cell, PublishedWeek

WEEK = "2026-W48"


def test_a_cell_of_too_few_machines_is_withheld_with_the_neighbour_that_comes_first() -> None:
    assert published(command(build=(90, 30), deploy=(40, 20), remove=(3, 2))) == {"build": (90, 30)}
    assert published(command(build=(90, 30), deploy=(40, 20), remove=(3, 2)), first="build") == {"deploy": (40, 20)}


def test_neighbours_follow_until_the_withheld_have_machines_to_spare() -> None:
    # One and ten can't be told from two and nine, but withheld because one of them is small they can.
    assert published(command(build=(90, 30), deploy=(17, 17), remove=(1, 1))) == {}
    assert published(command(build=(90, 30), deploy=(18, 18), remove=(1, 1))) == {"build": (90, 30)}
    assert published(command(build=(90, 30), deploy=(9, 9), remove=(9, 9), start=(12, 12))) == {"build": (90, 30)}


def test_nothing_is_withheld_where_every_cell_has_enough() -> None:
    assert published(command(build=(90, 10), deploy=(40, 10))) == {"build": (90, 10), "deploy": (40, 10)}


def test_a_dimension_goes_with_the_cell_that_it_adds_up_to() -> None:
    cells = [
        Cell("platform", "darwin", 50, 30),
        Cell("platform", "linux", 25, 18),
        Cell("platform", "win32", 3, 2),
        Cell("distro", "debian-12", 25, 18),
    ]
    out = publishable(WEEK, cells, 10, rank=lambda cell: cell.value != "linux", keep=str)
    assert out == PublishedWeek(WEEK, (Cell("platform", "darwin", 50, 30),), withheld=3)


def test_a_dimension_that_is_withheld_whole_counts_once() -> None:
    ten = [Cell("version", f"0.{minor}.0", 1, 1) for minor in range(10)]
    out = publishable(WEEK, [Cell("platform", "darwin", 10, 10), *ten], 10, rank=str, keep=str)
    assert out == PublishedWeek(WEEK, (Cell("platform", "darwin", 10, 10),), withheld=1)


def test_in_a_week_of_few_machines_a_dimension_with_a_small_cell_is_withheld_whole() -> None:
    # All ten ran `build`, nine of them `remove`: 19 in all, as the rule asks for, and there are no more than ten.
    of_ten = command(build=(10, 10), deploy=(10, 10), remove=(9, 9))
    assert published([*of_ten, Cell("platform", "darwin", 29, 10)]) == {"darwin": (29, 10)}
    assert published([*of_ten, Cell("platform", "darwin", 29, 18)]) == {"darwin": (29, 18), "build": (10, 10)}


@pytest.mark.parametrize(("machines", "told"), [(1, 0), (10, 1000)])
def test_a_hundred_thousand_invented_values_are_looked_at_in_time(machines: int, told: int) -> None:
    """Within the test's timeout: a look at each for each would take ten minutes."""
    invented = [Cell("version", f"1.0.{number}", machines, machines) for number in range(100_000)]
    cells = [Cell("platform", "linux", 999_999, 50_000), Cell("version", "0.1.0", 1, 1), *invented]
    out = publishable(WEEK, cells, 10, rank=by_value, keep=by_value)
    assert (out.cells[0], len(out.cells)) == (cells[0], 1 + told)


NUMBERS = st.lists(st.integers(1, 4) | st.integers(1, 30), min_size=2, max_size=6)
"""The machines of a dimension's values."""
GROUP = st.fixed_dictionaries(dict.fromkeys(("platform", "distro", "version"), NUMBERS))


@given(
    st.dictionaries(st.sampled_from(("", "python ")), GROUP, min_size=1),
    st.integers(1, 8),
    st.permutations(range(6)),
    st.permutations(range(6)),
    st.sampled_from((1, 2, 1000)),
)
def test_small_cells_that_come_as_one_are_published_as_they_are_one_by_one(
    groups: dict[str, dict[str, list[int]]], min_machines: int, rank: list[int], keep: list[int], most: int
) -> None:
    values = ("linux", "b", "c", "d", "e", "f")
    cells = [
        Cell(dimension, value, machines + place, machines, unsaid)
        for unsaid, dimensions in groups.items()
        for dimension, numbers in dimensions.items()
        for place, (value, machines) in enumerate(zip(values, numbers, strict=False))
    ]

    def out(cells: Sequence[Cell]) -> PublishedWeek:
        by_rank, by_keep = (lambda cell, by=by: by[values.index(cell.value)] for by in (rank, keep))
        return publishable(WEEK, cells, min_machines, by_rank, by_keep)

    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(suppression, "MOST_VALUES", most)
        assert out(folded(cells, min_machines)) == out(cells)


def test_of_more_than_a_thousand_values_a_thousand_are_published() -> None:
    small = [Cell("version", f"0.0.{number}", 1, 1) for number in range(2000)]  # which cost a forger nothing
    large = [Cell("version", f"1.0.{number:04}", 10, 10) for number in range(1003)]
    others = Cell("command", "build", 50, 50)
    # Two go with the small ones.
    for cells, told, withheld in (
        ([*small, *large[:1002]], large[2:1002], 2002),
        ([*small, *large], [*large[2:500], *large[501:]], 2003),
        (large[:1001], [*large[:500], *large[501:1001]], 1),
    ):
        out = publishable(WEEK, [*cells, others], 10, by_value, keep=lambda cell: cell.value == "1.0.0500")
        assert (set(out.cells), out.withheld) == ({*told, others}, withheld)


def test_a_dimension_goes_with_the_cell_that_it_adds_up_to_where_that_is_one_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suppression, "MOST_VALUES", 1)
    cells = [Cell("platform", "darwin", 30, 30), Cell("platform", "linux", 25, 18), Cell("distro", "debian-12", 25, 18)]
    assert publishable(WEEK, cells, 10, by_value, keep=by_value) == PublishedWeek(WEEK, (cells[0],), withheld=2)


def test_where_few_machines_have_linux_distributions_with_a_small_one_are_withheld_whole() -> None:
    # A machine may have two: of twelve, eleven and ten, a small one beside them could be of seven, eight or nine alone.
    distros = [Cell("distro", "fedora", 20, 10), Cell("distro", "debian-12", 20, 11), Cell("distro", "ubuntu-24", 9, 9)]
    for linux, told in ((12, {}), (17, {}), (18, {"fedora": (20, 10)})):
        cells = [Cell("platform", "linux", 49, linux), Cell("platform", "darwin", 30, 30), *distros]
        assert published(cells, first="debian-12") == {"linux": (49, linux), "darwin": (30, 30), **told}


def test_groups_that_leave_different_things_unsaid_are_published_as_if_they_were_alone() -> None:
    # Together `remove` has enough, and so has `build` without the one group; but one group must not tell of another.
    ours = command(build=(90, 60), deploy=(40, 20), remove=(9, 9))
    theirs = [Cell("command", "build", 30, 15, "python "), Cell("command", "remove", 9, 9, "python ")]
    few = [Cell("command", "build", 9, 9, "python distro "), Cell("platform", "linux", 9, 9, "python distro ")]
    alone = [publishable(WEEK, cells, 10, rank=str, keep=str) for cells in (ours, theirs, few)]
    assert [one.cells for one in alone] == [(Cell("command", "deploy", 40, 20),), (), ()]
    assert publishable(WEEK, [*ours, *theirs, *few], 10, rank=str, keep=str) == PublishedWeek(
        WEEK, alone[0].cells, withheld=sum(one.withheld for one in alone)
    )


def test_what_is_published_is_the_sum_of_the_groups() -> None:
    both = [*command(build=(90, 60)), Cell("command", "build", 30, 15, "python ")]
    assert publishable(WEEK, both, 10, rank=str, keep=str).cells == (Cell("command", "build", 120, 75),)
    assert publishable(WEEK, both, 1, rank=str, keep=str).cells == (Cell("command", "build", 120, 75),)


def test_ci_is_one_rounded_count() -> None:
    assert publishable(WEEK, [Cell("ci", "true", 1234, None)], 10, str, str).cells == (Cell("ci", "true", 1230, None),)
    assert publishable(WEEK, [Cell("ci", "true", 4, None)], 10, str, str) == PublishedWeek(WEEK, (), withheld=0)


def test_a_threshold_of_one_publishes_everything_as_it_is() -> None:
    cells = (Cell("command", "build", 1, 1), Cell("ci", "true", 1234, None))
    assert publishable(WEEK, cells, 1, str, str) == PublishedWeek(WEEK, cells, withheld=0)


by_value = attrgetter("value")


def command(**cells: tuple[int, int]) -> list[Cell]:
    return [Cell("command", value, runs, machines) for value, (runs, machines) in cells.items()]


def published(cells: Sequence[Cell], first: str = "deploy") -> dict[str, tuple[int, int | None]]:
    out = publishable(WEEK, cells, 10, rank=lambda cell: (cell.value != first, cell.value == "build"), keep=str)
    return {cell.value: (cell.runs, cell.machines) for cell in out.cells}


# The law, over every week there can be up to a size: of all weeks that are published as this one is, and have its
# totals, a small cell is of every small number of machines in some. Whoever knows the rule, the totals and, where a
# part of a dimension is published, the names of the rest learns nothing else about it.

VALUES = ("linux", "darwin", "win32", "other")
Table = tuple[tuple[int, int], ...]
"""Machines and runs of each value, in order."""


@pytest.mark.parametrize("min_machines", [2, 3, 4, 5])
def test_of_what_adds_up_to_the_machines_every_small_number_remains_possible(min_machines: int) -> None:
    assert told("architecture", min_machines, weeks_of_separate_machines()) == []


@pytest.mark.parametrize("min_machines", [2, 3])
def test_of_what_machines_share_every_small_number_of_machines_remains_possible(min_machines: int) -> None:
    assert told("command", min_machines, weeks_of_shared_machines()) == []


def test_of_distributions_every_small_number_remains_possible_however_few_machines_have_linux() -> None:
    assert told("distro", 3, weeks_of_shared_machines(), elsewhere=9) == []


@pytest.mark.parametrize("most", [1, 2])
def test_where_there_are_too_many_values_every_small_number_remains_possible(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression, "MOST_VALUES", most)
    assert told("architecture", 3, weeks_of_separate_machines()) == []
    assert told("command", 2, weeks_of_shared_machines()) == []


def test_the_same_question_finds_what_a_smallest_neighbour_tells() -> None:
    assert any("1 is impossible" in one for one in told("architecture", 3, weeks_of_separate_machines(), by_size=True))


def weeks_of_separate_machines(most: int = 16) -> Iterator[tuple[int, Table]]:
    """Weeks of at most so many machines, each with one value and one run."""
    for counts in product(range(most + 1), repeat=len(VALUES)):
        if 0 < sum(counts) <= most:
            yield sum(counts), tuple((count, count) for count in counts)


def weeks_of_shared_machines(most_runs: int = 10, most_machines: int = 5) -> Iterator[tuple[int, Table]]:
    """Weeks in which a machine may have several of three values."""
    for machines in range(1, most_machines + 1):
        cells = [(0, 0), *((count, runs) for count in range(1, machines + 1) for runs in range(count, most_runs + 1))]
        for table in product(cells, repeat=3):
            if sum(count for count, _ in table) >= machines and sum(runs for _, runs in table) <= most_runs:
                yield machines, table


def told(
    dimension: str,
    min_machines: int,
    weeks: Iterable[tuple[int, Table]],
    *,
    elsewhere: int = 0,
    by_size: bool = False,
) -> list[str]:
    """What the publication of some week rules out of a small cell in it. Each week comes with its machines on Linux;
    there are so many `elsewhere`."""
    others = [Cell("platform", "darwin", elsewhere, elsewhere)] if elsewhere else []
    alike: defaultdict[tuple[int, int, PublishedWeek, tuple[str, ...]], list[Table]] = defaultdict(list)
    for machines, table in weeks:
        total = sum(runs for _, runs in table)
        cells = [
            Cell(dimension, value, runs, count) for value, (count, runs) in zip(VALUES, table, strict=False) if count
        ]
        out = publishable(
            WEEK,
            [*cells, Cell("platform", "linux", total, machines), *others],
            min_machines,
            rank=lambda cell: (cell.machines if by_size else 0, VALUES.index(cell.value)),
            keep=lambda cell: -VALUES.index(cell.value),
        )
        names = tuple(cell.value for cell in cells) if any(cell.dimension == dimension for cell in out.cells) else ()
        alike[machines, total, out, names].append(table)
    findings = []
    for (machines, _, out, _), tables in alike.items():
        for place, value in enumerate(VALUES[: len(tables[0])]):
            possible = {table[place][0] for table in tables}
            if machines >= min_machines and possible & set(range(1, min_machines)):
                findings += [
                    f"{out}: {small} is impossible of {value}"
                    for small in range(1, min_machines)
                    if small not in possible
                ]
    return findings
