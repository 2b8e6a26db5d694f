"""What was measured: the rows of the tables, which can be kept in a file and read again."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from measuring import Run
from surroundings import surroundings


@dataclass(slots=True)
class Row:
    """One command under one condition, with its runs by the number of the round."""

    key: str
    name: str
    collector: str = ""
    base: str = ""
    """The key of the row that it is compared with, in the same round."""
    runs: dict[int, Run] = field(default_factory=dict)
    lost: tuple[int, int] | None = None
    """How many events never arrived, and of how many."""

    def values(self, value: Callable[[Run], float]) -> list[float]:
        """One a run."""
        return [value(run) for run in self.runs.values()]

    def paired(
        self, base: "Row", value: Callable[[Run], float], compare: Callable[[float, float], float]
    ) -> list[float]:
        """Each run compared with the base's in the same round."""
        return [compare(value(run), value(base.runs[number])) for number, run in self.runs.items()]


@dataclass(slots=True)
class Measured:
    """All of it."""

    rounds: int
    rows: list[Row]
    missing: Mapping[str, str] = field(default_factory=dict)
    """Peers that could not be measured, and why."""
    senders: Sequence[Row] = ()
    """The detached sender, each time to its end."""
    inside: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """What recording takes in the command's own process, in milliseconds: one for each process."""
    surroundings: str = field(default_factory=surroundings)

    def __getitem__(self, key: str) -> Row:
        return next(row for row in self.rows if row.key == key)

    def with_prefix(self, prefix: str) -> list[Row]:
        """The rows of one table."""
        return [row for row in self.rows if row.key.startswith(prefix)]

    def save(self, file: Path) -> None:
        """Keep every single run."""
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, file: Path) -> "Measured":
        """What `save` kept."""
        values = json.loads(file.read_text())
        rows, senders = (list(map(_row, values.pop(name))) for name in ("rows", "senders"))
        return cls(rows=rows, senders=senders, **values)


def _row(values: dict[str, Any]) -> Row:
    runs = {int(number): Run(**run) for number, run in values.pop("runs").items()}
    lost = values.pop("lost")
    return Row(runs=runs, lost=tuple(lost) if lost else None, **values)
