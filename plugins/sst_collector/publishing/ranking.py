"""Ranking: which cells are withheld first when a small one needs neighbours, and which are told first where there are
too many. Both are public before the week is counted.

First to be withheld comes the value of the fewest machines, as it was last published; last comes what was not published
lately, so that nothing is withheld for others week after week. A collector that has not published yet takes the
catalogue's lists from their end, since they start with what is common, and the oldest version first.

First to be told comes the value of the most machines, as it was last published; then what was not published lately.
Whoever invents a thousand values keeps away none that is known, unless theirs were published with as many machines.
"""

from collections.abc import Sequence

from sst_collector.publishing.suppression import Rank
from sst_collector.warehouse.protocol import Cell, PublishedWeek
from sst_core import Bucket, Catalogue, Choice, Kind, Version

MEMORY = 4
"""The weeks before a week that its ranking looks at."""


def ranking(earlier: Sequence[PublishedWeek], catalogue: Catalogue) -> Rank:
    """The sort key of a week that `earlier` were published before."""
    last = {(cell.dimension, cell.value): cell.machines for week in earlier for cell in week.cells}
    kinds = {field.dimension: field.kind for field in catalogue}

    def rank(cell: Cell) -> tuple[bool, int, tuple[int, ...]]:
        machines = last.get((cell.dimension, cell.value))
        return machines is None, machines or 0, _place(kinds[cell.dimension], cell.value)

    return rank


def keeping(earlier: Sequence[PublishedWeek], catalogue: Catalogue) -> Rank:
    """The sort key by which a week's values are told where there are too many."""
    rank = ranking(earlier, catalogue)

    def keep(cell: Cell) -> tuple[int, tuple[int, ...]]:
        _, machines, place = rank(cell)
        return -machines, place

    return keep


def _place(kind: Kind, value: str) -> tuple[int, ...]:
    match kind:
        case Choice(values=listed) | Bucket(bounds=listed):
            names = [str(member) for member in listed]
            return (-names.index(value) if value in names else -len(names),)  # an earlier catalogue may have had it
        case Version() if kind.accepts(value):
            return tuple(map(int, value.split(".")))
        case _:
            return ()  # an earlier catalogue may have had it
