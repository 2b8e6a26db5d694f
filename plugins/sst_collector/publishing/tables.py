"""The published numbers as CSV and JSON: all of them, and one dimension at a time.

Every cell of a CSV is a number, a week or a member of the catalogue's closed kinds, so none can be a formula.
"""

import csv
import io
from collections.abc import Iterable, Sequence

import msgspec

from sst_collector.publishing.snapshot import Snapshot, Total, Week


def stats_csv(snapshot: Snapshot) -> bytes:
    """Every window, dimension and value."""
    return _csv(
        ("window", "dimension", "value", "runs", "machines"),
        (
            (window, dimension, *_row(total))
            for window, dimensions in snapshot.windows.items()
            for dimension, totals in dimensions.items()
            for total in totals
        ),
    )


def dimension_csv(snapshot: Snapshot, dimension: str) -> bytes:
    """Every window and value of one dimension."""
    return _csv(
        ("window", "value", "runs", "machines"),
        ((window, *_row(total)) for window in snapshot.windows for total in snapshot.totals(window, dimension)),
    )


def dimension_json(snapshot: Snapshot, dimension: str) -> bytes:
    """Every window of one dimension, each as in `stats.json`."""
    windows = {window: snapshot.totals(window, dimension) for window in snapshot.windows}
    return msgspec.json.encode({"snapshot": snapshot.snapshot, "dimension": dimension, "windows": windows})


def weeks_csv(snapshot: Snapshot) -> bytes:
    """What each week comes to."""
    return _csv(Week.__struct_fields__, map(msgspec.structs.astuple, snapshot.weeks))


def weeks_json(snapshot: Snapshot) -> bytes:
    """What each week comes to, as in `stats.json`."""
    return msgspec.json.encode({"snapshot": snapshot.snapshot, "weeks": snapshot.weeks})


def _row(total: Total) -> tuple[str, int, int | None]:
    return total.value, total.runs, total.machines


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue().encode()
