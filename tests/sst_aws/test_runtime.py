"""The processes that functions run in, by AWS's own runtime client, and the API that they ask."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from accepting import accepting, waits_for_acknowledgements
from sst_aws.live.functions import Function
from sst_aws.live.pool import Pool
from sst_aws.live.runtime import API, Answer, Environment
from sst_core.testing import PATIENCE

HANDLER = """
import os, time

def who(event, context):
    return os.getpid()

def slow(event, context):
    open("began", "w").close()
    time.sleep(20)

def asks(event, context):
    return os.environ["AWS_LAMBDA_RUNTIME_API"]

def waits(event, context):
    with open("asked", "w") as file:
        file.write(os.environ["AWS_LAMBDA_RUNTIME_API"] + " " + context.aws_request_id)
    os.rename("asked", "began")
    while not os.path.exists("go on"):
        time.sleep(0.01)
    return event
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "app.py").write_text(HANDLER)
    return folder


def function(code: Path, handler: str) -> Function:
    return Function("F", f"app.{handler}", (code,), {}, 30.0, 128)


def wait_until_it_began(code: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not (code / "began").exists() and time.monotonic() < until:
        time.sleep(0.01)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def environment(code: Path, said: list[str]) -> Iterator[Environment]:
    running = Environment(function(code, "asks"), "eu-west-1", said.append)
    yield running
    running.end()


def test_a_process_that_ended_after_its_answer_is_replaced(code: Path, said: list[str]) -> None:
    pool = Pool(function(code, "who"), "eu-west-1", said.append)
    try:
        first = pool.invoke(b"{}")
        (environment,) = pool._all
        os.kill(json.loads(first.payload), signal.SIGKILL)
        environment._process.wait(PATIENCE)

        second = pool.invoke(b"{}")
    finally:
        pool.end()

    assert not first.failed
    assert not second.failed
    assert json.loads(first.payload) != json.loads(second.payload)


def test_an_event_that_is_under_way_at_the_end_fails_in_words(code: Path, said: list[str]) -> None:
    pool, answers = Pool(function(code, "slow"), "eu-west-1", said.append), list[Answer]()
    waiting = threading.Thread(target=lambda: answers.append(pool.invoke(b"{}")))
    waiting.start()
    wait_until_it_began(code)

    pool.end()
    waiting.join(PATIENCE)

    (answer,) = answers
    assert answer.failed
    assert json.loads(answer.payload)["errorType"] == "Runtime.ExitError"
    assert not pool._all


def test_what_it_takes_to_start_is_no_time_of_the_functions(code: Path, said: list[str]) -> None:
    (code / "app.py").write_text(f"{HANDLER}\ntime.sleep(1.5)\ndef works(event, context): time.sleep(0.3)\n")
    running = Environment(replace(function(code, "works"), timeout=1.0), "eu-west-1", said.append)
    try:
        assert not running.invoke(b"{}").failed
    finally:
        running.end()


def test_an_event_does_not_wait_for_an_acknowledgement(code: Path, said: list[str]) -> None:
    with accepting() as accepted:
        running = Environment(function(code, "who"), "eu-west-1", said.append)
        try:
            assert not running.invoke(b"{}").failed
            assert accepted
            assert not any(map(waits_for_acknowledgements, accepted))
        finally:
            running.end()


def test_what_is_no_question_of_the_api_has_no_answer(environment: Environment) -> None:
    api = f"http://{json.loads(environment.invoke(b'{}').payload)}"

    assert httpx.get(f"{api}{API}/invocation/last", trust_env=False).status_code == 404
    assert httpx.post(f"{api}{API}/init/error", content=b"{}", trust_env=False).status_code == 404, "it has started"
    assert not environment.invoke(b"{}").failed


def test_an_answer_has_to_say_its_length(environment: Environment) -> None:
    api = f"http://{json.loads(environment.invoke(b'{}').payload)}"

    assert httpx.post(f"{api}{API}/init/error", content=iter([b"{}"]), trust_env=False).status_code == 411
    assert not environment.invoke(b"{}").failed


def test_no_page_of_somebody_elses_reads_an_event_or_answers_one(code: Path, said: list[str]) -> None:
    running, answers = Environment(function(code, "waits"), "eu-west-1", said.append), list[Answer]()
    waiting = threading.Thread(target=lambda: answers.append(running.invoke(b'{"a": 1}')))
    waiting.start()
    wait_until_it_began(code)
    address, event = (code / "began").read_text().split()
    own = f"{API}/invocation/{event}/response"
    pages: list[dict[str, str]] = [
        {"Host": "evil.example"},
        {"Host": f"evil.example:{address.partition(':')[2]}"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-origin", "Host": "evil.example"},
    ]
    for headers in pages:
        with httpx.Client(base_url=f"http://{address}", headers=headers, trust_env=False, timeout=PATIENCE) as page:
            for refused in (page.get(f"{API}/invocation/next"), page.post(own, content=b'"forged"')):
                assert (refused.status_code, refused.headers["Connection"]) == (403, "close")
    with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=PATIENCE) as other:
        for path in ("/", f"{API}/invocation/another/response", f"{API}/invocation/{event}/", f"{API}/init/error"):
            assert other.post(path, content=b'"forged"').status_code == 404

    (code / "go on").touch()
    waiting.join(PATIENCE)
    running.end()

    assert answers == [Answer(b'{"a": 1}')]


def test_a_second_answer_to_an_event_changes_nothing(code: Path, said: list[str]) -> None:
    running, answers = Environment(function(code, "waits"), "eu-west-1", said.append), list[Answer]()
    waiting = threading.Thread(target=lambda: answers.append(running.invoke(b'"first"')))
    waiting.start()
    wait_until_it_began(code)
    address, event = (code / "began").read_text().split()
    httpx.post(f"http://{address}{API}/invocation/{event}/response", content=b'"sooner"', trust_env=False)
    waiting.join(PATIENCE)
    (code / "go on").touch()  # and now the function answers

    answers.append(running.invoke(b'"second"'))
    running.end()

    assert answers == [Answer(b'"sooner"'), Answer(b'"second"')]


def test_a_bug_of_ours_is_shown(
    environment: Environment, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("a bug")

    api = f"http://{json.loads(environment.invoke(b'{}').payload)}"
    monkeypatch.setattr(environment, "next", broken)

    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{api}{API}/invocation/next", trust_env=False)

    assert "RuntimeError: a bug" in capfd.readouterr().err
