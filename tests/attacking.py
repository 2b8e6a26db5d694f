"""The attacker: everything that is published, week after week, in every format; the rule; and arithmetic.

It is given more than anyone outside has: which groups a published number is the sum of, and what each adds to it; how
many runs and machines each of these had; and, where a part of a dimension is published, which other values there were.
It wants the runs or machines of a cell that was to be withheld.
"""

import csv
import io
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from html.parser import HTMLParser
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from sst_collector.dimensions import REFINED
from sst_collector.publishing.page import PAGES
from sst_collector.publishing.publication import publish, snapshot_of
from sst_collector.publishing.ranking import MEMORY, keeping, ranking
from sst_collector.publishing.site import Site
from sst_collector.publishing.snapshot import WINDOWS
from sst_collector.publishing.suppression import publishable, together
from sst_collector.warehouse.protocol import Cell, PublishedWeek
from sst_collector.weeks import monday_of, shifted
from sst_core import SST, week_of

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
SEPARATE = ("platform", "architecture", "cpus")
"""Dimensions in which a machine has one value: their machines add up."""
SHARED = ("command", "version", "python", "distro")
"""Dimensions in which a machine may have several values in a week: only their runs add up."""

DISTRIBUTIONS = ("debian-12", "fedora", "other", "ubuntu-24.04")
LEGACY_VERSIONS = ("1.18.4", "1.18.3", "1.17.0")
"""The original client's: what it leaves unsaid ties these to other dimensions."""
OF_LINUX, OF_OTHERS = "distro python ", "python "
"""What the original client's runs leave unsaid."""

Name = tuple[str, str]
"""A dimension and a value."""
Part = tuple[str, str, str]
"""What a group leaves unsaid, a dimension and a value."""
Cells = tuple[Cell, ...]
Publisher = Callable[["Rows", int, datetime], bytes]
"""Makes a snapshot of what is true, with a threshold and at a time."""
Numbers = Mapping[tuple[str, str, str], int]
"""The runs that are told of a window, a dimension and a value."""


@dataclass
class Rows:
    """A warehouse in memory: what is true of each week, and what was published of it."""

    truth: Mapping[str, Cells]
    published: dict[str, PublishedWeek] = field(default_factory=dict)

    def load(self, segment: Path) -> None:
        """Nothing arrives."""

    def checkpoint(self) -> None:
        """Nothing is kept."""

    def unpublished_weeks(self, before: str) -> Sequence[str]:
        return [week for week in sorted(self.truth) if week < before and week not in self.published]

    def cells(self, week: str, min_machines: int = 1) -> Sequence[Cell]:
        return folded(self.truth.get(week, ()), min_machines)

    def publish(self, published: PublishedWeek) -> None:
        assert published.week not in self.published
        self.published[published.week] = published

    def last_published_week(self) -> str:
        return max(self.published, default="")

    def last_kept_week(self, after: str) -> str:
        return ""

    def published_weeks(self, since: str, before: str = "~") -> Sequence[PublishedWeek]:
        return [self.published[week] for week in sorted(self.published) if since <= week < before]

    def expire(self, before: str) -> None:
        """Nothing is kept."""

    def rejected_lines(self) -> int:
        return 0


def folded(cells: Sequence[Cell], min_machines: int) -> list[Cell]:
    """The cells as a warehouse tells them: of each group and dimension the small ones as one."""
    told, small = [], defaultdict(list)
    for cell in cells:
        if cell.machines is None or cell.machines >= min_machines:
            told.append(cell)
        else:
            small[cell.unsaid, cell.dimension].append(cell)
    for (unsaid, dimension), each in small.items():
        runs, machines = sum(cell.runs for cell in each), sum(cell.machines or 0 for cell in each)
        told.append(Cell(dimension, "", runs, machines, unsaid, len(each)))
    return told


