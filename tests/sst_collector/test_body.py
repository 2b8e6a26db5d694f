"""A body takes no more memory than the limits say, and gives back what it took."""

import gzip
from contextlib import closing

import falcon
import pytest

from sst_collector.body import MAX_BODY, MAX_RECEIVED, Body, Room


def test_bodies_share_a_bounded_memory() -> None:
    room = Room(most=100)
    with closing(Body(room, None, None)) as one, closing(Body(room, None, None)) as other:
        one.feed(b"x" * 60)
        other.feed(b"x" * 40)
        with pytest.raises(falcon.HTTPServiceUnavailable) as refused:
            other.feed(b"x")
        assert refused.value.headers == {"Retry-After": "1"}
    with closing(Body(room, None, None)) as third:
        third.feed(b"x" * 100)


def test_who_sends_little_that_would_be_much_and_then_waits_holds_little() -> None:
    room = Room(most=MAX_BODY)
    packed = gzip.compress(b"x" * MAX_BODY)
    waiting = [Body(room, "gzip", None) for _ in range(100)]
    for body in waiting:
        body.feed(packed[:-1])
    with closing(Body(room, None, None)) as other:
        other.feed(b"x" * MAX_RECEIVED)


def test_what_is_unpacked_takes_its_room() -> None:
    room = Room(most=5000)
    packed = gzip.compress(b"x" * 10_000)
    with closing(Body(room, "gzip", None)) as body:
        body.feed(packed)
        with pytest.raises(falcon.HTTPServiceUnavailable):
            body.whole()
    with closing(Body(room, None, None)) as other:
        other.feed(b"x" * 5000)
