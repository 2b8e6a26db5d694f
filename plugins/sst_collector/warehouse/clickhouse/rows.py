"""Runs as ClickHouse takes them: a line each, its values between tabs, in the order of :func:`columns`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from operator import attrgetter, itemgetter
from typing import Any

from sst_collector.journal.reading import is_id, is_week
from sst_core import Bucket, Catalogue, Choice, Flag, Kind, RandomId, Version

_REMEMBERED = 10_000
"""Texts of values that came together before."""


def types_of(catalogue: Catalogue) -> Mapping[str, str]:
    """The type of each field's column, by its key."""
    return {field.key: _sql_type(field.kind) for field in catalogue}


def columns(types: Mapping[str, str]) -> str:
    """In the order in which a run is written: the two ids come first."""
    return ", ".join(f'"{key}"' for key in sorted(types, key=lambda key: types[key] != "UUID"))


def number_of(segment: str) -> int:
    """What stands for a segment in its runs' rows."""
    return int.from_bytes(blake2b(segment.encode(), digest_size=8).digest())


class Arrived:
    """What a segment holds, as it goes into the warehouse."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self.weeks: set[str] = set()
        self.rejected = 0
        self.forgotten: dict[str, str] = {}
        """The machines that asked to be, and the week in which they did."""
        self._types = types

    def lines(self, arrived: Iterable[Any], segment: int, first_open: str) -> Iterator[str]:
        """A line for each run, of a session once."""
        seen = set()
        write = writer_of(self._types)
        values = attrgetter(*self._types)
        starts: dict[str, str] = {}
        for record in arrived:
            start = starts.get(record.week)
            if start is None:
                if not is_week(record.week):
                    continue
                start = starts[record.week] = f"{max(record.week, first_open)}\t{segment}\t"
            self.rejected += record.rejected
            if record.forget is not None and is_id(record.forget):
                self.forgotten[_uuid(record.forget)] = record.week
            session, machine = record.sessionId, record.anonymousId
            if session is None or session in seen or not is_id(session) or machine is None or not is_id(machine):
                continue
            seen.add(session)
            self.weeks.add(max(record.week, first_open))
            yield write(start, values(record))


def writer_of(types: Mapping[str, str]) -> Callable[[str, tuple[Any, ...]], str]:
    """What writes a run's values after its week and segment. But for the ids, they are the same again and again."""
    ids = [number for number, sql_type in enumerate(types.values()) if sql_type == "UUID"]
    facts = [(number, _WRITERS[sql_type]) for number, sql_type in enumerate(types.values()) if sql_type != "UUID"]
    pick = itemgetter(*(number for number, _ in facts))
    written: dict[tuple[Any, ...], str] = {}

    def write(start: str, values: tuple[Any, ...]) -> str:
        key = pick(values)
        end = written.get(key)
        if end is None:
            if len(written) > _REMEMBERED:
                written.clear()
            texts = ("\\N" if values[number] is None else writer(values[number]) for number, writer in facts)
            end = written[key] = "\t".join(texts) + "\n"
        return f"{start}{_uuid(values[ids[0]])}\t{_uuid(values[ids[1]])}\t{end}"

    return write


def line(*values: str | int | None) -> str:
    """One of any other table."""
    return "\t".join("\\N" if value is None else _text(str(value)) for value in values) + "\n"


def _text(value: str) -> str:
    return value.translate(_ESCAPED)


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})
_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "Nullable(UInt8)": lambda value: "1" if value else "0",
    "Nullable(Int32)": str,
    "Nullable(String)": _text,
}


def _sql_type(kind: Kind) -> str:
    match kind:
        case Flag():
            return "Nullable(UInt8)"
        case Bucket():
            return "Nullable(Int32)"
        case Choice() | Version():
            return "Nullable(String)"
        case RandomId():
            return "UUID"
        case _:
            raise TypeError(f"the warehouse can't hold a {type(kind).__name__} yet")