def a_community(rng: random.Random) -> dict[str, Cells]:
    """What is true of a few weeks: of few machines, so that there is a lot to withhold."""
    machines = [
        (
            _skewed(rng, ("linux/debian-12", "darwin", "linux/fedora", "win32", "linux/other", "other")),
            _skewed(rng, ("x64", "arm64", "other")),
            _skewed(rng, ("8", "4", "16", "2", "32")),
            _skewed(rng, ("0.1.0", "0.2.0", "0.2.1", "0.3.0")),
            _skewed(rng, ("3.12", "3.11", "3.13")),
        )
        for _ in range(rng.randint(5, 90))
    ] + [
        (
            _skewed(rng, ("linux/", "darwin", "win32")),
            _skewed(rng, ("x64", "arm64")),
            _skewed(rng, ("8", "4", "16")),
            _skewed(rng, LEGACY_VERSIONS),
            "",
        )
        for _ in range(rng.choice((0, rng.randint(1, 20), rng.randint(20, 60))))
    ]
    weeks = {}
    for week in range(rng.randint(1, 7)):
        if rng.random() < 0.9:
            weeks[week_of(MONDAY + timedelta(weeks=week))] = _cells(rng, machines, rng.uniform(0.3, 1))
    return weeks


def _cells(rng: random.Random, machines: Sequence[tuple[str, ...]], use: float) -> Cells:
    runs: Counter[Part] = Counter()
    seen: defaultdict[Part, set[int]] = defaultdict(set)
    others = rng.choice((0, 0, 1, 3))  # of a machine's distributions: it was upgraded, or runs containers at home
    for number, (system, architecture, cpus, version, python) in enumerate(machines):
        if rng.random() > use:
            continue
        platform, _, distro = system.partition("/")
        unsaid = "" if python else OF_LINUX if platform == "linux" else OF_OTHERS
        distros = {distro: None} | dict.fromkeys(rng.choices(DISTRIBUTIONS, k=others if distro else 0))
        for run in range(max(len(distros), rng.choice((1, 1, 1, 2, 3, 8)))):
            distro = list(distros)[run % len(distros)]
            command = _skewed(rng, ("build", "start", "deploy", "diff", "remove"))
            values = {"platform": platform, "architecture": architecture, "cpus": cpus, "version": version}
            for dimension, value in {**values, "python": python, "command": command, "distro": distro}.items():
                if value:
                    runs[unsaid, dimension, value] += 1
                    seen[unsaid, dimension, value].add(number)
    ci = rng.randint(0, 60)
    people = tuple(Cell(*part[1:], runs[part], len(seen[part]), part[0]) for part in sorted(runs))
    return (*people, Cell("ci", "true", ci, None)) if ci else people


def _skewed(rng: random.Random, values: Sequence[str]) -> str:
    return values[min(int(rng.expovariate(0.9)), len(values) - 1)]


def groups(cells: Cells) -> list[Cells]:
    """The cells of each group."""
    return [tuple(group) for _, group in groupby(sorted(cells, key=attrgetter("unsaid")), attrgetter("unsaid"))]


# What is attacked: the collector's own publication, and four that seem to withhold as much.


def honest(rows: Rows, min_machines: int, now: datetime) -> bytes:
    """The collector's."""
    publish(rows, SST.catalogue, min_machines, now)
    return snapshot_of(rows, SST.catalogue, min_machines, now).to_json()


def without_neighbours(rows: Rows, min_machines: int, now: datetime) -> bytes:
    """Withholds small cells of each week, and no more."""
    closed = {week: cells for week, cells in rows.truth.items() if week < week_of(now)}
    return honest(Rows({week: _enough(cells, min_machines) for week, cells in closed.items()}), 1, now)


def windows_from_rows(rows: Rows, min_machines: int, now: datetime) -> bytes:
    """Withholds what is small in a window that it counts anew from the rows, each day."""
    open_week = week_of(now)
    windows: dict[str, dict[str, list[dict[str, object]]]] = {}
    for window, weeks in WINDOWS.items():
        runs: Counter[Name] = Counter()
        machines: Counter[Name] = Counter()
        for week, cells in rows.truth.items():
            if shifted(open_week, -weeks) <= week < open_week:
                for cell in cells:
                    runs[cell.dimension, cell.value] += cell.runs
                    machines[cell.dimension, cell.value] += cell.machines or 0
        windows[window] = {str(field.dimension): [] for field in SST.catalogue if field.dimension}
        for (dimension, value), seen in machines.items():
            if seen >= min_machines:
                total = {"value": value, "runs": runs[dimension, value], "machines": seen}
                windows[window][dimension].append(total)
    snapshot = {"snapshot": f"{now:%Y-%m-%dT%H:%M:%SZ}", "windows": windows, "withheld": 0, "rejected": 0}
    return json.dumps(snapshot).encode()


