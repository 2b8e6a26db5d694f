import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collecting import a_run
from sst_collector.journal import reading
from sst_collector.receiving.schema import Decoder, RejectedLine
from sst_collector.warehouse.clickhouse import rows as clickhouse_rows
from sst_collector.warehouse.duckdb import warehouse as duckdb_warehouse
from sst_core import (
    EVENT_NAME,
    SST,
    Bucket,
    Catalogue,
    CatalogueError,
    Choice,
    Field,
    Flag,
    Kind,
    Moment,
    RandomId,
    Section,
    Version,
)

CATALOGUE = SST.catalogue
DECODER = Decoder(CATALOGUE)


def allowed(field: Field) -> st.SearchStrategy[Any]:
    match field.kind:
        case Flag():
            values: st.SearchStrategy[Any] = st.booleans()
        case Choice(values=choices):
            values = st.sampled_from(choices)
        case Bucket(bounds=bounds):
            values = st.sampled_from(bounds)
        case Version(parts=parts):
            values = st.lists(st.integers(0, 9999).map(str), min_size=parts, max_size=parts).map(".".join)
        case RandomId():
            values = st.binary(min_size=RandomId.BYTES, max_size=RandomId.BYTES).map(bytes.hex)
    return st.none() | values if field.optional else values


VALID = st.fixed_dictionaries({field.key: allowed(field) for field in CATALOGUE})
SCALARS = st.none() | st.booleans() | st.integers(-2, 70) | st.floats(allow_nan=False) | st.text(max_size=40)
NEARLY = st.sampled_from(
    [8.0, True, "8", "1.2.3\n", "1.2.٣", "1.2", "1.2.3.4", "12345.0.0", "+1.2.3", "A" * 32, "0" * 32 + "\n", "\ud800"]
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=8)


def envelope(values: dict[str, Any]) -> dict[str, Any]:
    """What an unchecked client would send."""
    sections: dict[Section, dict[str, Any]] = {section: {} for section in Section}
    for field in CATALOGUE:
        if field.key in values:
            sections[field.section][field.key] = values[field.key]
    return {
        "context": sections[Section.CONTEXT],
        "environment": sections[Section.ENVIRONMENT],
        "events": [{"name": EVENT_NAME, "properties": sections[Section.PROPERTIES]}],
    }


def is_decoded(document: object) -> bool:
    try:
        DECODER.record(json.dumps(document).encode())
    except RejectedLine:
        return False
    return True


def reason(line: str | bytes) -> str:
    with pytest.raises(RejectedLine) as rejected:
        DECODER.record(line if isinstance(line, bytes) else line.encode())
    return str(rejected.value)


@given(VALID)
def test_what_the_catalogue_makes_is_decoded_as_it_was(values: dict[str, Any]) -> None:
    assert json.loads(DECODER.record(json.dumps(CATALOGUE.envelope(values)).encode())) == values


@given(VALID, st.sampled_from(list(CATALOGUE)), st.data())
def test_decoder_and_catalogue_accept_the_same_values(
    values: dict[str, Any], field: Field, data: st.DataObject
) -> None:
    values[field.key] = data.draw(SCALARS | NEARLY | allowed(field))
    try:
        field.check(values[field.key])
        CATALOGUE.envelope(values)
    except CatalogueError:
        assert not is_decoded(envelope(values))
    else:
        assert is_decoded(envelope(values))


@given(VALID, st.sampled_from([field for field in CATALOGUE if not field.optional]))
def test_a_missing_field_is_refused(values: dict[str, Any], field: Field) -> None:
    del values[field.key]
    assert not is_decoded(envelope(values))


@given(VALID, st.sampled_from([field for field in CATALOGUE if field.optional]))
def test_a_client_that_is_older_than_an_optional_field_is_understood(values: dict[str, Any], field: Field) -> None:
    del values[field.key]
    assert json.loads(DECODER.record(json.dumps(envelope(values)).encode())) == {**values, field.key: None}


@pytest.mark.parametrize(
    "path", [(), ("context",), ("environment",), ("events", 0), ("events", 0, "properties")], ids=str
)
def test_an_unknown_field_is_refused_wherever_it_stands(path: tuple[str | int, ...]) -> None:
    document = CATALOGUE.envelope(a_run())
    target: Any = document
    for step in path:
        target = target[step]
    target["projectId"] = "mine"
    assert not is_decoded(document)


def test_there_is_exactly_one_event_and_it_has_the_one_name() -> None:
    document: dict[str, Any] = CATALOGUE.envelope(a_run())
    assert not is_decoded(document | {"events": []})
    assert not is_decoded(document | {"events": document["events"] * 2})
    assert not is_decoded(document | {"events": [document["events"][0] | {"name": "CLI_ERROR"}]})


PLACES = {
    *("the envelope", "context", "environment", "events", "events[0]", "events[0].name", "events[0].properties"),
    *(f"{place}.{field.key}" for place in ("context", "environment", "events[0].properties") for field in CATALOGUE),
}


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
@example(b'{"events":0')
def test_anything_at_all_is_either_decoded_or_rejected_with_a_known_reason(line: bytes) -> None:
    assert reason(line) in {"not JSON", *(f"{place}: not what the catalogue allows" for place in PLACES)}


def test_a_reason_names_the_place() -> None:
    assert reason(json.dumps(envelope(a_run(cpuCount=3)))) == "environment.cpuCount: not what the catalogue allows"
    assert reason(json.dumps(envelope(a_run(command="rm")))) == (
        "events[0].properties.command: not what the catalogue allows"
    )


@pytest.mark.parametrize("secret", ["hunter2", "x` - at `$.hunter2", "hunter2 - at `$.context`"])
def test_a_reason_never_repeats_what_was_sent(secret: str) -> None:
    for document in (envelope(a_run(distro=secret)), {secret: 1}, envelope(a_run()) | {secret: 1}):
        assert "hunter2" not in reason(json.dumps(document))


def test_deep_nesting_is_a_bad_line_like_any_other() -> None:
    assert reason("[" * 1_000_000) == "the envelope: not what the catalogue allows"
    assert reason('{"context":' * 100_000) == "context: not what the catalogue allows"


@dataclass(frozen=True)
class _Temperature:
    def accepts(self, value: object) -> bool:
        return isinstance(value, float)

    def describe(self) -> str:
        return "a temperature"


def test_a_kind_that_the_collector_does_not_know_stops_it_at_the_start() -> None:
    kind: Kind = _Temperature()
    field = Field(
        key="temperature",
        section=Section.ENVIRONMENT,
        moment=Moment.RUN,
        kind=kind,
        label="",
        measure=None,
        purpose="",
        sentence=None,
        reviewer="",
        reviewed="",
        expires="",
    )
    with pytest.raises(TypeError, match="_Temperature"):
        Decoder(Catalogue((*CATALOGUE, field)))


class Odd:
    """A kind of value that a later catalogue may have."""


@pytest.mark.parametrize("type_of", [duckdb_warehouse._sql_type, clickhouse_rows._sql_type, reading._type_of])
def test_a_kind_that_the_warehouse_cannot_hold_is_noticed_when_it_is_added(type_of: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="the warehouse can't hold a Odd yet"):
        type_of(Odd())


@pytest.mark.parametrize("text", ["", "z" * 32, "a" * 31, "a" * 33, " " * 32, "é" * 32])
def test_an_id_is_written_in_thirty_two_digits(text: str) -> None:
    assert not reading.is_id(text)
    assert reading.is_id("0123456789abcdef" * 2)
