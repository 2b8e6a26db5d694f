"""How many of 20 events are lost: 20 runs with the collector down, then it is back, and a few more runs."""

import multiprocessing
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from measuring import become_subreaper, run
from programs import Program, new_machine
from receiving import Collector, Condition

RUNS = 20
FURTHER = 8
"""At most so many runs follow when the collector is back."""
CAP = 10.0
"""Seconds after which a command is ended here: the user pressed Ctrl-C."""


def losses(programs: Sequence[Program]) -> Mapping[str, int]:
    """By name, how many were lost. Nothing is timed, so four at a time go side by side."""
    fork = multiprocessing.get_context("fork")
    places, counts = fork.Semaphore(4), fork.SimpleQueue()

    def lose(program: Program) -> None:
        become_subreaper()
        with places, tempfile.TemporaryDirectory(prefix="sst-bench-") as folder:
            counts.put((program.name, lost(program, Path(folder))))

    workers = [fork.Process(target=lose, args=(program,)) for program in programs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not any(worker.exitcode for worker in workers)
    return dict(counts.get() for _ in workers)


def lost(program: Program, folder: Path, runs: int = RUNS) -> int:
    """Of so many runs while the collector is down, how many don't arrive in the next ones when it is back.

    There are further runs as long as each brings some of them: Glean sends a part at a time.
    """
    collector = Collector(folder / "arrived", program.certificate)
    environ = {**new_machine(folder / "home"), **program.pointed_at(collector)}
    program.set_up(environ)
    not_ours: list[int] = []

    def once(number: int) -> None:
        mark = {"RUN": f"run-{number:06d}"}
        run(program.arguments, environ | mark, folder / "home" / "project", cap=CAP, not_ours=not_ours)

    for number in range(runs):
        once(number)
    collector.start(Condition.UP)
    not_ours += [collector.pid] if collector.pid else []
    arrived = [0]
    for number in range(runs, runs + FURTHER):
        program.later(folder / "home")
        once(number)
        arrived.append(len(collector.arrived(program.event)))
        if arrived[-1] <= arrived[-2] + 1:  # but for the run's own
            break
    collector.close()
    return min(runs, number + 1 - arrived[-1])
