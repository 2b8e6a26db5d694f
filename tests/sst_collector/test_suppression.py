from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from sst_collector.suppression import REFINED, publishable
from sst_collector.warehouse import Cell, PublishedWeek

WEEK = "2026-W48"
TOTAL = ("every dimension", "total")
CellName = tuple[str, str]


def test_a_cell_of_too_few_machines_is_withheld_with_its_smallest_neighbour() -> None:
    assert published(command(build=(90, 30), deploy=(40, 20), remove=(3, 2)), 10) == {"build": (90, 30)}


def test_neighbours_follow_until_the_withheld_are_a_group_of_the_threshold_themselves() -> None:
    # Withheld alone, the two would be known to have three runs together: two machines, and one of them ran it once.
    assert published(command(build=(90, 30), deploy=(40, 20), remove=(1, 1), start=(2, 1)), 10) == {"build": (90, 30)}
    assert published(command(build=(90, 30), deploy=(9, 6), remove=(9, 6)), 10) == {"build": (90, 30)}


def test_nothing_is_withheld_where_every_cell_has_enough() -> None:
    assert published(command(build=(90, 10), deploy=(40, 10)), 10) == {"build": (90, 10), "deploy": (40, 10)}


def test_a_dimension_goes_with_the_cell_that_it_adds_up_to() -> None:
    cells = [
        Cell("platform", "darwin", 50, 30),
        Cell("platform", "linux", 25, 15),
        Cell("platform", "win32", 3, 2),
        Cell("distro", "debian-12", 25, 15),
    ]
    assert publishable(WEEK, cells, 10) == PublishedWeek(WEEK, (Cell("platform", "darwin", 50, 30),), withheld=3)


def test_ci_is_one_rounded_count() -> None:
    assert publishable(WEEK, [Cell("ci", "true", 1234, None)], 10).cells == (Cell("ci", "true", 1230, None),)
    assert publishable(WEEK, [Cell("ci", "true", 4, None)], 10) == PublishedWeek(WEEK, (), withheld=0)


def test_a_threshold_of_one_publishes_everything_as_it_is() -> None:
    cells = (Cell("command", "build", 1, 1), Cell("ci", "true", 1234, None))
    assert publishable(WEEK, cells, 1) == PublishedWeek(WEEK, cells, withheld=0)


def command(**cells: tuple[int, int]) -> list[Cell]:
    return [Cell("command", value, runs, machines) for value, (runs, machines) in cells.items()]


def published(cells: Sequence[Cell], min_machines: int) -> dict[str, tuple[int, int | None]]:
    return {cell.value: (cell.runs, cell.machines) for cell in publishable(WEEK, cells, min_machines).cells}


# The law: from what is published of a week, and from knowing that each dimension's values add up to the same total
# (a distribution's to Linux), no withheld cell follows.

MACHINES = st.lists(
    st.tuples(
        st.sampled_from(["linux-debian", "linux-arch", "linux-nixos", "darwin", "win32"]),
        st.sampled_from(["x64", "arm64"]),
        st.dictionaries(st.sampled_from(["build", "start", "deploy"]), st.integers(1, 4), min_size=1),
    ),
    max_size=40,
)
THRESHOLDS = st.integers(2, 12)


@given(MACHINES, THRESHOLDS)
@settings(max_examples=400)
def test_no_withheld_cell_can_be_recovered(machines: list[tuple[str, str, dict[str, int]]], min_machines: int) -> None:
    cells = week_of_machines(machines)
    out = publishable(WEEK, cells, min_machines)
    assert out.withheld == len(cells) - len(out.cells)
    assert all((cell.machines or 0) >= min_machines for cell in out.cells)
    assert recovered(cells, out.cells) == set()


@given(MACHINES, THRESHOLDS)
def test_what_is_withheld_of_a_dimension_is_a_group_of_the_threshold_or_all_of_it(
    machines: list[tuple[str, str, dict[str, int]]], min_machines: int
) -> None:
    cells = week_of_machines(machines)
    kept = set(publishable(WEEK, cells, min_machines).cells)
    for dimension in {cell.dimension for cell in cells}:
        group = {cell for cell in cells if cell.dimension == dimension}
        withheld = [cell.machines or 0 for cell in group - kept]
        assert not withheld or group.isdisjoint(kept) or (len(withheld) >= 2 and sum(withheld) >= min_machines)


def test_the_same_attack_succeeds_on_a_publisher_that_only_thresholds() -> None:
    naive: Callable[[Sequence[Cell]], list[Cell]] = partial(filter_by_threshold, min_machines=3)
    few_deploys = week_of_machines([("darwin", "x64", {"build": 1})] * 5 + [("darwin", "x64", {"deploy": 1})] * 2)
    assert recovered(few_deploys, naive(few_deploys)) == {("command", "deploy")}
    few_windows = week_of_machines([("linux-arch", "x64", {"build": 1})] * 5 + [("win32", "x64", {"build": 1})] * 2)
    without_linux = [cell for cell in naive(few_windows) if cell.value != "linux"]
    assert ("platform", "win32") in recovered(few_windows, without_linux)


def filter_by_threshold(cells: Sequence[Cell], min_machines: int) -> list[Cell]:
    return [cell for cell in cells if (cell.machines or 0) >= min_machines]


def week_of_machines(machines: Sequence[tuple[str, str, dict[str, int]]]) -> list[Cell]:
    runs: Counter[CellName] = Counter()
    seen: defaultdict[CellName, set[int]] = defaultdict(set)
    for number, (system, architecture, commands) in enumerate(machines):
        platform, _, distro = system.partition("-")
        for name, count in commands.items():
            values = {"platform": platform, "distro": distro, "architecture": architecture, "command": name}
            for cell in values.items():
                if cell[1]:
                    runs[cell] += count
                    seen[cell].add(number)
    return [Cell(*name, runs[name], len(seen[name])) for name in sorted(runs)]


def recovered(cells: Sequence[Cell], out: Sequence[Cell]) -> set[CellName]:
    """The withheld cells whose runs are determined by linear algebra over what is published."""
    known = {(cell.dimension, cell.value) for cell in out}
    unknown = [TOTAL, *((cell.dimension, cell.value) for cell in cells if (cell.dimension, cell.value) not in known)]
    equations = []
    for dimension in {cell.dimension for cell in cells}:
        whole = REFINED.get(dimension, TOTAL)
        equation = {(cell.dimension, cell.value): Fraction(1) for cell in cells if cell.dimension == dimension}
        equation[whole] = Fraction(-1)
        equations.append([equation.get(name, Fraction(0)) for name in unknown])
    reduced = row_echelon(equations)
    solved = {unknown[row.index(Fraction(1))] for row in reduced if sum(value != 0 for value in row) == 1}
    return solved - {TOTAL}


def row_echelon(rows: list[list[Fraction]]) -> list[list[Fraction]]:
    done: list[list[Fraction]] = []
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((row for row in rows if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        pivot = [value / pivot[column] for value in pivot]
        rows = [[a - row[column] * b for a, b in zip(row, pivot, strict=True)] for row in rows]
        done = [[a - row[column] * b for a, b in zip(row, pivot, strict=True)] for row in done]
        done.append(pivot)
    return done
