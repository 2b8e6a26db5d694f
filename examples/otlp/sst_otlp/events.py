"""The file of events: one JSON object a line, bounded, in the folder that `sst telemetry disable` deletes."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sst_core import Locations

MAX_BYTES = 256 * 1024
"""When this much waits, nothing more is kept: some 3,000 commands."""


def events_file(locations: Locations) -> Path:
    """It stands where nothing stands without consent, so it goes when consent goes."""
    return locations.telemetry / "sst-otlp.jsonl"


def append(file: Path, event: Mapping[str, object]) -> None:
    """Add one line, whole or not at all. Makes no folder: without consent there is none. Raises OSError."""
    line = json.dumps(event).encode() + b"\n"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(file, flags, 0o600)
    try:
        if os.fstat(descriptor).st_size + len(line) <= MAX_BYTES:
            os.write(descriptor, line)
    finally:
        os.close(descriptor)


@contextmanager
def taken(file: Path) -> Iterator[list[dict[str, object]]]:
    """The events that wait. They are gone once the block has ended, and still there if it raises."""
    taking = file.with_suffix(".sending")
    if not taking.exists() and file.exists():
        file.rename(taking)  # commands that end meanwhile begin a new file
    content = taking.read_bytes() if taking.exists() else b""
    yield list(_read(content))
    if content:
        late = taking.read_bytes()[len(content) :]  # of a command that had it open
        if late:
            taking.write_bytes(late)
        else:
            taking.unlink()


def _read(content: bytes) -> Iterator[dict[str, object]]:
    for line in content.splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # a disk that was full took a part of it
            continue
