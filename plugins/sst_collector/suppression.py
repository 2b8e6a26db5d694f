"""Suppression: which cells of one week may be published, so that no small group of machines shows.

A cell of fewer than `min_machines` machines is withheld. The values of a dimension add up to a total that other
dimensions give away, so anyone can compute what the withheld cells of a dimension come to together. That sum must not
say more than a published cell may: the withheld have to be at least two, and of at least `min_machines` machines
together; until they are, the smallest published neighbour joins them.
"""

from collections.abc import Sequence
from itertools import groupby

from sst_collector.warehouse import CI_DIMENSION, Cell, PublishedWeek

CI_ROUNDING = 10
"""CI runs are published as a multiple of this: there are no machines to count, so no threshold holds for them."""

REFINED = {"distro": ("platform", "linux")}
"""Dimensions whose values add up to one cell of another dimension instead of the week's total."""


def publishable(week: str, cells: Sequence[Cell], min_machines: int) -> PublishedWeek:
    """What may be published of the `cells` of `week`. With `min_machines` 1 that is all, as it is."""
    if min_machines == 1:
        return PublishedWeek(week, tuple(cells), withheld=0)
    ci = [cell for cell in cells if cell.dimension == CI_DIMENSION]
    people = sorted((cell for cell in cells if cell.dimension != CI_DIMENSION), key=lambda cell: cell.dimension)
    by_dimension = {name: list(group) for name, group in groupby(people, key=lambda cell: cell.dimension)}
    kept = {name: _kept(group, min_machines) for name, group in by_dimension.items()}
    for dimension, (parent, value) in REFINED.items():
        withheld = set(by_dimension.get(parent, [])).difference(kept.get(parent, []))
        if value in {cell.value for cell in withheld}:
            kept[dimension] = []  # its sum would give the parent's withheld cell back
    published = [cell for group in kept.values() for cell in group]
    rounded = [Cell(cell.dimension, cell.value, _rounded(cell.runs), None) for cell in ci]
    return PublishedWeek(
        week, (*published, *(cell for cell in rounded if cell.runs)), withheld=len(people) - len(published)
    )


def _kept(cells: Sequence[Cell], min_machines: int) -> list[Cell]:
    by_size = sorted(cells, key=lambda cell: (_machines(cell), cell.runs, cell.value))
    withheld = sum(_machines(cell) < min_machines for cell in by_size)
    if withheld:
        while withheld < len(by_size) and not _hidden(by_size[:withheld], min_machines):
            withheld += 1
    return by_size[withheld:]


def _hidden(withheld: Sequence[Cell], min_machines: int) -> bool:
    return len(withheld) >= 2 and sum(map(_machines, withheld)) >= min_machines


def _machines(cell: Cell) -> int:
    return cell.machines or 0


def _rounded(runs: int) -> int:
    return round(runs / CI_ROUNDING) * CI_ROUNDING
