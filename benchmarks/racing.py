"""The race: every contestant once a round, in an order of the round's own, so that noise hits all alike."""

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measuring import CAP, Run, run
from rows import Row


@dataclass(slots=True)
class Contestant:
    """A command on a machine of its own."""

    row: Row
    arguments: Sequence[str]
    environ: Mapping[str, str]
    folder: Path
    """Its working directory."""
    before: Callable[[], object] = lambda: None
    """Called before each run, outside the measurement."""
    patience: float = CAP
    """Seconds that it gets to end what it started."""
    share: float = 1.0
    """In which part of the rounds it runs: one that hangs for half a minute can't in all."""
    started: int = field(default=0)

    def run(self, not_ours: Sequence[int]) -> Run:
        """Once. Raises `Failed`."""
        self.before()
        self.started += 1
        environ = {**self.environ, "RUN": f"run-{self.started:06d}"}
        return run(self.arguments, environ, self.folder, patience=self.patience, not_ours=not_ours)

    def is_in(self, number: int) -> bool:
        """Whether it runs in this round: its rounds are spread evenly."""
        return int((number + 1) * self.share) > int(number * self.share)


def race(contestants: Sequence[Contestant], rounds: int, not_ours: Sequence[int]) -> None:
    """Add each contestant's runs to its row. Raises `Failed`."""
    for number in range(rounds):
        for contestant in random.sample(contestants, len(contestants)):
            if contestant.is_in(number):
                contestant.row.runs[number] = contestant.run(not_ours)
        show(f"round {number + 1} of {rounds}", last=number + 1 == rounds)


def show(progress: str, *, last: bool) -> None:
    """Where somebody is looking, on one line; else every tenth part would be noise too."""
    if sys.stderr.isatty():
        print(f"\r{progress}", end="\n" if last else "", file=sys.stderr, flush=True)
