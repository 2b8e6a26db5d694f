"""Nothing passes the catalogue but what its kinds allow, and no kind can hold free text."""

import json
import string
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sst_core import SST, Bucket, Catalogue, CatalogueError, Choice, Field, Flag, Kind, Moment, RandomId, Run, Version
from sst_core.catalogue import EVENT_NAME, Value

KINDS = (Flag, Choice, Bucket, Version, RandomId)
MARK = "\u2603secret"


def values_of(kind: Kind) -> st.SearchStrategy[object]:
    """Values that `kind` allows; a kind that isn't known here has no place in the catalogue."""
    match kind:
        case Flag():
            return st.booleans()
        case Choice(values=values):
            return st.sampled_from(values)
        case Bucket(bounds=bounds):
            return st.sampled_from(bounds)
        case Version(parts=parts):
            return st.lists(st.integers(0, 9999), min_size=parts, max_size=parts).map(lambda ns: ".".join(map(str, ns)))
        case RandomId():
            return st.binary(min_size=16, max_size=16).map(bytes.hex)
    raise AssertionError(f"{kind} is not one of the kinds that were reviewed")


def values_for(field: Field) -> st.SearchStrategy[object]:
    """Values that `field` allows."""
    return st.none() | values_of(field.kind) if field.optional else values_of(field.kind)


ALLOWED = st.fixed_dictionaries({field.key: values_for(field) for field in SST.catalogue})
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def test_every_kind_says_in_words_what_it_allows() -> None:
    kinds = (Flag(), Choice(("a", "b")), Bucket((1, 2)), Version(2), Version(3), RandomId())

    assert [kind.describe() for kind in kinds] == [
        "true or false",
        "one of a, b",
        "rounded down to one of 1, 2",
        "a version shaped n.n",
        "a version shaped n.n.n",
        "32 random hexadecimal digits",
    ]


def test_what_a_user_agrees_to_is_a_field_as_it_is_now() -> None:
    field = SST.catalogue["command"]

    assert field.notice_item == "command/1"
    assert replace(field, revision=2).notice_item == "command/2"


@given(ALLOWED)
def test_an_envelope_holds_each_allowed_value_once_and_nothing_else(values: dict[str, object]) -> None:
    envelope = SST.catalogue.envelope(values)

    assert json.loads(json.dumps(envelope)) == envelope
    assert list(envelope) == ["context", "environment", "events"]
    events = envelope["events"]
    assert isinstance(events, list)
    (event,) = events
    assert event["name"] == EVENT_NAME
    assert set(event) == {"name", "properties"}
    sections = {
        "context": envelope["context"],
        "environment": envelope["environment"],
        "properties": event["properties"],
    }
    for section, found in sections.items():
        assert found == {field.key: values[field.key] for field in SST.catalogue if field.section.value == section}


@given(ALLOWED, st.sampled_from(SST.catalogue.fields), ANYTHING)
def test_one_value_that_is_not_allowed_keeps_the_whole_run_back(
    values: dict[str, object], field: Field, value: object
) -> None:
    assume(not field.kind.accepts(value) and not (field.optional and value is None))

    with pytest.raises(CatalogueError):
        SST.catalogue.envelope({**values, field.key: value})


@given(ALLOWED, st.sampled_from(SST.catalogue.fields), st.text())
def test_the_message_never_repeats_the_value(values: dict[str, object], field: Field, text: str) -> None:
    for odd in ({**values, field.key: MARK + text}, {**values, MARK + text: 1}):
        with pytest.raises(CatalogueError) as caught:
            SST.catalogue.envelope(odd)
        assert MARK not in str(caught.value)


@given(ALLOWED, st.sampled_from([field for field in SST.catalogue if field.optional]))
def test_what_was_recorded_before_an_optional_field_came_has_none_of_it(
    values: dict[str, object], field: Field
) -> None:
    without = {key: value for key, value in values.items() if key != field.key}

    assert SST.catalogue.envelope(without) == SST.catalogue.envelope({**values, field.key: None})


