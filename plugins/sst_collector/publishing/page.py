"""What a dashboard page shows: the numbers of one window, in the words and lengths that the template puts down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sst_collector.publishing.snapshot import WINDOWS, Snapshot, Total, Week, mean
from sst_collector.weeks import monday_of, shifted
from sst_core import Catalogue, Field, Flag, Section, week_of

PAGES = {"30": "30-days.html", "90": "index.html", "365": "365-days.html"}
"""The file of each window. What comes first is 90 days: enough weeks to see where things go."""

MAX_BARS = 8
MAX_ROWS = 40
"""Rows of one table. Anyone can invent versions; what doesn't fit is in the CSV."""


@dataclass(frozen=True, slots=True)
class Row:
    """A value of a dimension."""

    value: str
    runs: int
    machines: int | None
    share: str
    """Of the runs that are published of the dimension."""
    length: str
    """Of the bar, as a percentage of the longest."""


@dataclass(frozen=True, slots=True)
class Part:
    """One dimension."""

    dimension: str
    title: str
    purpose: str
    rows: Sequence[Row]
    left_out: int
    """Values beyond `MAX_ROWS`."""
    counts_machines: bool

    @property
    def bars(self) -> Sequence[Row]:
        return self.rows[:MAX_BARS]


@dataclass(frozen=True, slots=True)
class Column:
    """A week in a chart over time: its place from the left and its height, in percent."""

    week: str
    begins: str
    number: int | None
    """None where nothing is published."""
    left: str
    width: str
    top: str
    height: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Numbers over time, with round numbers for the lines behind them."""

    name: str
    title: str
    columns: Sequence[Column]
    highest: int
    """What the top line stands for; the middle one is half of it."""

    @property
    def peak(self) -> int:
        return max((column.number or 0 for column in self.columns), default=0)


@dataclass(frozen=True, slots=True)
class Link:
    """One of the windows to choose from."""

    days: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A dashboard."""

    days: str
    links: Sequence[Link]
    made: datetime | None
    made_text: str
    weeks: Sequence[Week]
    """Those that are published, the latest first."""
    span: str
    charts: Sequence[Chart]
    parts: Sequence[Part]
    runs: int | None
    """None if no week says."""
    machines: int | None
    """The mean of the weeks that say; None if none does."""
    withheld: int
    rejected: int
    min_machines: int
    open_week: str
    closes: str
    """The day on which the open week is over."""


def page(snapshot: Snapshot, catalogue: Catalogue, window: str) -> Page:
    """The page of `window`."""
    made = datetime.fromisoformat(snapshot.snapshot) if snapshot.snapshot else None
    open_week = week_of(made) if made else ""
    calendar = [shifted(open_week, -back) for back in range(WINDOWS[window], 0, -1)] if made else []
    if any(week.week == open_week for week in snapshot.weeks):  # a private collector shows it
        calendar.append(open_week)
    weeks = [week for week in snapshot.weeks if week.week in calendar]
    return Page(
        days=window,
        links=[Link(days, href, days == window) for days, href in PAGES.items()],
        made=made,
        made_text=f"{in_words(made)}, {made:%H:%M} UTC" if made else "",
        weeks=weeks[::-1],
        span=f"{in_words(monday_of(weeks[0].week))} to {in_words(_sunday(weeks[-1].week))}" if weeks else "",
        charts=[
            _chart("runs", "Runs a week", calendar, {week.week: week.runs for week in weeks}),
            _chart("machines", "Machines a week", calendar, {week.week: week.machines for week in weeks}),
        ],
        parts=[_part(field, snapshot.totals(window, str(field.dimension))) for field in _in_order(catalogue)],
        runs=sum(runs) if (runs := [week.runs for week in weeks if week.runs is not None]) else None,
        machines=mean([week.machines for week in weeks if week.machines is not None]),
        withheld=sum(week.withheld for week in weeks),
        rejected=snapshot.rejected,
        min_machines=snapshot.min_machines,
        open_week=open_week,
        closes=in_words(monday_of(shifted(open_week, 1))) if made else "",
    )


def whole_number(number: int | None) -> str:
    """With a comma at the thousands; None is a number that is not published."""
    return "withheld" if number is None else f"{number:,}"


def in_words(day: date) -> str:
    """As in `23 November 2026`."""
    return f"{day.day} {day:%B %Y}"


def _in_order(catalogue: Catalogue) -> list[Field]:
    """What people come for first: commands; then what they run on; CI, which is one number, last."""
    shown = [field for field in catalogue if field.dimension]
    return sorted(shown, key=lambda field: (field.section is not Section.PROPERTIES, isinstance(field.kind, Flag)))


def _part(field: Field, totals: Sequence[Total]) -> Part:
    most, every = max((total.runs for total in totals), default=0), sum(total.runs for total in totals)
    flag = isinstance(field.kind, Flag)
    return Part(
        dimension=str(field.dimension),
        title=field.label[0].upper() + field.label[1:],
        purpose=field.purpose,
        rows=[
            Row(
                value="yes" if flag else total.value,
                runs=total.runs,
                machines=total.machines,
                share=_percent(total.runs / every),
                length=f"{100 * total.runs / most:.1f}",
            )
            for total in totals[:MAX_ROWS]
        ],
        left_out=max(0, len(totals) - MAX_ROWS),
        counts_machines=not flag,
    )


def _percent(share: float) -> str:
    return "<1 %" if share < 0.01 else f"{share:.0%}".replace("%", " %")


def _chart(name: str, title: str, calendar: Sequence[str], of_weeks: Mapping[str, int | None]) -> Chart:
    numbers = {week: number for week, number in of_weeks.items() if number is not None}
    highest = _round_up(max(numbers.values(), default=0))
    step = 100 / max(1, len(calendar))
    columns = [
        Column(
            week=week,
            begins=in_words(monday_of(week)),
            number=numbers.get(week),
            left=f"{place * step + step * 0.14:.2f}",
            width=f"{step * 0.72:.2f}",
            top=f"{100 - 100 * numbers.get(week, 0) / highest:.2f}",
            height=f"{100 * numbers.get(week, 0) / highest:.2f}",
        )
        for place, week in enumerate(calendar)
    ]
    return Chart(name, title, columns, highest)


def _round_up(number: int) -> int:
    """The next even number of one digit and zeros, or of 12, 16 or so: half of it is round, too."""
    unit = 1
    while True:
        for step in (2, 4, 6, 8, 10, 12, 16):
            if number <= step * unit:
                return step * unit
        unit *= 10


def _sunday(week: str) -> date:
    return date.fromordinal(monday_of(week).toordinal() + 6)
