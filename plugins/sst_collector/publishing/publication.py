"""Publication: each closed week once, and the windows: sums of what was published of weeks, and of nothing else."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sst_collector.dimensions import CI_DIMENSION, REFINED, dimensions
from sst_collector.publishing.ranking import MEMORY, keeping, ranking
from sst_collector.publishing.snapshot import WINDOWS, Snapshot, Total, Week, mean
from sst_collector.publishing.suppression import in_tens, publishable, the_first, together
from sst_collector.warehouse.protocol import Cell, PublishedWeek, Warehouse
from sst_collector.weeks import shifted
from sst_core import Catalogue, Moment, week_of


def publish(warehouse: Warehouse, catalogue: Catalogue, min_machines: int, now: datetime) -> Sequence[str]:
    """Publish the weeks that have closed by `now`, each for good, and return which these are.

    Everything that arrived before `now` has to be loaded: a week that is out is never computed again.

    With a week comes how many lines had been rejected by then, in tens. No machines are counted for them, so no
    threshold holds; and a number that changed every hour would say when somebody ran what an old client has.
    """
    weeks = warehouse.unpublished_weeks(before=week_of(now))
    for week in weeks:
        earlier = warehouse.published_weeks(since=shifted(week, -MEMORY))
        rank, keep = ranking(earlier, catalogue), keeping(earlier, catalogue)
        published = publishable(week, warehouse.cells(week, min_machines), min_machines, rank, keep)
        warehouse.publish(replace(published, rejected=in_tens(warehouse.rejected_lines())))
    return weeks


def snapshot_of(warehouse: Warehouse, catalogue: Catalogue, min_machines: int, now: datetime) -> Snapshot:
    """What is published, as of `now`: :func:`publish` comes first.

    With `min_machines` 1 the week that is still open shows too, as it is so far, unless a clock that was ahead has
    published it: what arrives then is of the next. A week that was published with a lower
    `min_machines`, and shows it, is left out.
    """
    open_week = week_of(now)
    published = [
        week
        for week in warehouse.published_weeks(since=shifted(open_week, -max(WINDOWS.values())))
        if all(_may_be_told(cell, min_machines) for cell in week.cells)
    ]
    is_open = open_week not in (week.week for week in published)
    if min_machines == 1 and is_open and (cells := warehouse.cells(open_week)):
        published.append(PublishedWeek(open_week, together(cells), withheld=0))
    return Snapshot(
        snapshot=now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        windows={
            window: _window([week for week in published if week.week >= shifted(open_week, -weeks)], catalogue)
            for window, weeks in WINDOWS.items()
        },
        withheld=sum(week.withheld for week in published),
        rejected=_rejected(warehouse, published, min_machines),
        min_machines=min_machines,
        weeks=[_week(week, catalogue) for week in published],
    )


def _may_be_told(cell: Cell, min_machines: int) -> bool:
    if cell.machines is None:
        return min_machines == 1 or cell.runs == in_tens(cell.runs)
    return cell.machines >= min_machines


def _rejected(warehouse: Warehouse, published: Sequence[PublishedWeek], min_machines: int) -> int:
    if min_machines == 1:
        return warehouse.rejected_lines()
    return max((week.rejected for week in published), default=0)


def _window(weeks: Sequence[PublishedWeek], catalogue: Catalogue) -> dict[str, list[Total]]:
    sums: dict[str, list[Cell]] = {dimension: [] for dimension in dimensions(catalogue)}
    machines: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    cells = [cell for week in weeks for cell in week.cells]
    for cell in cells:
        if cell.machines is not None:
            machines[cell.dimension, cell.value].append(cell.machines)
    for cell in sorted(together(cells), key=lambda cell: (-cell.runs, cell.value)):
        sums.setdefault(cell.dimension, []).append(cell)
    # Those of many weeks, each with other invented versions, would make every round of a year slow. An invented machine
    # may make any number of runs: by these, what came week after week would give way to them.
    return {
        dimension: [
            Total(cell.value, cell.runs, mean(machines[dimension, cell.value]))
            for cell in the_first(values, keep=lambda cell: -(cell.machines or 0))
        ]
        for dimension, values in sums.items()
    }


def _week(week: PublishedWeek, catalogue: Catalogue) -> Week:
    runs: defaultdict[str, int] = defaultdict(int)
    machines: defaultdict[str, int] = defaultdict(int)
    for cell in week.cells:
        if cell.dimension not in (CI_DIMENSION, *REFINED):
            runs[cell.dimension] += cell.runs
            machines[cell.dimension] += cell.machines or 0
    # One machine has one platform, and may run many commands: only what is a fact of the machine adds up to machines.
    of_the_machine = [
        machines[field.dimension]
        for field in catalogue
        if field.moment is Moment.SENDING and field.dimension and field.dimension in machines
    ]
    return Week(week.week, max(runs.values(), default=None), max(of_the_machine, default=None), week.withheld)
