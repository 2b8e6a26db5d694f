"""What a collector takes in per second of CPU, beside an echo, SQLite and PostgreSQL, in one run; and what it keeps.

    python benchmarks/collector.py --quick           small laps, a small history: under a minute
    python benchmarks/collector.py                   the whole
        --keep FILE     keep what was measured in FILE
        --from FILE     measure nothing: print what FILE keeps
        --write PAGE …  put the tables between the marks `<!-- measured: bench_collector -->` and `<!-- end -->`

CPU is what the operating system accounts to the server and to the processes that it needs, not to who sends. Each lap
has new servers on new folders, in an order of its own. Nothing leaves the machine.
"""

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from textwrap import fill
from typing import Any

import duckdb

from intake import servers
from intake.events import Load, load
from intake.history import ARRIVED, History
from intake.history import measured as history
from intake.sending import send, send_at_a_rate
from intake.servers import Missing, Server
from placing import parser_of, without_a_place, write
from surroundings import surroundings

LAPS = 5
CONNECTIONS = 64
WARM_UP = 200
"""Requests before the clock starts."""
CADENCE = 5
"""Seconds between two rounds of loading and publishing, where these are measured: the default is an hour."""
PATIENCE = 120.0
RATE, A_REQUEST, PAGES = 10_000, 20, 50
"""Events a second while the page is asked for, how many in each request, and pages a second."""
HISTORIES = (1_000_000, 3_000_000, 10_000_000)
HUNDRED_MILLION = 100_000_000
ECHO_THERE = 113_000
"""Requests that the echo did a CPU second where the targets were set."""
TARGETS = {"echo": 0.18, "pipeline": 90_000, "page": 0.020, "bytes": 60, "snapshot": 10.0}
NAME = "bench_collector"


@dataclass(frozen=True, slots=True)
class Shape:
    """How events are sent."""

    name: str
    a_request: int
    zipped: bool
    events: int
    """In a lap."""


SHAPES = (
    Shape("1 per request", 1, False, 40_000),
    Shape("20 per request", 20, False, 400_000),
    Shape("20 per request, gzip", 20, True, 400_000),
)
SLOW = {"sqlite": 0.1, "postgresql": 0.5}
"""The part of a lap that is enough for those that take long."""


@dataclass(frozen=True, slots=True)
class Lap:
    """What one took."""

    number: int
    server: str
    shape: str
    requests: int
    events: int
    acknowledged: float
    """CPU seconds until the last answer."""
    whole: float | None
    """CPU seconds until all was loaded and counted; None where the answer says that already, or nothing is kept."""
    seconds: float
    """Until the last answer."""


@dataclass(slots=True)
class Measured:
    """All of it."""

    laps: list[Lap]
    pages: list[float]
    """Seconds that each took."""
    histories: list[History]
    missing: Mapping[str, str] = field(default_factory=dict)
    surroundings: str = field(default_factory=surroundings)

    def save(self, file: Path) -> None:
        """Keep it."""
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, file: Path) -> "Measured":
        """What `save` kept."""
        values: dict[str, Any] = json.loads(file.read_text())
        laps = [Lap(**lap) for lap in values.pop("laps")]
        return cls(laps=laps, histories=[History(**each) for each in values.pop("histories")], **values)


def main() -> None:
    """Measure, and print tables in Markdown."""
    parser = parser_of(__doc__)
    options = parser.parse_args()
    for page in without_a_place(options.write, [NAME]):
        parser.error(f"{page} has no place for the tables")
    measured = Measured.load(options.kept) if options.kept else measure(0.05 if options.quick else 1.0)
    if options.keep:
        measured.save(options.keep)
    tables = report(measured)
    print(tables)
    write(options.write, {NAME: tables})


def measure(scale: float) -> Measured:
    """Everything, or a small part of it to see that it works."""
    laps: list[Lap] = []
    missing: dict[str, str] = {}
    for number in range(LAPS if scale == 1 else 1):
        for shape in SHAPES:
            for name in random.sample(list(SERVERS), len(SERVERS)):
                if name in missing:
                    continue
                try:
                    laps.append(lap(number, name, shape, scale * SLOW.get(name, 1)))
                except Missing as error:
                    missing[name] = str(error)
    pages = page_times(seconds=max(2.0, 30 * scale))
    return Measured(laps, pages, list(histories(scale)), missing)


