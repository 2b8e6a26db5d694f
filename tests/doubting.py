"""The doubt: for a cell that was withheld, other weeks that would have been published just the same.

What an attacker can't tell apart can't be computed, whatever the attacker thinks of. A group of a week's runs is given
as its true cells, and the others have its totals wherever any of it is published. What the original client can't say,
and which versions are its own, stays as it is: that much everybody knows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from attacking import LEGACY_VERSIONS, OF_LINUX, SEPARATE, SHARED, Cells, Name
from sst_collector.dimensions import REFINED
from sst_collector.warehouse.protocol import Cell, PublishedWeek

_VALUES = {
    "platform": ("darwin", "win32"),
    "architecture": ("x64", "arm64"),
    "cpus": ("8", "4"),
    "distro": ("debian-12", "fedora"),
    "version": ("0.1.0", "0.2.0"),
    "python": ("3.12", "3.11"),
    "command": ("build", "start"),
}


def others(cells: Cells, out: PublishedWeek, name: Name, machines: int) -> Iterator[Cells]:
    """Groups in which the withheld cell `name` is of so many machines. One of them should be published as `out`."""
    unsaid = _unsaid(cells)
    for other in _others(cells, out, name, machines):
        yield tuple(replace(cell, unsaid=unsaid if cell.machines else "") for cell in other)


def _others(cells: Cells, out: PublishedWeek, name: Name, machines: int) -> Iterator[Cells]:
    told = {(cell.dimension, cell.value) for cell in out.cells if cell.machines is not None}
    if not told:
        yield _alone(cells, name, machines)
    elif name[0] in REFINED and REFINED[name[0]] not in told:
        yield from _within_withheld(cells, out, name, machines)
    else:
        for group in _groups(cells, told, name, machines):
            yield _with_parts(_replaced(cells, name[0], group))


def is_possible(cells: Cells) -> bool:
    """Whether some machines and their runs make these cells of one group."""
    people = [cell for cell in cells if cell.machines is not None]
    if not people:
        return True
    if any(cell.runs < (cell.machines or 0) or not cell.machines for cell in people):
        return False
    unsaid = _unsaid(cells)
    machines = {_sum(cells, name)[0] for name in SEPARATE}
    wholes = {name: REFINED.get(name, (SEPARATE[0], None)) for name in SHARED if name not in unsaid.split()}
    runs = {_sum(cells, name)[1] for name in SEPARATE}
    versions = {cell.value in LEGACY_VERSIONS for cell in cells if cell.dimension == "version"}
    platforms = {cell.value == "linux" for cell in cells if cell.dimension == "platform"}
    tied = versions == {bool(unsaid)} and (not unsaid or platforms == {unsaid == OF_LINUX})
    shared = all(_covers(cells, name, whole) for name, whole in wholes.items())
    return len(machines) == len(runs) == 1 and shared and tied


def _covers(cells: Cells, dimension: str, whole: tuple[str, str | None]) -> bool:
    """Whether the values of a dimension may be those of the whole's machines, each with one at least."""
    machines, runs = _sum(cells, *whole)
    each = _machines(cells, dimension)
    return max(each, default=0) <= machines <= sum(each) and _sum(cells, dimension)[1] == runs


def _alone(cells: Cells, name: Name, machines: int) -> Cells:
    """Nothing of the week is told, so it may as well be a week of these machines and one more, that differs in all."""
    week: Cells = tuple(cell for cell in cells if cell.machines is None)
    dimensions = dict.fromkeys(cell.dimension for cell in cells if cell.machines is not None)
    wanted = {name[0]: name[1]} | ({REFINED[name[0]][0]: REFINED[name[0]][1]} if name[0] in REFINED else {})
    for dimension in dimensions:
        first = wanted.get(dimension, _some(dimension, "", cells))
        second = _some(dimension, first, cells)
        week = (*week, Cell(dimension, first, machines, machines))
        if _unsaid(cells) != OF_LINUX:  # which are on one system, and nobody expects another
            week = (*week, Cell(dimension, second, 1, 1))
    for dimension in REFINED.keys() & dimensions.keys():
        runs = _sum(week, *REFINED[dimension])[1]
        week = _replaced(week, dimension, [Cell(dimension, wanted.get(dimension, _some(dimension)), runs, runs)])
    return week


