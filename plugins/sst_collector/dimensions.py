"""The dimensions: what the numbers are given by."""

from sst_core import Catalogue

CI_DIMENSION = "ci"

REFINED = {"distro": ("platform", "linux")}
"""Dimensions whose values add up to one cell of another dimension instead of the week's total."""


def dimensions(catalogue: Catalogue) -> list[str]:
    """What the catalogue gives numbers by, in its order."""
    return [field.dimension for field in catalogue if field.dimension is not None]
