"""A remembered shape gives what the decoder gives, whatever is sent."""

import json
import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collecting import a_run
from sst_collector.receiving.schema import Decoder, RejectedLine
from sst_collector.receiving.shapes import MAX_LINE, MOST, Shapes
from sst_core import SST

DECODER = Decoder(SST.catalogue)
ID, OTHER = "0123456789abcdef" * 2, "f" * 32


class Counting:
    """A decoder that counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, line: bytes) -> bytes:
        self.asked += 1
        return DECODER.record(line)


def line(**values: object) -> bytes:
    """As our client sends it."""
    return json.dumps(SST.catalogue.envelope(a_run(**values)), separators=(",", ":")).encode()


def outcome(record: Any, sent: bytes) -> bytes | str:
    try:
        return bytes(record(sent))
    except RejectedLine as error:
        return str(error)


def test_a_shape_is_decoded_once() -> None:
    decode = Counting()
    shapes = Shapes(decode)
    for _ in range(10):
        for command in ("build", "start"):
            sent = line(command=command)
            assert shapes.record(sent) == DECODER.record(sent)
    assert decode.asked == 2


IDS = st.sampled_from([ID, OTHER, ID.upper(), ID[:-1], ID + "0", ID[:-1] + "g", ID[:-1] + '"', "\\u0030" * 32, ""])
SPACES = st.sampled_from(["", " ", "\n", "\t\r", " " * MAX_LINE])
KEYS = st.sampled_from(["anonymousId", "sessionId", "anonymousId", "sessionId", "sstVersion", ID])


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Envelopes in which the ids, what stands around them, and how often, may be anything."""
    valid = st.permutations([ID, OTHER]).map(lambda ids: list(zip(("anonymousId", "sessionId"), ids, strict=True)))
    members = draw(valid | st.lists(st.tuples(KEYS, IDS), min_size=1, max_size=3))
    context = ",".join(f'{draw(SPACES)}"{key}":{draw(SPACES)}"{id_}"' for key, id_ in members)
    rest = json.dumps(SST.catalogue.envelope(a_run())).replace("build", draw(st.sampled_from(["build", "start", ID])))
    return f'{draw(SPACES)}{{"context":{{{context}}},{rest.partition("}, ")[2]}'.encode()


@given(st.lists(lines(), min_size=1, max_size=12))
def test_it_is_as_if_nothing_were_remembered(sent: list[bytes]) -> None:
    shapes = Shapes(DECODER.record)
    for each in [*sent, *sent]:
        assert outcome(shapes.record, each) == outcome(DECODER.record, each)


@given(st.data())
def test_a_remembered_shape_with_anything_in_the_place_of_its_ids(data: st.DataObject) -> None:
    shapes = Shapes(DECODER.record)
    known = line()
    shapes.record(known)
    for _ in range(5):
        start = data.draw(st.integers(0, len(known)))
        end = data.draw(st.integers(start, len(known)))
        sent = known[:start] + data.draw(st.binary(max_size=40)) + known[end:]
        assert outcome(shapes.record, sent) == outcome(DECODER.record, sent)


@pytest.mark.parametrize("place", ["anonymousId", "sessionId"])
def test_an_id_that_is_none_is_refused_in_a_known_shape_too(place: str) -> None:
    shapes = Shapes(DECODER.record)
    known = a_run()
    shapes.record(json.dumps(SST.catalogue.envelope(known)).encode())
    for id_ in ("G" * 32, "0" * 31 + " ", "０" * 32):  # noqa: RUF001 - a digit to Python, and none to us
        sent = json.dumps(SST.catalogue.envelope(known)).replace(known[place], id_).encode()
        with pytest.raises(RejectedLine):
            shapes.record(sent)


def test_what_is_remembered_is_bounded() -> None:
    decode = Counting()
    shapes = Shapes(decode)
    sent = [line(sstVersion=f"{number}.0.0") for number in range(MOST + 10)]
    for each in sent:
        shapes.record(each)
    assert len(shapes._records) <= MOST
    shapes.record(sent[-1])
    assert decode.asked == len(sent)
    shapes.record(line() + b" " * MAX_LINE)
    shapes.record(line() + b" " * MAX_LINE)
    assert decode.asked == len(sent) + 2


def test_the_two_ids_may_not_be_taken_for_each_other() -> None:
    shapes = Shapes(DECODER.record)
    for _ in range(2):
        one, other = secrets.token_hex(16), secrets.token_hex(16)
        record = json.loads(shapes.record(line(anonymousId=one, sessionId=other)))
        assert (record["anonymousId"], record["sessionId"]) == (one, other)


def test_ids_that_change_places_on_the_way_are_decoded_each_time() -> None:
    first, second = b"a" * 32, b"b" * 32
    decoded: list[bytes] = []

    def swapping(line: bytes) -> bytes:
        decoded.append(line)
        return b'{"one":"%s","other":"%s"}' % (second, first)

    shapes = Shapes(swapping)
    line = b'{"one":"%s","other":"%s"}' % (first, second)

    assert shapes.record(line) == shapes.record(line) == swapping(line)
    assert len(decoded) == 3
