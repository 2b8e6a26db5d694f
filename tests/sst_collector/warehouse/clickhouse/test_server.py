"""The warehouse's server by HTTP: which of several is taken, and what an answer that is none means."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from loopback import Loopback, answer, raw
from sst_collector.warehouse.clickhouse.address import Address
from sst_collector.warehouse.clickhouse.server import ServerError, connected
from sst_collector.warehouse.protocol import WarehouseError

ONE = (200, b'{"data": [[1]]}')
Serve = Callable[[int, bytes], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers everything so, and says where it is."""
    with ExitStack() as running:

        def start(status: int, body: bytes) -> str:
            server = Loopback()
            running.callback(server.close)
            server.otherwise = answer(status, body)
            return server.url.removesuffix("/events")

        yield start


def at(*urls: str) -> Address:
    return Address(urls, "sst", None, "default", "hunter2")


def test_the_first_that_answers_is_taken(serve: Serve) -> None:
    broken = serve(500, b"Code: 210. DB::NetException: not now")

    with connected(at("http://127.0.0.1:9", broken, serve(*ONE))) as server:
        assert server.ask("SELECT 1") == [(1,)]
        assert server.ask("INSERT INTO runs FORMAT TSV", b"1\n") == []


@pytest.mark.parametrize("code", [81, 192, 193, 194, 516])
def test_what_another_would_say_too_ends_the_search(serve: Serve, code: int) -> None:
    wrong = serve(403, f"Code: {code}. DB::Exception: hunter2: Authentication failed".encode())

    with pytest.raises(ServerError, match=f"error {code}") as refused, connected(at(wrong, serve(*ONE))):
        pytest.fail("it was taken")

    assert (refused.value.code, "hunter2" in str(refused.value)) == (code, False)


def test_the_last_refusal_is_told_where_nobody_answers(serve: Serve) -> None:
    with (
        pytest.raises(WarehouseError, match=r"127\.0\.0\.1:9 can't be reached: .*Connection refused"),
        connected(at(serve(500, b"a proxy's page"), "http://127.0.0.1:9")),
    ):
        pytest.fail("it was taken")


@pytest.mark.parametrize("host", ["xn--a", "xn--ls8h.example"])
def test_a_name_that_can_not_be_decoded_is_an_error_in_words(host: str) -> None:
    with (
        pytest.raises(WarehouseError, match=f"at {host}:8123 can't be reached: that is no host's name$"),
        connected(at(f"http://{host}:8123")),
    ):
        pytest.fail("it was taken")


def test_what_a_server_says_that_speaks_no_http_is_not_repeated() -> None:
    with (
        closing(Loopback(otherwise=raw(b"hunter2\r\n"))) as other,
        pytest.raises(WarehouseError, match=r"can't be reached: the connection was cut, or it isn't HTTP$"),
        connected(at(other.url.removesuffix("/events"))),
    ):
        pytest.fail("it was taken")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"data": 1}', b'{"data": [1]}', b"\xff"])
def test_a_page_of_somebody_elses_is_no_warehouse(serve: Serve, body: bytes) -> None:
    with (
        pytest.raises(WarehouseError, match=r"what is at 127\.0\.0\.1:\d+ doesn't answer as ClickHouse does"),
        connected(at(serve(200, body))),
    ):
        pytest.fail("it was taken")