def nulls_as_a_value(rows: Rows, min_machines: int, now: datetime) -> bytes:
    """Counts all runs together; what says nothing of a dimension has a cell there, like any other."""
    return _in_one_group(rows, min_machines, now)


def nulls_left_out(rows: Rows, min_machines: int, now: datetime) -> bytes:
    """The same, and these cells are not told."""
    return _in_one_group(rows, min_machines, now, but="unknown")


def _in_one_group(rows: Rows, min_machines: int, now: datetime, but: str = "") -> bytes:
    whole = _Telling({week: in_one_group(cells) for week, cells in rows.truth.items()}, but=but)
    return honest(whole, min_machines, now)


@dataclass
class _Telling(Rows):
    """A warehouse that does not tell one value of what is published."""

    but: str = ""

    def published_weeks(self, since: str, before: str = "~") -> Sequence[PublishedWeek]:
        weeks = super().published_weeks(since, before)
        return [replace(week, cells=tuple(cell for cell in week.cells if cell.value != self.but)) for week in weeks]


def in_one_group(cells: Cells) -> Cells:
    """All groups as one, with a value for what is left unsaid."""
    nulls = [
        replace(cell, dimension=dimension, value="unknown")
        for cell in cells
        for dimension in cell.unsaid.split()
        if cell.dimension == "platform"
    ]
    return together((*cells, *nulls))


def _enough(cells: Cells, min_machines: int) -> Cells:
    return tuple(cell for cell in cells if cell.machines is None or cell.machines >= min_machines)


def publications(
    truth: Mapping[str, Cells], publisher: Publisher, min_machines: int, rows: Rows | None = None
) -> list[tuple[datetime, bytes]]:
    """The snapshots of the days after the first week, until the last one's successor is over. `rows` take the truth."""
    rows = rows or Rows(truth)
    end = max((monday_of(week) for week in truth), default=MONDAY.date()) + timedelta(weeks=2)
    days = range(7, (end - MONDAY.date()).days + 1)
    return [
        (now, publisher(rows, min_machines, now))
        for day in days
        if day % 7 in (0, 1)  # between the two and the next Monday nothing can happen
        for now in [MONDAY + timedelta(days=day)]
    ]


# Reading the publications.


def in_json(snapshot: bytes) -> Numbers:
    """What `stats.json` tells."""
    return {
        (window, dimension, total["value"]): total["runs"]
        for window, dimensions in json.loads(snapshot)["windows"].items()
        for dimension, totals in dimensions.items()
        for total in totals
    }


def in_csv(files: Site) -> Numbers:
    """What `stats.csv` tells."""
    lines = csv.DictReader(io.StringIO(files["stats.csv"].content.decode()))
    return {(line["window"], line["dimension"], line["value"]): int(line["runs"]) for line in lines}


def in_dimensions(files: Site) -> tuple[Numbers, Numbers]:
    """What the JSON and the CSV of each dimension tell."""
    names = [str(field.dimension) for field in SST.catalogue if field.dimension]
    by_json = {
        (window, name, total["value"]): total["runs"]
        for name in names
        for window, totals in json.loads(files[f"{name}.json"].content)["windows"].items()
        for total in totals
    }
    by_csv = {
        (line["window"], name, line["value"]): int(line["runs"])
        for name in names
        for line in csv.DictReader(io.StringIO(files[f"{name}.csv"].content.decode()))
    }
    return by_json, by_csv


def in_pages(files: Site) -> Numbers:
    """What the tables of the pages tell."""
    return {
        (window, dimension, value): runs
        for window, page in PAGES.items()
        for dimension, value, runs in read_page(files[page].content.decode())
    }


def read_page(text: str) -> list[tuple[str, str, int]]:
    """Each row of a page's tables of dimensions: the dimension, the value and its runs."""
    parser = _Tables()
    parser.feed(text)
    return [
        (dimension, "true" if dimension == "ci" else cells[0], int(cells[1].replace(",", "")))
        for dimension, cells in parser.rows
        if dimension != "weeks"
    ]