def lap(number: int, name: str, shape: Shape, scale: float) -> Lap:
    """One server takes in one load. Raises `Missing`."""
    sent = load(int(shape.events * scale), shape.a_request, zipped=shape.zipped, seed=number)
    with _folder() as folder, SERVERS[name](folder) as server:
        send(server.port, load(WARM_UP, 1, zipped=False, seed=WARM_UP).requests, 1)
        before = server.cpu()
        seconds = send(server.port, sent.requests, CONNECTIONS)
        acknowledged = server.cpu() - before
    whole = None
    if name == COLLECTOR:
        whole = whole_way(sent)
    return Lap(number, name, shape.name, len(sent.requests), sent.sent, acknowledged, whole, seconds)


def whole_way(sent: Load) -> float:
    """CPU seconds of a collector until all is loaded, and each session is there once."""
    with _folder() as folder:
        with servers.collector(folder, "--snapshot-every", str(CADENCE)) as server:
            send(server.port, load(WARM_UP, 1, zipped=False, seed=WARM_UP).requests, 1)
            _wait_until_loaded(folder)
            before = server.cpu()
            send(server.port, sent.requests, CONNECTIONS)
            _wait_until_loaded(folder)
            taken = server.cpu() - before
        with duckdb.connect(folder / "warehouse.duckdb", read_only=True) as warehouse:
            counted = warehouse.execute("SELECT count(*) FROM runs").fetchall()
    assert counted == [(sent.distinct + WARM_UP,)], f"{counted} of {sent.distinct + WARM_UP}"
    return taken


def _wait_until_loaded(data: Path) -> None:
    """Until no segment waits: each is deleted when a checkpoint holds it."""
    deadline = time.monotonic() + PATIENCE
    while any((data / "journal").iterdir()):
        assert time.monotonic() < deadline, "the loader does not come to an end"
        time.sleep(0.05)


def page_times(seconds: float) -> list[float]:
    """What `GET /` takes while events come at `RATE`, and are loaded and published meanwhile."""
    sent = load(int(RATE * seconds), A_REQUEST, zipped=True, seed=0)
    with _folder() as folder, servers.collector(folder, "--snapshot-every", str(CADENCE)) as server:
        send(server.port, load(WARM_UP, 1, zipped=False, seed=WARM_UP).requests, 1)
        return send_at_a_rate(server.port, sent.requests, RATE / A_REQUEST, _PAGE, PAGES)


_PAGE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def histories(scale: float) -> Iterator[History]:
    """Small ones, and larger ones."""
    for events in HISTORIES:
        with _folder() as folder:
            yield history(folder, int(events * scale))


COLLECTOR = "`sst collector`"
SERVERS: Mapping[str, Callable[[Path], AbstractContextManager[Server]]] = {
    "echo": servers.echo,
    COLLECTOR: lambda folder: servers.collector(folder, "--snapshot-every", "3600"),
    "sqlite": servers.sqlite,
    "postgresql": servers.postgresql,
}
NAMES = {
    "echo": "an echo, which keeps nothing",
    "sqlite": "SQLite behind our front, a commit per request",
    "postgresql": "PostgreSQL behind our front, `COPY`",
}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sst-bench-") as folder:
        yield Path(folder)


def report(measured: Measured) -> str:
    """The tables, with what has to be known to read them."""
    heading = (
        f"Measured with `python3 -m nox -s bench_collector` on {measured.surroundings}. Medians of "
        f"{len({lap.number for lap in measured.laps})} laps, in brackets the least and the most; each lap has every "
        f"server once, in an order of its own, with {CONNECTIONS} connections on loopback. A CPU second is one of the "
        "server, and of PostgreSQL where it needs that."
    )
    parts = [fill(heading, 120), _taking_in(measured), _verdicts(measured), _history(measured)]
    parts += [fill(f"Not measured: {NAMES[name]}. {reason}", 120) for name, reason in measured.missing.items()]
    return "\n\n".join(parts)


def _taking_in(measured: Measured) -> str:
    lines = []
    for shape in SHAPES:
        echo = {lap.number: lap for lap in measured.laps if (lap.server, lap.shape) == ("echo", shape.name)}
        for name in SERVERS:
            laps = [lap for lap in measured.laps if (lap.server, lap.shape) == (name, shape.name)]
            if laps:
                lines.append(_line(name, shape, laps, echo))
    rates = ("requests per CPU s", "÷ echo", "events per CPU s, acknowledged", "loaded too")
    head = ("events", "server", *rates, "CPUs busy")
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * 2 + ["---:"] * 5, *lines))


