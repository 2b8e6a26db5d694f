"""The snapshot: everything that is published, as the bytes that `/stats.json` answers with."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from sst_collector.dimensions import dimensions
from sst_core import Catalogue

WINDOWS = {"30": 4, "90": 13, "365": 52}
"""The windows, named in days as people ask for them, and the closed weeks that each holds."""


class Total(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a window says of one value."""

    value: str
    runs: int
    machines: int | None = None
    """The mean over those of the window's weeks in which the value is published, to the nearest whole number: never
    fewer than a cell may have. CI has none."""


class Week(msgspec.Struct, frozen=True):
    """What one published week comes to: the most that the published cells of any one dimension add up to."""

    week: str
    runs: int | None
    """None if no cell that would say so is published: there were some."""
    machines: int | None
    """The same, of what is a fact of the machine."""
    withheld: int
    """Cells; a dimension that is withheld whole is one."""


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that is published."""

    snapshot: str | None
    """The UTC time at which it was made; None before the first."""
    windows: Mapping[str, Mapping[str, Sequence[Total]]]
    """By window and dimension, the largest number of runs first."""
    withheld: int
    """Cells of the longest window's weeks that are withheld; a dimension that a week withholds whole is one."""
    rejected: int
    """Lines that were ever rejected, in tens, as of the last week that came out. A private collector tells all, now."""
    min_machines: int = 10
    """A cell of fewer machines is withheld."""
    weeks: Sequence[Week] = ()
    """The longest window's weeks of which anything was counted, in order."""

    def totals(self, window: str, dimension: str) -> Sequence[Total]:
        """The totals of a dimension: none, if the snapshot was made before the catalogue had it."""
        return self.windows[window].get(dimension, ())

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, content: bytes) -> "Snapshot":
        """What :meth:`to_json` made. Raises ValueError for anything else."""
        snapshot = msgspec.json.decode(content, type=cls)
        if snapshot.windows.keys() != WINDOWS.keys():
            raise ValueError("it has other windows")
        return snapshot


def mean(numbers: Sequence[int]) -> int | None:
    """To the nearest whole number; None of nothing."""
    return round(sum(numbers) / len(numbers)) if numbers else None


def nothing_published(catalogue: Catalogue) -> bytes:
    """The snapshot of a collector that has not made one yet."""
    empty = {window: dict.fromkeys(dimensions(catalogue), ()) for window in WINDOWS}
    return Snapshot(snapshot=None, windows=empty, withheld=0, rejected=0).to_json()


def last_published(path: Path, catalogue: Catalogue) -> bytes:
    """The snapshot file as it is, or :func:`nothing_published` if there is none. Raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return nothing_published(catalogue)
