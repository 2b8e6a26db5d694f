"""What the loader and the publication know of a warehouse, whichever it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sst_core import SstError

DEDUPLICATED_WEEKS = 6
"""Weeks in which a session counts once, the one in which it arrives included: 31 days back at least."""


class WarehouseError(SstError):
    """The warehouse is locked, down, full or broken. Nothing is lost: the journal keeps what it has not taken."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one week says of one value of one dimension; or of all its small ones together, which then are one cell."""

    dimension: str
    value: str
    """Empty in the cell of the small ones."""
    runs: int
    machines: int | None
    """Distinct machines in that week; None in the dimension `ci`, where machines can't be told apart."""
    unsaid: str = ""
    """The dimensions of which these runs say nothing, where others do: they are a group, and cells are of one group
    until they are published (see :mod:`sst_collector.warehouse.unsaid`)."""
    values: int = 1
    """How many values it tells of."""


@dataclass(frozen=True, slots=True)
class PublishedWeek:
    """What is published of a week."""

    week: str
    cells: tuple[Cell, ...]
    withheld: int
    """How many cells are not; a dimension that is withheld whole is one."""
    rejected: int = 0
    """Lines that were ever rejected when it came out, in tens."""


class Warehouse(Protocol):
    """Holds the runs that are still kept, and what was published. Every method raises :class:`WarehouseError`."""

    def load(self, segment: Path) -> None:
        """Take in a segment of the journal, whole at one moment; not at all if it was before.

        A run whose session is there already is left out, if that arrived in the last 31 days; and so is what is not a
        whole line: a crash tore it before it was acknowledged. A run that arrives for a week that is out joins the
        first one that is not. The runs of a machine that asked to be forgotten are deleted; what was published stays.
        """

    def checkpoint(self) -> None:
        """Return once everything loaded is in the warehouse's own files for good."""

    def expire(self, before: str) -> None:
        """Delete the runs of the weeks before `before` that are published. What was published stays."""

    def unpublished_weeks(self, before: str) -> Sequence[str]:
        """The weeks before `before` that have runs, are not published yet and wait for nobody, in order.

        Whoever asks has loaded everything that reached it before `before`.
        """

    def cells(self, week: str, min_machines: int = 1) -> Sequence[Cell]:
        """What the runs of `week` say, by group. CI runs are counted in the dimension `ci` and in no other.

        A group's values of a dimension that have fewer than `min_machines` machines each come as one cell, of all their
        runs and machines: anyone can invent millions, and :mod:`sst_collector.publishing.suppression` asks no more.
        """

    def publish(self, published: PublishedWeek) -> None:
        """Keep `published` for good, as what the last :meth:`cells` of its week counted.

        Where several collectors publish a week at the same time, one of them does, and all read its numbers.
        """

    def last_published_week(self) -> str:
        """The last week that is published, as far as is known here; empty if none is. Nobody is waited for."""

    def last_kept_week(self, after: str) -> str:
        """The last week after `after` that runs are kept of, as far as is known here; empty if there is none. Nobody is
        waited for."""

    def published_weeks(self, since: str) -> Sequence[PublishedWeek]:
        """What was published of the weeks from `since` on, in order."""

    def rejected_lines(self) -> int:
        """How many submitted lines were ever rejected."""
