"""The tables, in Markdown: medians, with the least and the most."""

import operator
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from textwrap import fill

from losing import CAP as LOSING_CAP
from losing import FURTHER, RUNS
from measuring import CAP, Run
from receiving import USUAL, Condition
from recording import AT_MOST
from rows import Measured, Row

CONTROL = (0.98, 1.02)
"""Within which the ratio of two equal commands has to lie, for the others to count."""
MOST_ON, MOST_OFF, MOST_HELP, MOST_GROWTH = 1.03, 1.15, 1.0, 1.10
"""What the ratios of wall times may be: on to off, off to bare Typer, the same of `--help`, and of 300 installed
distributions to 20."""
NOTICEABLE = 0.005
"""Seconds below which nobody is said to have waited."""
NOTES = """\
- *Added* is against the same command without that telemetry, in the same round: `sst` off for `sst` on, and bare Typer
  for all others. What takes more than {cap:.0f} s is ended there.
- A collector that hangs takes the request and never answers. It is on loopback and speaks plain HTTP. The two peers
  whose address is fixed and HTTPS, kedro-telemetry and azure-cli-telemetry, reach it through `HTTPS_PROXY`, with a
  certificate that they are told to trust. Each peer is used as its documentation shows: `benchmarks/peers`.
  kedro-telemetry imports Kedro, which a Kedro command has imported already.
- *Events lost*, up: of all runs in that line, neither arrived nor, for `sst`, queued. Refused: of {runs} runs with the
  collector down, not arrived when it is back and further runs, {further} at most, bring no more of them; a command is
  ended after {losing_cap:.0f} s there. For `sst`, the ten minutes between two senders and the wait after a failure are
  made to have passed, by setting back the one's time stamp and deleting the other's note.
- *CPU left behind* is of processes that the command started and didn't wait for; *`$(…)` waits* is how long they hold
  its output after its end.
- `sst` starts a sender at most every ten minutes, in CI where none is going to look. The lines in which each run starts
  one show the worst case. Where the collector hangs or drips, it is ended there half a second after the command."""


def report(measured: Measured) -> str:
    """All of them, with what has to be known to read them."""
    parts = [_heading(measured), _cost(measured), _reading(measured), _on_off(measured), _inside(measured)]
    parts.append(_start(measured))
    return "\n\n".join(part for part in parts if part)


def summary(measured: Measured) -> str:
    """One line for each program: what it adds to a command, and what it loses."""
    bare, off = (_ms(median(measured[key].values(_wall))) for key in ("cost bare", "cost off"))
    said = (
        f"Milliseconds that recording one event adds to a command, which takes {bare} ms in bare Typer and {off} ms in "
        f"`sst` with telemetry off: medians of up to {measured.rounds} rounds, on {measured.surroundings}. *Lost*: "
        f"events of {RUNS} commands, run while the collector was down, that had not arrived once it was back."
    )
    programs: dict[str, dict[str, Row]] = {}
    for row in measured.with_prefix("cost "):
        if row.collector and not row.key.startswith("cost starting"):
            programs.setdefault(row.name, {})[row.collector] = row
    head = ("the collector is", *(condition.value for condition in USUAL), "lost")
    return f"{fill(said, 120)}\n\n{_table(head, [_summary_line(measured, *each) for each in programs.items()])}"


def _summary_line(measured: Measured, name: str, rows: Mapping[str, Row]) -> Sequence[str]:
    lost = rows[Condition.REFUSED.value].lost if Condition.REFUSED.value in rows else None
    added = [_added(measured, rows[condition.value], _wall) if condition.value in rows else "" for condition in USUAL]
    return (name, *added, f"{lost[0]} of {lost[1]}" if lost else "")


def _added(measured: Measured, row: Row, value: Callable[[Run], float]) -> str:
    """In milliseconds; what was ended shows that it would have been more."""
    if not row.base:
        return ""
    added = _ms(median(row.paired(measured[row.base], value, operator.sub)))
    return f"> {added}" if value is _wall and median(row.values(_wall)) >= CAP else added


def _heading(measured: Measured) -> str:
    said = (
        f"Measured with `python3 -m nox -s bench` on {measured.surroundings}. {measured.rounds} rounds, in each of "
        "which every line ran once, in an order of the round's own; a slow one ran in n of them. Medians, and in "
        "brackets the least and the most."
    )
    return fill(said, 120)


def _cost(measured: Measured) -> str:
    """In two tables: one of all columns is wider than a page."""
    bare, rows = measured["cost bare"], measured.with_prefix("cost ")
    named = ("`build` that does nothing", "collector")
    waiting = (*named, "wall, ms", "added, ms", "÷ bare", "events lost", "n")
    working = (*named, "CPU, ms", "added, ms", "÷ bare", "CPU left behind, ms", "`$(…)` waits, ms")
    first = _table(waiting, [_waiting_line(measured, row, bare) for row in rows])
    return f"{first}\n\n{_table(working, [_working_line(measured, row, bare) for row in rows])}"


def _waiting_line(measured: Measured, row: Row, bare: Row) -> Sequence[str]:
    ratio = f"{median(row.paired(bare, _wall, operator.truediv)):.2f}"
    if median(row.values(_wall)) >= CAP:
        ratio = f"> {ratio}"
    lost = f"{row.lost[0]} of {row.lost[1]}" if row.lost else ""
    wall = _spread(row.values(_wall), _ms)
    return row.name, row.collector, wall, _added(measured, row, _wall), ratio, lost, str(len(row.runs))


