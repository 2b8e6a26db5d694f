"""Suppression: which cells of one week may be published, so that no small group of machines shows.

A cell of fewer than `min_machines` machines is withheld. The values of a dimension add up to a total that other
dimensions give away, so anyone can compute what the withheld cells of a dimension come to together; and this file is
public, so anyone can ask which numbers it would have withheld. Whoever does both must learn nothing about a small cell
but that it is small: every count from 1 to `min_machines` - 1 has to remain possible for it. So

- other cells are withheld with the small ones, at least one, in an order that was public before the week was counted.
  (The smallest of the week would be the obvious choice, and tell: the withheld are then no larger than any that is
  published. Of 9 and 200 machines that are withheld beside a third cell of 200, the sum gives both away.)
- until the withheld have `min_machines` - 2 machines to spare, over the least that one neighbour and the small cells
  can have. (Of 1 and 10 that are withheld together, the sum would give both away: fewer is not possible.)
- a dimension that has no such neighbours is withheld whole, and in a week of fewer than 2 * `min_machines` - 2 machines
  every dimension with a small cell is; of the distributions, where Linux has so few. It then counts as one withheld
  cell: of ten machines in ten cells, the number of cells would tell that each is of one machine.

A field that some clients don't know would tie its dimension to others: the runs without a Python version are those of
the original client, and so of its versions, and a reader who subtracts has the withheld one of them. So each group of
runs that leave the same unsaid is treated as a week of its own, and what is published is the sum of what that leaves.

Of a dimension of which more than a thousand values would be published, a thousand are: so many are invented. Which ones
is decided by their names and by what was published before, so that it says no more of the small cells than all would.
Small ones don't count, or a thousand lines of a stranger's would do.

All that this asks of a group's small cells of a dimension is how many they are, and how many machines they have in all.
So the warehouse adds them up: millions of them are one :class:`Cell`.

`docs/collector.md` has the proof, and the attacker in the tests tries.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sst_collector.dimensions import CI_DIMENSION, REFINED
from sst_collector.warehouse.protocol import Cell, PublishedWeek

ROUNDING = 10
"""CI runs and rejected lines are published as a multiple of this: no machines are counted, so no threshold holds."""

MOST_VALUES = 1000
"""Of a dimension, in a group's week: anyone can invent versions, and what is published is kept for good."""

Rank = Callable[[Cell], Any]
"""A sort key by a cell's dimension and value alone."""


def publishable(week: str, cells: Sequence[Cell], min_machines: int, rank: Rank, keep: Rank) -> PublishedWeek:
    """What may be published of the `cells` of `week`. With `min_machines` 1 that is all, as it is.

    By `rank` the first is the first to be withheld for others, by `keep` the first to be told where there are too many.
    Neither may depend on anything of this week.
    """
    if min_machines == 1:
        return PublishedWeek(week, together(cells), withheld=0)
    people = sorted((cell for cell in cells if cell.dimension != CI_DIMENSION), key=attrgetter("unsaid", "dimension"))
    kept: list[Cell] = []
    withheld = 0
    for _, group in groupby(people, key=attrgetter("unsaid")):
        by_dimension = {name: list(part) for name, part in groupby(group, key=attrgetter("dimension"))}
        for name, part in _of_a_group(by_dimension, min_machines, rank, keep).items():
            kept += part
            withheld += _values(by_dimension[name]) - len(part) if part else 1
    rounded = [
        Cell(cell.dimension, cell.value, in_tens(cell.runs), None) for cell in cells if cell.dimension == CI_DIMENSION
    ]
    return PublishedWeek(week, (*together(kept), *(cell for cell in rounded if cell.runs)), withheld)


def together(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """The cells of all groups as one. A machine that is in two groups, having taken a new version, counts in both."""
    sums: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        name = cell.dimension, cell.value
        other = sums.get(name, Cell(*name, 0, None))
        machines = None if cell.machines is None else _machines(other) + cell.machines
        sums[name] = Cell(*name, other.runs + cell.runs, machines)
    return tuple(sums.values())


def the_first(cells: Sequence[Cell], keep: Rank) -> Sequence[Cell]:
    """Of one dimension's cells as many as are told, by `keep`, in the order in which they are. One that is as far as
    another in that goes by its place."""
    if len(cells) <= MOST_VALUES:
        return cells
    first = set(sorted(cells, key=keep)[:MOST_VALUES])
    return [cell for cell in cells if cell in first]


def in_tens(number: int) -> int:
    """What is told of a number for which no machines are counted."""
    return round(number / ROUNDING) * ROUNDING


def _of_a_group(
    by_dimension: Mapping[str, Sequence[Cell]], min_machines: int, rank: Rank, keep: Rank
) -> Mapping[str, Sequence[Cell]]:
    """What may be told of each dimension."""
    kept = {
        name: the_first(
            _kept(part, min_machines, rank, few=_machines_behind(name, by_dimension) < 2 * min_machines - 2), keep
        )
        for name, part in by_dimension.items()
    }
    for dimension, (parent, value) in REFINED.items():
        if dimension in kept and value not in {cell.value for cell in kept.get(parent, [])}:
            kept[dimension] = []  # its sum would give the parent's withheld cell back
    return kept


def _kept(cells: Sequence[Cell], min_machines: int, rank: Rank, few: bool) -> list[Cell]:
    small = [cell for cell in cells if _is_small(cell, min_machines)]
    if not small:
        return list(cells)
    if few:
        return []
    neighbours = sorted((cell for cell in cells if not _is_small(cell, min_machines)), key=rank)
    withheld, machines = _values(small), sum(map(_machines, small))
    # Anyone can invent a hundred thousand versions: no list is searched for each cell.
    for place, neighbour in enumerate(neighbours, start=1):
        machines += _machines(neighbour)
        if machines >= withheld + place + 2 * min_machines - 3:
            kept = set(neighbours[place:])
            return [cell for cell in cells if cell in kept]
    return []


def _machines_behind(dimension: str, by_dimension: Mapping[str, Sequence[Cell]]) -> int:
    """How many machines one value of the dimension may have: those of the group, or of the cell that it refines."""
    if dimension in REFINED:
        parent, value = REFINED[dimension]
        return sum(_machines(cell) for cell in by_dimension.get(parent, ()) if cell.value == value)
    # A machine has one platform and may run many commands: no dimension adds up to fewer than there are.
    sums = [sum(map(_machines, group)) for name, group in by_dimension.items() if name not in REFINED]
    return min(sums, default=0)


def _is_small(cell: Cell, min_machines: int) -> bool:
    """Whether it has too few machines; several values that are told of together each have."""
    return _machines(cell) < min_machines * cell.values


def _values(cells: Iterable[Cell]) -> int:
    return sum(cell.values for cell in cells)


def _machines(cell: Cell) -> int:
    return cell.machines or 0
