"""A body takes no more memory than the limits say, and gives back what it took."""

import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import falcon
import pytest

from sst_collector.receiving.body import MAX_BODY, MAX_RECEIVED, Body, Room


@contextmanager
def traced_memory() -> Iterator[Callable[[], int]]:
    """Gives how many bytes more Python holds than at its beginning."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield lambda: tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


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


def test_a_body_takes_its_bytes_and_not_more_in_however_many_pieces_it_comes() -> None:
    room = Room(most=100_000)
    with traced_memory() as taken, closing(Body(room, None, None)) as body:
        for number in range(50_000):
            body.feed(b"%02x" % (number % 256))  # two bytes: Python has each object of one only once
        assert taken() < 150_000
        assert len(body.whole()) == 100_000


def test_what_is_unpacked_takes_its_room() -> None:
    room = Room(most=5000)
    packed = gzip.compress(b"x" * 10_000)
    with closing(Body(room, "gzip", None)) as body:
        body.feed(packed)
        with pytest.raises(falcon.HTTPServiceUnavailable):
            body.whole()
    with closing(Body(room, None, None)) as other:
        other.feed(b"x" * 5000)
