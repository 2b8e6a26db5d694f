"""What telemetry costs a command, and what it loses: `sst`, bare Typer and other people's telemetry, in one paired run.

    python benchmarks/commands.py --quick            few rounds, no peers: a minute
    python benchmarks/commands.py --peers FOLDER     the whole; the peers are installed in FOLDER once
        --keep FILE     keep every single run in FILE
        --from FILE     measure nothing: print what FILE keeps
        --write PAGE …  put the tables, or their summary, between the marks `<!-- measured: bench -->`, or
                        `<!-- measured: bench_summary -->`, and `<!-- end -->` of each PAGE

Nothing leaves the machine: the collector is on loopback, and up, refusing or hanging; for `sst` it is worse, too.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import distributions
import recording
from losing import RUNS, losses
from measuring import Failed, become_subreaper
from placing import parser_of, without_a_place, write
from programs import PROGRAM, Program, bare, enable, let_a_sender_start, new_machine, peers, queued, sst
from racing import Contestant, race, show
from receiving import USUAL, Collector, Condition
from reporting import report, summary
from rows import Measured, Row

ROUNDS = 100
QUICK_ROUNDS = 10
SENDER_ROUNDS = 5
WARM_UPS = 2
"""The first run compiles, and has the disk read."""
PEER_SECONDS = 15.0
"""What each peer gets under each condition: the slow ones run in fewer rounds, and never in fewer than three."""
FEWEST = 3
REPORTS = {"bench": report, "bench_summary": summary}


def main() -> None:
    """Measure, and print tables in Markdown."""
    parser = parser_of(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peers", type=Path)
    options = parser.parse_args()
    for page in without_a_place(options.write, REPORTS):
        parser.error(f"{page} has no place for the tables")
    if options.kept:
        measured = Measured.load(options.kept)
    else:
        rounds = min(options.rounds, QUICK_ROUNDS) if options.quick else options.rounds
        measured = measure(rounds, None if options.quick else options.peers)
    if options.keep:
        measured.save(options.keep)
    print(report(measured))
    write(options.write, {name: reported(measured) for name, reported in REPORTS.items()})


@dataclass(slots=True)
class Course:
    """Where the race is run: collectors, machines, and whoever takes part."""

    folder: Path
    collectors: list[Collector] = field(default_factory=list)
    contestants: list[Contestant] = field(default_factory=list)
    _delivering: list[tuple[Contestant, Collector, Program]] = field(default_factory=list)

    @property
    def not_ours(self) -> list[int]:
        """The processes that answer."""
        return [collector.pid for collector in self.collectors if collector.pid]

    def machine(self) -> dict[str, str]:
        """A new one."""
        return new_machine(self.folder / f"home-{len(list(self.folder.iterdir()))}")

    def enter(self, row: Row, arguments: Sequence[str], environ: dict[str, str]) -> Contestant:
        """Have a command take part."""
        contestant = Contestant(row, arguments, environ, Path(environ["HOME"]) / "project")
        self.contestants.append(contestant)
        return contestant

    def enter_program(self, program: Program, condition: Condition, key: str, base: str) -> Contestant:
        """Have a program take part that records, on a machine and with a collector of its own."""
        collector = Collector(self.folder / f"collector-{len(self.collectors)}", program.certificate)
        collector.start(condition)
        self.collectors.append(collector)
        environ = self.machine() | dict(program.pointed_at(collector))
        program.set_up(environ)
        contestant = self.enter(Row(key, program.name, condition.value, base), program.arguments, environ)
        self._delivering.append((contestant, collector, program))
        return contestant

    def count(self) -> None:
        """How many events were lost of the contestants whose collector was up."""
        for contestant, collector, program in self._delivering:
            waiting = queued(Path(contestant.environ["HOME"]))
            arrived = collector.arrived(program.event)
            if contestant.row.collector == Condition.UP.value:
                contestant.row.lost = contestant.started - len(arrived | waiting), contestant.started
            elif program.set_up is enable:
                assert len(arrived | waiting) == contestant.started, f"{contestant.row.key} recorded {len(waiting)}"


@contextmanager
def course() -> Iterator[Course]:
    """A new one, of which nothing is left."""
    with tempfile.TemporaryDirectory(prefix="sst-bench-") as folder:
        made = Course(Path(folder))
        try:
            yield made
        finally:
            for collector in made.collectors:
                collector.close()


def measure(rounds: int, peers_folder: Path | None) -> Measured:
    """Everything."""
    become_subreaper()
    show("recording", last=False)
    inside = recording.measure(rounds)
    missing: dict[str, str] = {}
    programs = [sst()]
    for peer in peers(peers_folder) if peers_folder else ():
        if isinstance(peer, Program):
            programs.append(peer)
        else:
            missing[peer[0]] = peer[1]
    with course() as track:
        enter_ourselves(track, programs[0])
        for contestant in track.contestants * WARM_UPS:
            contestant.run(track.not_ours)
        for peer in programs[1:]:
            enter_peer(track, peer, rounds, missing)
        programs = [program for program in programs if program.name not in missing]
        race(track.contestants, rounds, track.not_ours)
        track.count()
        rows = [contestant.row for contestant in track.contestants]
    senders = measure_senders(programs[0], min(rounds, SENDER_ROUNDS))
    show("losing", last=True)
    for name, lost in losses(programs).items():
        for row in rows:
            if row.key == f"cost {name} {Condition.REFUSED.value}":
                row.lost = lost, RUNS
    return Measured(rounds, rows, missing, senders, inside)


def enter_ourselves(track: Course, program: Program) -> None:
    """`sst` on and off, what it is compared with, and its start-up."""
    machine = track.machine()
    track.enter(Row("cost pass", "`python -c pass`"), [sys.executable, "-c", "pass"], machine)
    track.enter(Row("cost bare", "bare Typer"), bare("build"), machine)
    off = track.machine() | {"SST_TELEMETRY_DISABLED": "1"}
    track.enter(Row("cost off", "`sst` off", base="cost bare"), [str(PROGRAM), "build"], off)
    track.enter(Row("control", "`sst` off, once more", base="cost off"), [str(PROGRAM), "build"], off)
    for condition in Condition:
        track.enter_program(program, condition, f"cost {program.name} {condition.value}", "cost off")
    for condition in Condition:
        starting = track.enter_program(program, condition, f"cost starting {condition.value}", "cost off")
        starting.row.name = "`sst` on, each run starting a sender"
        starting.before = partial(let_a_sender_start, Path(starting.environ["HOME"]))
        # Long enough to meet the collector that hangs or drips; another five seconds of waiting cost nobody anything.
        starting.patience = 0.5 if condition in (Condition.HANGING, Condition.DRIPPING) else starting.patience
    track.enter(Row("start bare", "bare Typer, `--help`"), bare("--help"), machine)
    track.enter(Row("start off", "`sst` off, `--help`", base="start bare"), [str(PROGRAM), "--help"], off)
    few, many = (distributions.environment(track.folder / f"python-{count}", count) for count in (20, 300))
    for command in ("build", "--help"):
        for (python, count), base in ((few, ""), (many, f"start few {command}")):
            key = f"start {'many' if base else 'few'} {command}"
            name = f"`sst` off, `{command}`, {count} distributions"
            track.enter(Row(key, name, base=base), [str(python), str(PROGRAM), command], off)


def enter_peer(track: Course, peer: Program, rounds: int, missing: dict[str, str]) -> None:
    """A peer under each condition, in as many rounds as its time allows. One that fails is missing, and says why."""
    show(f"trying {peer.name}", last=False)
    entered = []
    try:
        for condition in USUAL:
            entered.append(track.enter_program(peer, condition, f"cost {peer.name} {condition.value}", "cost bare"))
            seconds = PEER_SECONDS
            for _ in range(0 if condition is Condition.HANGING else WARM_UPS):
                seconds = entered[-1].run(track.not_ours).gone
                if seconds > PEER_SECONDS / FEWEST:
                    break
            entered[-1].share = min(max(PEER_SECONDS / seconds, FEWEST), rounds) / rounds
    except Failed as error:
        missing[peer.name] = str(error)
        track.contestants = [contestant for contestant in track.contestants if contestant not in entered]


def measure_senders(program: Program, rounds: int) -> list[Row]:
    """What a detached sender takes from its start to its end, with one run to send."""
    rows = []
    for condition in USUAL:
        with course() as track:
            contestant = track.enter_program(program, condition, f"sender {condition.value}", "")
            contestant.before = partial(let_a_sender_start, Path(contestant.environ["HOME"]))
            race(track.contestants, rounds, track.not_ours)
            rows.append(contestant.row)
    return rows


if __name__ == "__main__":
    main()