@given(ALLOWED, st.sampled_from([field for field in SST.catalogue if not field.optional]))
def test_a_missing_field_is_named(values: dict[str, object], field: Field) -> None:
    del values[field.key]

    with pytest.raises(CatalogueError, match=f"missing: {field.key}"):
        SST.catalogue.envelope(values)


@given(st.sampled_from(SST.catalogue.fields), st.text(min_size=1))
def test_no_field_can_hold_free_text(field: Field, text: str) -> None:
    accepted = field.kind.accepts(text)

    match field.kind:
        case Choice(values=words):
            assert accepted is (text in words)
        case Version():
            assert not accepted or set(text) <= set(string.digits + ".")
        case RandomId():
            assert not accepted or (set(text) <= set("0123456789abcdef") and len(text) == 32)
        case _:
            assert not accepted


def test_every_kind_is_one_that_was_reviewed() -> None:
    for field in SST.catalogue:
        assert type(field.kind) in KINDS, field.key
        values_of(field.kind)
    assert get_args(Value) == (str, int, bool, type(None))


def test_a_field_says_what_it_may_be() -> None:
    field = next(iter(SST.catalogue))
    one, either = (replace(field, kind=Flag(), optional=optional) for optional in (False, True))

    assert (one.describe(), either.describe()) == ("true or false", "true or false, or null")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Flag(), 1),
        (Flag(), "true"),
        (Bucket((1, 2)), True),
        (Bucket((1, 2)), 1.0),
        (Bucket((1, 2)), 3),
        (Bucket((1, 2)), "1"),
        (Version(3), "1.2"),
        (Version(3), "1.2.3.4"),
        (Version(3), "1.2.3rc1"),
        (Version(3), "1.2.٣"),
        (Version(3), "1.2.²"),
        (Version(3), "1..3"),
        (Version(3), "1.2.12345"),
        (Version(3), "1.2.3\n"),
        (Version(3), "-1.2.3"),
        (Version(2), 3.11),
        (RandomId(), "A" * 32),
        (RandomId(), "a" * 31),
        (RandomId(), "a" * 33),
        (RandomId(), "g" * 32),
        (RandomId(), b"a" * 32),
        (Choice(("a", "b")), ""),
        (Choice(("a", "b")), "A"),
        (Choice(("a", "b")), "a "),
        (Choice(("a", "b")), ["a"]),
        (Choice(("a", "b")), {"a": 1}),
    ],
)
def test_what_is_almost_of_a_kind_is_not(kind: Kind, value: object) -> None:
    assert not kind.accepts(value)


@given(st.integers())
def test_a_bucket_rounds_down_into_itself(number: int) -> None:
    bucket = Bucket((1, 2, 4, 8))

    found = bucket.of(number)

    assert bucket.accepts(found)
    assert found <= max(number, 1)
    assert all(bound <= found for bound in bucket.bounds if bound <= number)


@given(ALLOWED)
def test_each_moment_takes_its_own_fields_and_no_others(values: dict[str, object]) -> None:
    catalogue = SST.catalogue
    for moment in Moment:
        own = {field.key: values[field.key] for field in catalogue.taken_at(moment)}
        assert catalogue.check(own, moment) == own
        with pytest.raises(CatalogueError):
            catalogue.check(values, moment)
    assert {field.key for moment in Moment for field in catalogue.taken_at(moment)} == {
        field.key for field in catalogue
    }


@given(st.text())
def test_a_command_that_is_not_listed_is_recorded_as_plugin(name: str) -> None:
    command = SST.catalogue["command"].kind
    assert isinstance(command, Choice)

    assert SST.catalogue.measure(Moment.RUN, Run("0.1.0", name, None))["command"] == (
        name if name in command.values else "plugin"
    )


def test_a_field_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        SST.catalogue["command"].optional = True  # type: ignore[misc]
    assert isinstance(SST.catalogue, Catalogue)
