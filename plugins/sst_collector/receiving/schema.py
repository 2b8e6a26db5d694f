"""The strict decoder of a submitted line: msgspec structs, derived from the catalogue, which stays the only list."""

import re
from typing import Annotated, Any, Literal, Union, cast

import msgspec

from sst_core import EVENT_NAME, Bucket, Catalogue, Choice, Field, Flag, Kind, RandomId, Section, Version

_HEX_ID = f"[0-9a-f]{{{2 * RandomId.BYTES}}}"
_PLACES = {Section.CONTEXT: "context", Section.ENVIRONMENT: "environment", Section.PROPERTIES: "events[0].properties"}


class RejectedLine(ValueError):
    """A line that the catalogue does not allow. The message is one of a closed set: it repeats nothing of the line."""


MAX_FORGOTTEN = 100
"""Ids in one request to forget."""


def decode_forget(body: bytes) -> list[str]:
    """The ids of `{"anonymousIds": [...]}`. Raises :class:`RejectedLine`."""
    try:
        ids: list[str] = _FORGET.decode(body).anonymousIds
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RejectedLine(f'Send {{"anonymousIds": [...]}} with 1 to {MAX_FORGOTTEN} ids.') from None
    return ids


class Decoder:
    """Decodes what `Catalogue.envelope` makes, and nothing else."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._envelope = msgspec.json.Decoder(_envelope_type(catalogue))
        self._row = _row_type(catalogue)
        self._places = {"events", "events[0]", "events[0].name", *_PLACES.values()}
        self._places |= {f"{_PLACES[field.section]}.{field.key}" for field in catalogue}

    def record(self, line: bytes) -> bytes:
        """The run that `line` holds as the journal keeps it: one flat JSON object, its keys the catalogue's.

        Raises :class:`RejectedLine`.
        """
        try:
            envelope = self._envelope.decode(line)
        except msgspec.ValidationError as error:
            raise RejectedLine(self._reason(str(error))) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise RejectedLine("not JSON") from None
        # From struct to struct: a dict in between took as long as all the rest.
        return _ENCODER.encode(
            self._row(
                *_values(envelope.context), *_values(envelope.environment), *_values(envelope.events[0].properties)
            )
        )

    def _reason(self, message: str) -> str:
        # msgspec names the place at the end, after words that may repeat what was sent: only a known place is taken.
        found = re.search(r"at `\$\.([^`]+)`$", message)
        place = found[1] if found and found[1] in self._places else "the envelope"
        return f"{place}: not what the catalogue allows"


_ENCODER = msgspec.json.Encoder()
_values = msgspec.structs.astuple


# A type that is made at run time has no static type: hence `Any`, and only from here on.
def _envelope_type(catalogue: Catalogue) -> Any:
    sections = {
        section: _struct(section.value, [_member(field) for field in catalogue if field.section is section])
        for section in Section
    }
    event = _struct("event", [("name", Literal[EVENT_NAME]), ("properties", sections[Section.PROPERTIES])])
    return _struct(
        "envelope",
        [
            ("context", sections[Section.CONTEXT]),
            ("environment", sections[Section.ENVIRONMENT]),
            ("events", cast(Any, tuple)[event]),
        ],
    )


def _row_type(catalogue: Catalogue) -> Any:
    keys = [field.key for section in Section for field in catalogue if field.section is section]
    return msgspec.defstruct("row", keys, frozen=True, gc=False)


def _struct(name: str, fields: list[tuple[str, Any]]) -> Any:
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, frozen=True, gc=False, kw_only=True)


def _member(field: Field) -> Any:
    # What an older client sends lacks the fields that came after it, which are all optional.
    return (field.key, _type_of(field), None) if field.optional else (field.key, _type_of(field))


def _type_of(field: Field) -> Any:
    required = _type_of_kind(field.kind)
    return Union[required, None] if field.optional else required  # noqa: UP007 - `|` needs a static type


def _type_of_kind(kind: Kind) -> Any:
    match kind:
        case Flag():
            return bool
        case Choice(values=allowed) | Bucket(bounds=allowed):
            return cast(Any, Literal)[allowed]
        case Version(parts=parts):
            number = f"[0-9]{{1,{Version.MAX_DIGITS}}}"
            return _shaped(rf"{number}(\.{number}){{{parts - 1}}}")
        case RandomId():
            return _shaped(_HEX_ID)
        case _:
            raise TypeError(f"the collector can't decode a {type(kind).__name__} yet")


def _shaped(pattern: str) -> Any:
    # Not ^ and $: the latter also matches before a final newline.
    return Annotated[str, msgspec.Meta(pattern=rf"\A{pattern}\Z")]


def _ids_type() -> Any:
    return Annotated[cast(Any, list)[_shaped(_HEX_ID)], msgspec.Meta(min_length=1, max_length=MAX_FORGOTTEN)]


_FORGET = msgspec.json.Decoder(_struct("forget", [("anonymousIds", _ids_type())]))