def _working_line(measured: Measured, row: Row, bare: Row) -> Sequence[str]:
    ratio = f"{median(row.paired(bare, _cpu, operator.truediv)):.2f}"
    left, waits = median(row.values(_left)), median(row.values(_waits))
    behind = (_ms(left) if left else "", _ms(waits) if waits > NOTICEABLE else "")
    return row.name, row.collector, _spread(row.values(_cpu), _ms), _added(measured, row, _cpu), ratio, *behind


def _reading(measured: Measured) -> str:
    notes = [
        *(f"- A sender to its end: {_sender(row)}." for row in measured.senders),
        *(f"- Not measured: {name}. {reason}" for name, reason in measured.missing.items()),
    ]
    read = NOTES.format(cap=CAP, runs=RUNS, further=FURTHER, losing_cap=LOSING_CAP)
    return "\n".join([read, *(fill(note, 120, subsequent_indent="  ") for note in notes)])


def _sender(row: Row) -> str:
    memory = max(run.memory for run in row.runs.values()) / 1024
    return (
        f"the collector {row.collector}, {_spread(row.values(_left), _ms)} ms of CPU in "
        f"{_spread(row.values(_behind), _ms)} ms, and at most {memory:.0f} MiB (n = {len(row.runs)})"
    )


def _on_off(measured: Measured) -> str:
    off, control = measured["cost off"], measured["control"]
    rows = [control, *(row for row in measured.with_prefix("cost ") if row.base == off.key)]
    lines = []
    for row in rows:
        cells = [row.name, row.collector]
        cells += [_spread(row.paired(off, value, operator.truediv), "{:.3f}".format) for value in (_wall, _cpu)]
        lines.append([*cells, str(len(row.runs))])
    least, most = CONTROL
    ratio = median(control.paired(off, _wall, operator.truediv))
    verdict = "so that the others count" if least <= ratio <= most else "so that the others DON'T count"
    told = (
        "The first line is the control: the same command again. Its ratio of wall times has to lie within "
        f"{least} and {most}. It is {ratio:.3f}, {verdict}."
    )
    highest = max((median(row.paired(off, _wall, operator.truediv)) for row in rows[1:]), default=1.0)
    told += f" The highest of the others is {_judged(highest, MOST_ON)}."
    return "\n\n".join(
        (
            _table(("against `sst` off", "collector", "wall ÷ off", "CPU ÷ off", "pairs"), lines),
            fill(told, 120),
        )
    )


def _inside(measured: Measured) -> str:
    """What recording takes in the command's own process; nothing where that was not measured."""
    if not measured.inside:
        return ""
    lines = [
        [
            name,
            _spread(values, "{:.2f}".format),
            f"{AT_MOST[name]}",
            str(len(values)),
            _verdict(median(values), AT_MOST[name]),
        ]
        for name, values in measured.inside.items()
    ]
    return _table(("in the command's own process", "ms", "at most", "processes", ""), lines)


def _judged(ratio: float, most: float) -> str:
    return f"{ratio:.3f}, which is {_verdict(ratio, most)} the {most} that was aimed at"


def _verdict(value: float, most: float) -> str:
    return "within" if value <= most else "MORE THAN"


def _start(measured: Measured) -> str:
    rows = [measured["cost bare"], measured["cost off"], *measured.with_prefix("start ")]
    lines = []
    for row in rows:
        cells = [row.name, _spread(row.values(_wall), _ms), _spread(row.values(_cpu), _ms)]
        for value in (_wall, _cpu):
            paired = row.paired(measured[row.base], value, operator.truediv) if row.base else []
            cells.append(_spread(paired, "{:.3f}".format) if paired else "")
        lines.append([*cells, measured[row.base].name if row.base else ""])
    table = _table(("start-up", "wall, ms", "CPU, ms", "wall ÷", "CPU ÷", "compared with"), lines)
    return "\n\n".join(filter(None, (table, fill(" ".join(_start_verdicts(measured)), 120))))


def _start_verdicts(measured: Measured) -> list[str]:
    """A sentence for each row that has something to keep to."""
    sentences = []
    for row in (measured["cost off"], *measured.with_prefix("start ")):
        if row.base:
            most = MOST_HELP if row.key == "start off" else MOST_GROWTH if "many" in row.key else MOST_OFF
            ratio = median(row.paired(measured[row.base], _wall, operator.truediv))
            sentences.append(f"{row.name} ÷ {measured[row.base].name} is {_judged(ratio, most)}.")
    return sentences


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    left = {
        "`build` that does nothing",
        "collector",
        "against `sst` off",
        "start-up",
        "compared with",
        "in the command's own process",
        "the collector is",
    }
    rule = ["---" if name in left else "---:" for name in head]
    return "\n".join(f"| {' | '.join(cells)} |".replace("| --- |", "|---|") for cells in (head, rule, *lines))


def _spread(values: Sequence[float], said: Callable[[float], str]) -> str:
    if said is _ms and median(values) >= CAP:
        return f"> {CAP:.0f} s"
    return f"{said(median(values))} ({said(min(values))}–{said(max(values))})"  # noqa: RUF001 - a dash between numbers


def _ms(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:.1f}" if abs(milliseconds) < 1000 else f"{milliseconds:,.0f}"


def _wall(run: Run) -> float:
    return run.wall


def _cpu(run: Run) -> float:
    return run.cpu


def _left(run: Run) -> float:
    return run.left


def _waits(run: Run) -> float:
    return run.stdout - run.wall


def _behind(run: Run) -> float:
    return run.gone - run.wall