def _line(name: str, shape: Shape, laps: Sequence[Lap], echo: Mapping[int, Lap]) -> Sequence[str]:
    return (
        shape.name,
        NAMES.get(name, name),
        _spread([lap.requests / lap.acknowledged for lap in laps], "{:,.0f}"),
        _spread(_against(laps, echo), "{:.2f}"),
        "" if name == "echo" else _spread([lap.events / lap.acknowledged for lap in laps], "{:,.0f}"),
        _spread([lap.events / lap.whole for lap in laps if lap.whole], "{:,.0f}"),
        _spread([lap.acknowledged / lap.seconds for lap in laps], "{:.2f}"),
    )


def _against(laps: Sequence[Lap], echo: Mapping[int, Lap]) -> list[float]:
    return [
        (lap.requests / lap.acknowledged) / (echo[lap.number].requests / echo[lap.number].acknowledged) for lap in laps
    ]


def _verdicts(measured: Measured) -> str:
    one, twenty, _ = SHAPES
    echo = {lap.number: lap for lap in measured.laps if (lap.server, lap.shape) == ("echo", one.name)}
    ours = [lap for lap in measured.laps if (lap.server, lap.shape) == (COLLECTOR, one.name)]
    whole = [
        lap.events / lap.whole
        for lap in measured.laps
        if (lap.server, lap.shape) == (COLLECTOR, twenty.name) and lap.whole
    ]
    ratio, pipeline = statistics.median(_against(ours, echo)), statistics.median(whole)
    echoed = statistics.median(lap.requests / lap.acknowledged for lap in echo.values())
    p50, p99 = (statistics.quantiles(measured.pages, n=100)[at] for at in (49, 98))
    said = (
        f"One acknowledged event per request: {ratio:.3f} of the echo's requests per CPU second; "
        f"{_met(ratio >= TARGETS['echo'], '0.18')}.",
        f"Acknowledged, loaded, published every {CADENCE} s and each session counted once, at twenty per request: "
        f"{pipeline:,.0f} events per CPU second; {_met(pipeline >= TARGETS['pipeline'], '90,000')}. It was set on a "
        f"processor that did {ECHO_THERE:,} of the echo's requests a second, and this one did {echoed:,.0f}: measured "
        f"by those, {pipeline / echoed:.2f} where {TARGETS['pipeline'] / ECHO_THERE:.2f} was aimed at.",
        f"`GET /`, {PAGES} a second, while {RATE:,} events a second come in, are loaded and published: half of "
        f"{len(measured.pages):,} within {p50 * 1000:.1f} ms, 99 % within {p99 * 1000:.1f} ms, the slowest "
        f"{max(measured.pages) * 1000:.0f} ms; {_met(p99 <= TARGETS['page'], '20 ms at the 99th percentile')}.",
    )
    return "\n".join(fill(f"- {sentence}", 120, subsequent_indent="  ") for sentence in said)


def _met(is_met: bool, target: str) -> str:
    return f"the target, {target}, is {'met' if is_met else 'MISSED'}"


def _history(measured: Measured) -> str:
    lines = [
        (f"{each.events:,}", f"{each.bytes_each:.0f}", f"{each.seconds:.1f}", f"{each.cpu:.1f}", f"{each.peak >> 10:,}")
        for each in measured.histories
    ]
    head = ("events in the warehouse", "bytes each", "the next snapshot, s", "CPU, s", "memory at most, MiB")
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---:"] * 5, *lines))
    first, last = measured.histories[0], measured.histories[-1]
    slope = (last.cpu - first.cpu) / (last.events - first.events)
    said = (
        f"All events came in one week, the worst case: the round that is measured loads {ARRIVED:,} more, looks "
        f"through the whole week, and publishes it. {last.bytes_each:.0f} bytes each: "
        f"{_met(last.bytes_each <= TARGETS['bytes'], '60')}. A snapshot in {last.seconds:.1f} s: "
        f"{_met(last.seconds <= TARGETS['snapshot'], '10 s')}. {last.events / first.events:.0f} times the events take "
        f"{last.peak / first.peak:.1f} times the memory. On paper: {slope * 1e6:.2f} µs of CPU more for each event of "
        f"the week, so {first.cpu + slope * (HUNDRED_MILLION - first.events):,.0f} s for a week of a hundred million, "
        f"and {last.bytes_each * HUNDRED_MILLION / 1e9:.1f} GB on the disk."
    )
    return f"{table}\n\n{fill(said, 120)}"


def _spread(values: Sequence[float], form: str) -> str:
    if not values:
        return ""
    middle, least, most = (form.format(of(values)) for of in (statistics.median, min, max))
    return f"{middle} ({least}–{most})"  # noqa: RUF001 - a dash between numbers


if __name__ == "__main__":
    main()
