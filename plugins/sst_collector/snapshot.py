"""The snapshot: everything that is published, as the bytes that `/stats.json` answers with."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from sst_core import Catalogue, write_private

WINDOWS = {"30": 4, "90": 13, "365": 52}
"""The windows, named in days as people ask for them, and the closed weeks that each holds."""


class Total(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a window says of one value."""

    value: str
    runs: int
    machines: int | None = None
    """The mean a week over the window's published weeks, to the nearest whole number but at least 1. CI has none."""


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that is published."""

    snapshot: str | None
    """The UTC time at which it was made; None before the first."""
    windows: Mapping[str, Mapping[str, Sequence[Total]]]
    """By window and dimension, the largest number of runs first."""
    withheld: int
    """Cells of the longest window's weeks that are withheld."""
    rejected: int
    """Lines that were ever rejected."""

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)


def dimensions(catalogue: Catalogue) -> list[str]:
    """What the numbers are given by."""
    return [field.dimension for field in catalogue if field.dimension is not None]


def last_published(path: Path, catalogue: Catalogue) -> bytes:
    """The snapshot file as it is, or an empty snapshot if there is none. Raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        empty = {window: dict.fromkeys(dimensions(catalogue), ()) for window in WINDOWS}
        return Snapshot(snapshot=None, windows=empty, withheld=0, rejected=0).to_json()


def replace(path: Path, snapshot: bytes) -> None:
    """Make `snapshot` the file at `path`, whole or not at all. Raises OSError."""
    write_private(path, snapshot)
