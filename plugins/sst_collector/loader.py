"""The loader: moves closed segments of the journal into the warehouse, each exactly once.

A segment counts in the warehouse whole or not at all, and the file is deleted only when the warehouse's own checkpoint
holds it: a process that is killed anywhere in between does it over, and nothing counts twice.
"""

import os
from collections.abc import Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path

from sst_collector.warehouse.protocol import Warehouse


def load(segments: Sequence[Path], warehouse: Warehouse) -> None:
    """Load `segments`, oldest first, and delete them. Raises what the warehouse raises; then none is deleted."""
    if not segments:
        return
    for segment in segments:
        _cut_zeros(segment)
        warehouse.load(segment)
    warehouse.checkpoint()
    for segment in segments:
        segment.unlink()


def _cut_zeros(segment: Path) -> None:
    """Cut off what a crash left of a write that was not durable: a file system may have filled its room with zeros.

    However much that is, it has no end of a line, and a warehouse reads no line of any length. JSON has no zero byte.
    """
    with segment.open("rb+") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            first = content.find(b"\0")
        if first >= 0:
            file.truncate(first)
