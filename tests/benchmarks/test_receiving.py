"""The benchmark's collector does what each condition says, and counts what arrived."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from receiving import Collector, Condition
from waiting import eventually

EVENT = re.compile(rb"run-\d")


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """One that refuses, so far."""
    collector = Collector(tmp_path / "arrived")
    yield collector
    collector.close()


def test_it_refuses_until_it_is_up_at_the_same_address(collector: Collector) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.post(collector.url, content=b"run-1", trust_env=False)

    collector.start(Condition.UP)

    answer = httpx.post(collector.url, content=b"run-2\nrun-3", trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 2, "rejected": []})
    assert collector.arrived(EVENT) == {b"run-2", b"run-3"}


def test_an_event_that_arrives_twice_counts_once_compressed_or_not(collector: Collector) -> None:
    collector.start(Condition.UP)

    httpx.post(collector.url, content=b"run-1", trust_env=False)
    httpx.post(collector.url, content=gzip.compress(b"run-1"), headers={"Content-Encoding": "gzip"}, trust_env=False)

    assert collector.arrived(EVENT) == {b"run-1"}


def test_hanging_takes_the_request_and_never_answers(collector: Collector) -> None:
    collector.start(Condition.HANGING)

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(collector.url, content=b"run-1", trust_env=False, timeout=httpx.Timeout(30, read=0.5))

    eventually(lambda: collector.arrived(EVENT) == {b"run-1"}, "its body")


def test_it_fails_drips_and_speaks_rubbish(collector: Collector, tmp_path: Path) -> None:
    others = Condition.FAILING, Condition.RUBBISH, Condition.DRIPPING
    servers = [Collector(tmp_path / condition.name) for condition in others]
    for server, condition in zip(servers, others, strict=True):
        server.start(condition)
    failing, rubbish, dripping = servers
    try:
        assert httpx.post(failing.url, content=b"run-1", trust_env=False).status_code == 500
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(rubbish.url, content=b"run-1", trust_env=False)
        with httpx.stream("POST", dripping.url, content=b"run-1", trust_env=False) as answer:
            assert next(answer.iter_raw()) == b"{"
        assert all(server.arrived(EVENT) == {b"run-1"} for server in servers)
    finally:
        for server in servers:
            server.close()
