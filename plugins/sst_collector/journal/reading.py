"""A segment of the journal, read: for a warehouse that can't read the file itself."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from sst_core import Bucket, Catalogue, Choice, Flag, Kind, RandomId, Version

_WEEK = re.compile(r"[0-9]{4}-W[0-9]{2}")


def reader(catalogue: Catalogue) -> Any:
    """Decodes one line into an object with `week`, `rejected`, `forget` and each field of `catalogue`, or None.

    Of the week and the ids it sees only that they are text: :func:`is_week`, :func:`is_id`.
    """
    fields: list[Any] = [("week", str), ("rejected", int, 0), ("forget", str | None, None)]
    fields += [(field.key, _type_of(field.kind) | None, None) for field in catalogue]
    return msgspec.json.Decoder(msgspec.defstruct("record", fields, frozen=True, gc=False))


def records(segment: Path, decoder: Any) -> Iterator[Any]:
    """Its records. What is not a whole line of one is skipped: a crash tore it before it was acknowledged."""
    with segment.open("rb") as lines:
        for line in lines:
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue


def is_week(text: str) -> bool:
    """Whether it is written as a week is."""
    return _WEEK.fullmatch(text) is not None


def is_id(text: str) -> bool:
    """Whether it is written as an id is. (A pattern that the decoder checks takes five times as long.)"""
    try:
        return len(text) == 2 * RandomId.BYTES and len(bytes.fromhex(text)) == RandomId.BYTES
    except ValueError:
        return False


def _type_of(kind: Kind) -> Any:
    match kind:
        case Flag():
            return bool
        case Bucket():
            return int
        case Choice() | Version() | RandomId():
            return str
        case _:
            raise TypeError(f"the warehouse can't hold a {type(kind).__name__} yet")
