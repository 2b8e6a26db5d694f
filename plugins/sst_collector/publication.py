"""Publication: each closed week once, and the windows: sums of what was published of weeks, and of nothing else."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from sst_collector.snapshot import WINDOWS, Snapshot, Total, dimensions
from sst_collector.suppression import publishable
from sst_collector.warehouse import PublishedWeek, Warehouse
from sst_collector.weeks import shifted, week_of
from sst_core import Catalogue


def publish(warehouse: Warehouse, catalogue: Catalogue, min_machines: int, now: datetime) -> Snapshot:
    """Publish the weeks that have closed by `now`, and sum up.

    Everything that arrived before `now` has to be loaded: a week that is out is never computed again. With
    `min_machines` 1 the week that is still open shows too, as it is so far.
    """
    open_week = week_of(now)
    for week in warehouse.unpublished_weeks(before=open_week):
        warehouse.publish(publishable(week, warehouse.cells(week), min_machines))
    published = list(warehouse.published_weeks(since=shifted(open_week, -max(WINDOWS.values()))))
    if min_machines == 1 and (cells := warehouse.cells(open_week)):
        published.append(publishable(open_week, cells, min_machines))
    return Snapshot(
        snapshot=now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        windows={
            window: _window([week for week in published if week.week >= shifted(open_week, -weeks)], catalogue)
            for window, weeks in WINDOWS.items()
        },
        withheld=sum(week.withheld for week in published),
        rejected=warehouse.rejected_lines(),
    )


def _window(weeks: Sequence[PublishedWeek], catalogue: Catalogue) -> dict[str, list[Total]]:
    totals: dict[str, list[Total]] = {dimension: [] for dimension in dimensions(catalogue)}
    runs: defaultdict[tuple[str, str], int] = defaultdict(int)
    machines: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for cell in (cell for week in weeks for cell in week.cells):
        runs[cell.dimension, cell.value] += cell.runs
        if cell.machines is not None:
            machines[cell.dimension, cell.value].append(cell.machines)
    for (dimension, value), count in sorted(runs.items(), key=lambda item: (-item[1], item[0])):
        seen = machines[dimension, value]
        mean = max(1, round(sum(seen) / len(weeks))) if seen else None
        totals.setdefault(dimension, []).append(Total(value, count, mean))
    return totals
