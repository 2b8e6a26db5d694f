"""Lines that have been seen, but for their ids: what is sent mostly differs from something before in nothing else.

To decode a line strictly takes several times as long as to look its shape up. A shape is a line without its two ids;
it is remembered once a line of it was decoded, with the record that came of it. Another line of that shape has other
digits in the same two strings, and its record has them too.
"""

import re
from collections.abc import Callable

from sst_core import RandomId

MOST = 4096
"""Shapes that are remembered. Who sends more than that makes others slower, and nothing else."""
MAX_LINE = 1024
"""Bytes of a line whose shape is remembered: a line of ours is a third of it."""

_DIGITS = 2 * RandomId.BYTES
_IDS = re.compile(b'"([0-9a-f]{%d})"' % _DIGITS)


class Shapes:
    """Gives the records that `decode` gives, mostly without it."""

    def __init__(self, decode: Callable[[bytes], bytes]) -> None:
        self._decode = decode
        self._first = self._second = 0
        """Where the ids begin in a line: the same in every line that our client sends."""
        self._first_end = self._second_end = 0
        self._records: dict[bytes, tuple[bytes, bytes, bytes]] = {}
        """By shape, what is before, between and after the ids in the record."""

    def record(self, line: bytes) -> bytes:
        """What `decode` makes of `line`, and raises what it raises."""
        one, other = line[self._first : self._first_end], line[self._second : self._second_end]
        known = self._records.get(line[: self._first] + line[self._first_end : self._second] + line[self._second_end :])
        # A line too short for both ids is shorter without them than every shape, so both are whole if it is known.
        if known is None or (one + other).translate(None, b"0123456789abcdef"):
            return self._learn(line)
        before, between, after = known
        return before + one + between + other + after

    def _learn(self, line: bytes) -> bytes:
        record = self._decode(line)
        ids = _IDS.findall(record)
        # What is escaped, or stands there twice, is not known to be where it seems.
        if len(ids) == 2 and len(line) <= MAX_LINE and b"\\" not in line and all(line.count(id_) == 1 for id_ in ids):
            first, second = map(line.index, ids)
            if first < second:
                self._remember(line, first, second, record, ids)
        return record

    def _remember(self, line: bytes, first: int, second: int, record: bytes, ids: list[bytes]) -> None:
        if (first, second) != (self._first, self._second) or len(self._records) >= MOST:
            self._records.clear()
            self._first, self._first_end = first, first + _DIGITS
            self._second, self._second_end = second, second + _DIGITS
        before, rest = record.split(ids[0])
        between, after = rest.split(ids[1])
        self._records[line[:first] + line[first + _DIGITS : second] + line[second + _DIGITS :]] = (
            before,
            between,
            after,
        )