class _Tables(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, list[str]]] = []
        self._section = ""
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            self._section = dict(attrs).get("aria-labelledby") or ""
        elif tag in ("tbody", "tr") and self._inside != "tr":
            self._inside = "tr" if self._inside == "tbody" and tag == "tr" else "tbody"
            if self._inside == "tr":
                self.rows.append((self._section, []))
        elif tag in ("th", "td") and self._inside == "tr":
            self.rows[-1][1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self._inside == "tr":
            self._inside = "tbody"
        elif tag == "tbody":
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside == "tr" and self.rows[-1][1]:
            self.rows[-1][1][-1] += data.strip()


# Computing what was not published.


@dataclass(frozen=True, slots=True)
class Claim:
    """What the attacker says of one week's cell: its runs, or its machines, are from `least` to `most`."""

    week: str
    name: Name
    what: str
    least: int
    most: int

    @property
    def width(self) -> int:
        return self.most - self.least + 1


def attack(
    truth: Mapping[str, Cells],
    seen: Sequence[tuple[datetime, bytes]],
    parts: Mapping[str, set[Part]] | None = None,
) -> list[Claim]:
    """All that follows about single weeks from what was `seen`, and from totals and names, which `truth` gives.

    `parts` of a week are what its numbers are the sums of. Without them all runs were counted as one group.
    """
    claims = []
    for week, runs in _differences(sorted(truth), seen).items():
        claims += [Claim(week, name, "runs", count, count) for name, count in runs.items()]
        if parts is None:
            claims += _from_totals(week, in_one_group(truth[week]), runs) + _from_ties(week, truth[week], runs)
            continue
        for cells in groups(truth[week]):
            told = {
                (cell.dimension, cell.value): cell.runs
                for cell in cells
                if (cell.unsaid, cell.dimension, cell.value) in parts[week]
            }
            claims += _from_totals(week, cells, told)
    return claims


def parts_told(rows: Rows, min_machines: int) -> dict[str, set[Part]]:
    """Of each week, the parts of which its published numbers are the sums. They are the rule's, of each group alone."""
    told: dict[str, set[Part]] = {}
    for week, cells in rows.truth.items():
        earlier = rows.published_weeks(shifted(week, -MEMORY), before=week)
        rank, keep = ranking(earlier, SST.catalogue), keeping(earlier, SST.catalogue)
        alone = [(group[0].unsaid, publishable(week, group, min_machines, rank, keep)) for group in groups(cells)]
        told[week] = {(unsaid, cell.dimension, cell.value) for unsaid, out in alone for cell in out.cells}
    return told


def _differences(weeks: Sequence[str], seen: Sequence[tuple[datetime, bytes]]) -> dict[str, dict[Name, int]]:
    """The runs of each week and value, as far as they follow from windows that overlap."""
    equations: dict[tuple[int, ...], dict[Name, int]] = {}
    for now, snapshot in seen:
        numbers: defaultdict[str, dict[Name, int]] = defaultdict(dict)
        for (window, dimension, value), told in in_json(snapshot).items():
            numbers[window][dimension, value] = told
        for window, length in WINDOWS.items():
            first = shifted(week_of(now), -length)
            covered = tuple(int(first <= week < week_of(now)) for week in weeks)
            known = equations.setdefault(covered, numbers[window])
            assert known == numbers[window]  # one sum, told twice in two ways, would be two equations
    solved = _solve(list(equations))
    names = {name for numbers in equations.values() for name in numbers}
    return {
        week: {
            name: int(count)
            for name in names
            if (count := sum(share * equations[row].get(name, 0) for row, share in solved[place].items()))
        }
        for place, week in enumerate(weeks)
        if place in solved
    }


Share = dict[tuple[int, ...], Fraction]
"""A combination of equations, each known by its coefficients."""
Line = tuple[list[Fraction], Share]


def _solve(rows: list[tuple[int, ...]]) -> dict[int, Share]:
    """For each column that can be singled out, the combination of `rows` that does. Gauss and Jordan, exactly."""
    work: list[Line] = [(list(map(Fraction, row)), {row: Fraction(1)}) for row in rows]
    done: list[Line] = []
    for column in range(len(rows[0])):
        pivot = next((line for line in work if line[0][column]), None)
        if pivot is None:
            continue
        work.remove(pivot)
        unit = _minus(([Fraction(0)] * len(rows[0]), {}), -1 / pivot[0][column], pivot)
        work = [_minus(line, line[0][column], unit) for line in work]
        done = [*(_minus(line, line[0][column], unit) for line in done), unit]
    return {row.index(Fraction(1)): how for row, how in done if sum(value != 0 for value in row) == 1}


def _minus(line: Line, times: Fraction, other: Line) -> Line:
    share = {row: line[1].get(row, Fraction(0)) - times * other[1].get(row, Fraction(0)) for row in line[1] | other[1]}
    return [a - times * b for a, b in zip(line[0], other[0], strict=True)], share


def _from_totals(week: str, cells: Cells, runs: Mapping[Name, int]) -> list[Claim]:
    """What the totals leave for the values that are not told."""
    true = {(cell.dimension, cell.value): cell for cell in cells}
    claims = []
    for dimension in (*SEPARATE, *SHARED):
        names = [name for name in true if name[0] == dimension]
        told = [name for name in names if name in runs]
        rest = [name for name in names if name not in runs]
        whole = REFINED.get(dimension, ("platform", None))
        within = [cell for name, cell in true.items() if name[0] == whole[0] and whole[1] in (None, name[1])]
        if not rest or not told or (whole[1] and whole not in runs):
            continue
        left = sum(cell.runs for cell in within) - sum(runs[name] for name in told)
        claims += [Claim(week, name, "runs", 1 if rest[1:] else left, left - len(rest) + 1) for name in rest]
        if dimension not in SHARED:
            left = sum(cell.machines or 0 for cell in within) - sum(true[name].machines or 0 for name in told)
            claims += [Claim(week, name, "machines", 1 if rest[1:] else left, left - len(rest) + 1) for name in rest]
    return claims


def _from_ties(week: str, cells: Cells, runs: Mapping[Name, int]) -> list[Claim]:
    """What the values that only the original client has leave for each other: it says nothing of some dimensions."""
    unsaid = {dimension: _unsaid(in_one_group(cells), runs, dimension) for dimension in ("python", "distro")}
    claims = []
    if (everybody := unsaid["python"]) is not None:
        names = {("version", cell.value) for cell in cells if cell.dimension == "version" and cell.unsaid}
        rest = names - runs.keys()
        left = everybody - sum(runs[name] for name in names & runs.keys())
        claims += [Claim(week, name, "runs", 1 if len(rest) > 1 else left, left - len(rest) + 1) for name in rest]
        if (on_linux := unsaid["distro"]) is not None:
            claims.append(Claim(week, ("group", OF_OTHERS), "runs", everybody - on_linux, everybody - on_linux))
    return claims


def _unsaid(cells: Cells, runs: Mapping[Name, int], dimension: str) -> int | None:
    """The runs that say nothing of the dimension, if that is told or is all that is left of its sum."""
    names = {(cell.dimension, cell.value) for cell in cells if cell.dimension == dimension}
    if names - runs.keys() - {(dimension, "unknown")} or not names:
        return None
    whole = REFINED.get(dimension, ("platform", None))
    if whole[1] and whole not in runs:
        return None
    total = sum(cell.runs for cell in cells if cell.dimension == whole[0] and whole[1] in (None, cell.value))
    return total - sum(runs[name] for name in names if name[1] != "unknown")


def recovered(truth: Mapping[str, Cells], claims: Sequence[Claim], min_machines: int) -> list[Claim]:
    """The claims that are true and say more of a small cell, or of a small group, than that it is small."""
    sizes = {
        week: [replace(cell, dimension="group", value=cell.unsaid) for cell in cells if cell.dimension == "platform"]
        for week, cells in truth.items()
    }
    true = {
        (week, (cell.dimension, cell.value)): cell
        for week, cells in truth.items()
        for cell in together((*cells, *sizes[week]))
    }
    found = []
    for claim in claims:
        cell = true.get((claim.week, claim.name))
        if cell is not None and cell.machines is not None and cell.machines < min_machines:
            number = cell.runs if claim.what == "runs" else cell.machines
            if claim.least <= number <= claim.most and claim.width < min_machines - 1:
                found.append(claim)
    return found
