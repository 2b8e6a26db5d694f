"""The gateway on loopback: what it answers by itself, and what it makes of a function's answer."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from accepting import accepting, waits_for_acknowledgements
from sst_aws.live.functions import Route
from sst_aws.live.gateway import MAX_BODY, Gateway, response_of
from sst_aws.live.runtime import Answer
from sst_core.testing import PATIENCE

ROUTES = (Route("ANY", "/f", "F"),)


@contextmanager
def serving(answer: Answer | Exception) -> Iterator[tuple[httpx.Client, list[str]]]:
    said: list[str] = []

    def invoke(_name: str, _event: bytes) -> Answer:
        if isinstance(answer, Exception):
            raise answer
        return answer

    gateway = Gateway(0, ROUTES, invoke, said.append)
    thread = threading.Thread(target=gateway.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{gateway.server_port}"
    try:
        with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as client:
            yield client, said
    finally:
        gateway.shutdown()
        thread.join()
        gateway.server_close()


def test_what_no_route_takes_is_nobodys() -> None:
    with serving(Answer(b'"text"')) as (client, said):
        assert client.get("/g").status_code == 404
        assert said[-1].startswith("GET /g -> nobody 404 in ")
        assert (client.get("/f").text, client.head("/f").content) == ("text", b"")
        assert client.head("/f").headers["content-length"] == "4"


def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    with accepting() as accepted, serving(Answer(b"{}")) as (client, _):
        assert client.get("/f").status_code == 200
        assert list(map(waits_for_acknowledgements, accepted)) == [False]


def test_a_body_that_aws_would_not_take_is_not_read() -> None:
    with serving(Answer(b"{}")) as (client, _):
        for length, status in ((MAX_BODY, 200), (MAX_BODY + 1, 413)):
            with socket.create_connection((client.base_url.host, client.base_url.port or 0), PATIENCE) as connection:
                connection.sendall(f"POST /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
                if status == 200:
                    connection.sendall(b"x" * length)
                assert connection.recv(12) == f"HTTP/1.1 {status}".encode()


@pytest.mark.parametrize(
    ("answered", "status", "body"),
    [
        ({"statusCode": 204}, 204, ""),
        ({"statusCode": "201", "body": {"a": 1}}, 201, '{"a": 1}'),
        ({"statusCode": 199}, 500, None),
        ({"statusCode": 600}, 500, None),
        ({"statusCode": "many"}, 500, None),
        ({"statusCode": None}, 500, None),
        ({"statusCode": 200, "headers": ["a"]}, 500, None),
        ({"statusCode": 200, "body": "a", "isBase64Encoded": True}, 500, None),
        ({"statusCode": float("inf")}, 500, None),
        ({"statusCode": 200, "headers": {"content-disposition": 'filename="Ü … Übersicht.pdf"'}}, 500, None),
        ({"statusCode": 200, "headers": {"x-…": "a"}}, 500, None),
        ({"statusCode": 200, "cookies": ["a=…"]}, 500, None),
        ({"statusCode": 200, "headers": {"x": "\ud800"}}, 500, None),
        ({"statusCode": 200, "body": "\ud800"}, 500, None),
        ({"statusCode": 200, "body": "Ü … …"}, 200, "Ü … …"),
        ({"cookies": []}, 200, '{"cookies": []}'),
        (None, 200, "null"),
    ],
)
def test_an_answer_is_what_aws_makes_of_it(answered: Any, status: int, body: str | None) -> None:
    response = response_of(Answer(json.dumps(answered).encode()))

    assert response.status == status
    assert response.body.decode() == ('{"message": "Internal Server Error"}' if body is None else body)


@pytest.mark.parametrize("payload", [b"{", b"[" * 100_000, b"9" * 5000])
def test_an_answer_that_is_no_json_is_a_failure(payload: bytes) -> None:
    assert response_of(Answer(payload)).status == 500


def test_a_header_is_sent_as_it_can_be_and_is_answered_for_where_it_can_not(capfd: pytest.CaptureFixture[str]) -> None:
    for name, status in (("Übersicht", 200), ("Ü … Übersicht", 500)):
        answered = {"statusCode": 200, "headers": {"content-disposition": name}}
        with serving(Answer(json.dumps(answered).encode())) as (client, said):
            answer = client.get("/f")
            assert answer.status_code == status
            assert said[-1].startswith(f"GET /f -> F {status} in ")
            if status == 200:
                assert (b"content-disposition", name.encode("latin-1")) in answer.headers.raw
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        ("GET /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: x", 400),
        ("GET /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1", 400),
        (f"GET /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: {'9' * 5000}", 400),
        ("GET /f HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked", 411),
        ("GET http://[ HTTP/1.1\r\nHost: localhost", 400),
        ("GET /f\x1b[2J HTTP/1.1\r\nHost: localhost", 404),
    ],
)
def test_a_request_that_is_none_is_answered_and_steers_no_terminal(
    request_head: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(Answer(b"{}")) as (client, said):
        with socket.create_connection((client.base_url.host, client.base_url.port or 0), PATIENCE) as connection:
            connection.sendall(f"{request_head}\r\n\r\n".encode("latin-1"))
            assert connection.recv(12) == f"HTTP/1.1 {status}".encode()
        assert said[-1].isprintable()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b'{"errorType": "E", "errorMessage": "m"}', "F failed: E: m"),
        (
            b'{"errorType": "E", "errorMessage": "m", "stackTrace": ["  at a\\n", "  at b\\n"]}',
            "F failed: E: m\n  at a\n  at b",
        ),
        (b"not \xff JSON", "F failed: not \ufffd JSON"),
        (b'["a list"]', 'F failed: ["a list"]'),
        (b'{"stackTrace": [1]}', 'F failed: {"stackTrace": [1]}'),
    ],
)
def test_why_a_function_failed_is_told_to_the_developer_alone(payload: bytes, told: str) -> None:
    with serving(Answer(payload, failed=True)) as (client, said):
        answer = client.get("/f")

    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
    assert said[0] == told


def test_a_bug_of_ours_is_shown_and_a_client_that_hangs_up_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    with serving(RuntimeError("a bug")) as (client, _), pytest.raises(httpx.HTTPError):
        client.get("/f")
    assert "RuntimeError: a bug" in capfd.readouterr().err

    with serving(ConnectionResetError()) as (client, _), pytest.raises(httpx.HTTPError):
        client.get("/f")
    assert capfd.readouterr().err == ""
