"""What runs leave unsaid: those that leave the same unsaid are a group, and groups are counted apart.

A null is not a value. Its number would say how many runs came from clients that don't know the field, and so what some
versions come to together, which is a number about two dimensions. Within a group there are no nulls. The expressions
are SQL that every warehouse understands.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sst_collector.dimensions import CI_DIMENSION, REFINED
from sst_collector.warehouse.protocol import Cell
from sst_core import Catalogue


def statement_for(dimension: str) -> str:
    """The name of the statement that counts a dimension's cells."""
    return "ci_cells" if dimension == CI_DIMENSION else "cells"


def asking_for(dimension: str, catalogue: Catalogue, min_machines: int) -> Mapping[str, str]:
    """What the statement has to be told of the dimension."""
    return {
        "least": str(min_machines),
        "column": _column(catalogue, dimension),
        "applies": _applies(catalogue, dimension),
        "unsaid": _unsaid(catalogue),
    }


def cells_of(dimension: str, rows: Iterable[tuple[Any, ...]], catalogue: Catalogue) -> Iterator[Cell]:
    """Of what the statement answers: a value, its runs, its machines, the number of its group and 1 in each row; or of
    the values of too few machines: no value, their sums, the number of their group and how many they are."""
    for value, runs, machines, unsaid, values in rows:
        yield Cell(dimension, value, runs, machines, _names_of(unsaid, catalogue), values)


def _names_of(unsaid: int, catalogue: Catalogue) -> str:
    """The dimensions that a group of this number leaves unsaid, each with a space behind it."""
    return "".join(f"{name} " for bit, name in enumerate(_optional(catalogue)) if unsaid >> bit & 1)


def _unsaid(catalogue: Catalogue) -> str:
    """The number by which a group is known: a bit for each dimension that its runs could say something of, and don't.

    A group by a number takes seven tenths of the time that one by a text does.
    """
    cases = [
        f"CASE WHEN {_column(catalogue, name)} IS NULL AND {_applies(catalogue, name)} THEN {1 << bit} ELSE 0 END"
        for bit, name in enumerate(_optional(catalogue))
    ]
    return " + ".join(cases) or "0"


def _optional(catalogue: Catalogue) -> list[str]:
    return [field.dimension for field in catalogue if field.optional and field.dimension is not None]


def _applies(catalogue: Catalogue, dimension: str) -> str:
    """Whether a run has the dimension at all: what isn't a Linux has no distribution, whatever it claims."""
    whole, value = REFINED.get(dimension, ("", ""))
    known = any(field.dimension == whole for field in catalogue)
    return f"{_column(catalogue, whole)} = '{value}'" if known else "1 = 1"


def _column(catalogue: Catalogue, dimension: str) -> str:
    """The name of the dimension's column."""
    (key,) = (field.key for field in catalogue if field.dimension == dimension)
    return f'"{key}"'