def _within_withheld(cells: Cells, out: PublishedWeek, name: Name, machines: int) -> Iterator[Cells]:
    """A part of a cell that is withheld itself: that one is of this many machines, or of more."""
    whole = REFINED[name[0]]
    weeks = [cells] if _sum(cells, *whole)[0] >= machines else others(cells, out, whole, machines)
    for week in weeks:
        count, runs = _sum(week, *whole)
        rest = [Cell(name[0], _some(name[0], name[1]), runs - machines, count - machines)]
        yield _replaced(week, name[0], [Cell(*name, runs if count == machines else machines, machines), *rest])


def _groups(cells: Cells, told: set[Name], name: Name, machines: int) -> Iterator[list[Cell]]:
    """The dimension, with one withheld cell that takes what is left of the sums, and all others of one machine."""
    dimension = name[0]
    most, runs = _sum(cells, *REFINED.get(dimension, (SEPARATE[0], None)))
    here = [cell for cell in cells if cell.dimension == dimension]
    kept = [cell for cell in here if (dimension, cell.value) in told]
    withheld = [(dimension, cell.value) for cell in here if cell not in kept and cell.value != name[1]]
    if not kept:  # then nobody knows how many are withheld
        withheld = [(dimension, _some(dimension, name[1], cells))]
    machines_left = (_sum(cells, dimension)[0] if kept else most) - sum(cell.machines or 0 for cell in kept)
    runs_left = runs - sum(cell.runs for cell in kept)
    taken = machines + len(withheld) - 1
    for rest in withheld:
        ones = [Cell(*other, 1, 1) for other in withheld if other != rest]
        taker = Cell(*rest, runs_left - taken, min(machines_left - taken, most))
        yield [*kept, Cell(*name, machines, machines), *ones, taker]


def _replaced(cells: Cells, dimension: str, group: Sequence[Cell]) -> Cells:
    kept = [cell for cell in cells if cell.dimension != dimension]
    return tuple(
        sorted([*kept, *(cell for cell in group if cell.machines)], key=lambda cell: (cell.dimension, cell.value))
    )


def _with_parts(cells: Cells) -> Cells:
    """With the parts of a cell that is another now adding up to it again."""
    for dimension, whole in _refined(cells).items():
        machines, runs = _sum(cells, *whole)
        if not _covers(cells, dimension, whole):
            cells = _replaced(cells, dimension, [Cell(dimension, _some(dimension), runs, machines)])
    return cells


def _unsaid(cells: Cells) -> str:
    return max((cell.unsaid for cell in cells), default="")


def _refined(cells: Cells) -> Mapping[str, Name]:
    """The dimensions that add up to a cell, less those of which the group says nothing."""
    return {dimension: whole for dimension, whole in REFINED.items() if dimension not in _unsaid(cells).split()}


def _sum(cells: Cells, dimension: str, value: str | None = None) -> tuple[int, int]:
    group = [cell for cell in cells if cell.dimension == dimension and value in (None, cell.value)]
    return sum(cell.machines or 0 for cell in group), sum(cell.runs for cell in group)


def _machines(cells: Cells, dimension: str) -> list[int]:
    return [cell.machines or 0 for cell in cells if cell.dimension == dimension]


def _some(dimension: str, but: str = "", cells: Cells = ()) -> str:
    """A value of the dimension that the group may have; where the distributions of Linux are to add up, Linux."""
    linux = [value for name, (parent, value) in REFINED.items() if parent == dimension and _machines(cells, name)]
    if dimension == "platform" and _unsaid(cells) == OF_LINUX:
        return "linux"
    values: Sequence[str] = LEGACY_VERSIONS if dimension == "version" and _unsaid(cells) else _VALUES[dimension]
    return next(value for value in (*linux, *values) if value != but)
