"""Whatever the collector, the network and the disk do, the command's result is what it is with telemetry off."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from consenting import Consenting
from loopback import Answer, Loopback, accounting, answer, dripping, hanging, raw, refusing
from machine import Machine

Eventually = Callable[[Callable[[], bool], str], None]

ANSWERS: dict[str, Answer] = {
    "up": accounting(),
    "hanging": hanging,
    "a byte at a time": dripping,
    "closing": raw(b""),
    "500": answer(500),
    "503 with Retry-After": answer(503, headers={"Retry-After": "3600"}),
    "400": answer(400),
    "redirecting": answer(307, headers={"Location": "http://127.0.0.1:1/"}),
    "a cheerful page": answer(200, b"<html>You are online!</html>"),
    "not HTTP": raw(b"220 mail.example ESMTP\r\n"),
}
ADDRESSES = {
    "no such name": "https://collector.invalid/events",
    "no address": "nonsense",
    "plain HTTP elsewhere": "http://collector.invalid/events",
}
RUNS: dict[str, dict[str, str]] = {"a person's": {}, "in CI": {"CI": "true"}}


@pytest.fixture
def url(request: pytest.FixtureRequest, loopback: Loopback) -> Iterator[str]:
    """Where events go, named by the fault there."""
    fault: str = request.param
    with ExitStack() as stack:
        if fault == "refusing":
            bound, refused = refusing()
            stack.enter_context(bound)
            yield refused
        elif fault in ADDRESSES:
            yield ADDRESSES[fault]
        else:
            loopback.otherwise = ANSWERS[fault]
            yield loopback.url


@pytest.mark.parametrize("environ", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("url", ["refusing", *ADDRESSES, *ANSWERS], indirect=True)
def test_a_command_does_not_notice_the_collector(machine: Machine, url: str, environ: dict[str, str]) -> None:
    Consenting(machine).consent().grant()
    machine.project('build = ["sh", "-c", "echo out; echo err >&2; exit 3"]')
    off = machine.sst("build", env={**environ, "SST_TELEMETRY_DISABLED": "1"})
    assert (off.returncode, off.stdout, off.stderr) == (3, "out\n", "err\n")

    on = machine.sst("build", env={**environ, "SST_TELEMETRY_URL": url})

    assert (on.returncode, on.stdout, on.stderr) == (off.returncode, off.stdout, off.stderr)


@pytest.mark.parametrize("url", ["hanging"], indirect=True)
def test_what_hangs_now_is_delivered_later(
    machine: Machine, loopback: Loopback, url: str, eventually: Eventually
) -> None:
    consenting = Consenting(machine)
    consenting.consent().grant()
    machine.project('build = ["true"]')
    machine.environ["SST_TELEMETRY_URL"] = url
    machine.sst("build")
    eventually(lambda: len(loopback.requests) == 1, "a request")
    sessions = loopback.requests[0].sessions
    loopback.otherwise = accounting()
    eventually(lambda: machine.sst("telemetry", "flush").returncode == 0, "a delivery by hand")

    assert loopback.requests[-1].sessions == sessions
    assert machine.queued() == []


def test_no_user_of_a_terminal_sees_a_fault(machine: Machine, loopback: Loopback) -> None:
    loopback.otherwise = hanging
    Consenting(machine).consent().grant()
    machine.project('build = ["echo", "built"]')

    screen = machine.on_terminal("build", env={"SST_TELEMETRY_URL": loopback.url})

    assert (screen.exit_code, screen.text) == (0, "built\n")
