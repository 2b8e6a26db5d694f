"""The journal: append-only files of JSON lines. What is acknowledged is here, on the disk, before anything else.

A line is one decoded run with the ISO week in which it arrived, a count of rejected lines, or an id to be forgotten. It
holds nothing about the connection, and no time: the week is all that is kept of when.
"""

import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sst_collector.weeks import Clock
from sst_core import sync_path, week_of

SEGMENT_BYTES = 64 << 20
"""A segment that has grown to this is closed, whatever the cadence: it bounds what the loader takes at once."""
TRIAL_BYTES = 1 << 20
"""As much as a request may bring: with room for less, most would be refused all the same."""

_NAME = re.compile(r"(\d{12})-[0-9a-f]{16}\.ndjson")

# macOS has no fdatasync.
_sync = getattr(os, "fdatasync", os.fsync)


def rejection(lines: int) -> bytes:
    """The record that `lines` lines of a request were rejected."""
    return b'{"rejected":%d}' % lines


def forgetting(anonymous_id: str) -> bytes:
    """The record that the rows of `anonymous_id`, which is hexadecimal, are to be deleted."""
    return b'{"forget":"%s"}' % anonymous_id.encode()


@dataclass(slots=True)
class _Open:
    path: Path
    descriptor: int
    durable: int = 0
    """Bytes that were acknowledged."""


class Journal:
    """Used by one thread of one process at a time."""

    def __init__(self, folder: Path, clock: Clock, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._open: _Open | None = None
        if not folder.exists():
            folder.mkdir(mode=0o700)
            sync_path(folder.parent)  # or a crash may take the folder, with the segments that are durable in it

    def write(self, records: Sequence[bytes]) -> None:
        """Append JSON objects and return once they are durable. Raises OSError; then none of them is acknowledged."""
        week = b'{"week":"%s",' % week_of(self._clock()).encode()
        lines = week + (b"\n" + week).join([record[1:] for record in records]) + b"\n" if records else b""
        segment = self._open or self._start_segment()
        try:
            _write_all(segment.descriptor, lines)
            _sync(segment.descriptor)
        except OSError:
            # After a failed sync nobody knows what the file holds, so nothing is ever appended to it again. A torn
            # end stays: it was never acknowledged, and whoever loads the segment skips what is not a whole line.
            self.close()
            raise
        segment.durable += len(lines)
        if segment.durable >= self._segment_bytes:
            self.close()

    def try_out(self) -> None:
        """Write as much as a large request brings, durably, and take it away again. Raises OSError."""
        self.close()
        segment = self._start_segment()
        try:
            _write_all(segment.descriptor, b" " * TRIAL_BYTES)
            _sync(segment.descriptor)
        finally:
            self.close()  # none of it was acknowledged, so it goes; and if it can't, it is no whole line

    def rotate(self) -> tuple[Path, ...]:
        """Close the open segment, and name every closed one, oldest first: those of earlier processes too."""
        self.close()
        return tuple(self._segments())

    def closed(self) -> tuple[Path, ...]:
        """Name the segments that are closed already, oldest first."""
        return tuple(path for path in self._segments() if self._open is None or path != self._open.path)

    def close(self) -> None:
        """Close the open segment, if there is one. The next write starts another."""
        segment, self._open = self._open, None
        if segment is None:
            return
        os.close(segment.descriptor)
        if not segment.durable:
            segment.path.unlink()

    def _start_segment(self) -> _Open:
        # The number keeps the order. The random part keeps a name from ever coming back after its segment was deleted:
        # the warehouse would take it for one that it has already.
        last = max((int(path.name[:12]) for path in self._segments()), default=0)
        path = self._folder / f"{last + 1:012}-{secrets.token_hex(8)}.ndjson"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._open = _Open(path, descriptor)
        try:
            sync_path(self._folder)
        except OSError:
            self.close()
            raise
        return self._open

    def _segments(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))


def _write_all(descriptor: int, content: bytes) -> None:
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]
