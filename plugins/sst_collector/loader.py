"""The loader: moves closed segments of the journal into the warehouse, each exactly once.

A segment's name and its rows go into the warehouse in one transaction, and the file is deleted only when the
warehouse's own checkpoint holds them: a process that is killed anywhere in between does it over, and nothing counts
twice.
"""

from collections.abc import Sequence
from pathlib import Path

from sst_collector.warehouse import Warehouse


def load(segments: Sequence[Path], warehouse: Warehouse) -> None:
    """Load `segments`, oldest first, and delete them. Raises what the warehouse raises; then none is deleted."""
    if not segments:
        return
    for segment in segments:
        warehouse.load(segment)
    warehouse.checkpoint()
    for segment in segments:
        segment.unlink()
