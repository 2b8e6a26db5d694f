"""What runs leave unsaid: those that leave the same unsaid are a group, and groups are counted apart.

A null is not a value. Its number would say how many runs came from clients that don't know the field, and so what some
versions come to together, which is a number about two dimensions. Within a group there are no nulls. The expressions
are SQL that every warehouse understands.
"""

from sst_collector.suppression import REFINED
from sst_core import Catalogue


def unsaid(catalogue: Catalogue) -> str:
    """The text by which a group is known: the dimensions that its runs could say something of, and don't."""
    optional = [field.dimension for field in catalogue if field.optional and field.dimension is not None]
    cases = [
        f"CASE WHEN {column(catalogue, name)} IS NULL AND {applies(catalogue, name)} THEN '{name} ' ELSE '' END"
        for name in optional
    ]
    return " || ".join(cases) or "''"


def applies(catalogue: Catalogue, dimension: str) -> str:
    """Whether a run has the dimension at all: what isn't a Linux has no distribution, whatever it claims."""
    whole, value = REFINED.get(dimension, ("", ""))
    known = any(field.dimension == whole for field in catalogue)
    return f"{column(catalogue, whole)} = '{value}'" if known else "1 = 1"


def column(catalogue: Catalogue, dimension: str) -> str:
    """The name of the dimension's column."""
    (key,) = (field.key for field in catalogue if field.dimension == dimension)
    return f'"{key}"'
