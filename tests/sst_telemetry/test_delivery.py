"""Delivering what is queued: nothing is lost, nothing is sent that may not be, and failures put off what comes next."""

import gzip
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest

from consenting import Consenting, names
from locking import is_held
from loopback import Answer, Loopback, Request, accounting, answer, raw, refusing
from sst_core import SST, ConfigurationError, Locations, Product, held
from sst_core.fields import standard_catalogue
from sst_core.testing import PATIENCE, Machine
from sst_telemetry.batch import Composed, compose
from sst_telemetry.burst import PAUSE
from sst_telemetry.delivery import (
    MAX_WAIT,
    UNUSABLE_ADDRESS,
    UNUSABLE_SETTINGS,
    Delivery,
    Report,
)
from sst_telemetry.folder import Folder
from sst_telemetry.identity import machine_secret, weekly_id
from sst_telemetry.queue import pinned_week
from sst_telemetry.spawn import STAMP
from sst_telemetry.state import DeliveryState, LastDelivery, write_state
from waiting import eventually

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HTML = answer(200, b"<html>You are online!</html>", {"Content-Type": "text/html"})


def now() -> datetime:
    return NOW


def record(consenting: Consenting, *commands: str) -> list[Path]:
    """Queue these, one after the other, a little before NOW."""
    return [consenting.record(name, at=NOW.timestamp() - 60 + number) for number, name in enumerate(commands)]


def refusing_lines(*commands: str, status: int = 400) -> Answer:
    """A collector that can't read a request with one of these commands in it."""

    def reply(connection: socket.socket, request: Request) -> bool:
        good = not set(commands) & set(request.commands)
        return (accounting() if good else answer(status))(connection, request)

    return reply


def test_a_request_holds_five_hundred_runs(consenting: Consenting, loopback: Loopback) -> None:
    record(consenting, *["build"] * 501)

    assert consenting.deliver(loopback.url, clock=now).left == 0

    assert [len(request.commands) for request in loopback.requests] == [500, 1]


NEWER = replace(SST, catalogue=standard_catalogue(("build", "sell")))
"""Another version, that shares the home folder: each has a command that the other does not know."""


def record_by_newer(consenting: Consenting, *, at: float | None = None) -> Path:
    """Queue a run of the command that only the other version has."""
    run = consenting.record("build", at=at)
    run.write_text(json.dumps({**json.loads(run.read_text()), "command": "sell"}))
    return run


def test_what_another_version_recorded_waits_for_its_sender(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    newers = consenting.consent(product=NEWER, environ={**machine.environ, "SST_TELEMETRY_URL": loopback.url})
    newers.grant()
    consenting.record("build")
    other = record_by_newer(consenting)
    deployed = consenting.record("deploy")

    for _ in range(2):
        assert consenting.deliver(loopback.url) == Report(0, "everything is delivered", 1)

        assert [request.commands for request in loopback.requests] == [["build", "deploy"]]
        assert machine.queued() == [other]
    assert consenting.state.set_aside == 0
    deployed = consenting.record("deploy")
    assert Delivery(newers).run(now_please=True) == Report(0, "everything is delivered", 1)
    assert loopback.commands == ["build", "deploy", "sell"]
    assert machine.queued() == [deployed]


def test_what_another_version_recorded_makes_no_request_and_no_id(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    record_by_newer(consenting)

    assert consenting.deliver(loopback.url) == Report(0, "everything is delivered", 1)

    assert loopback.requests == []
    assert not (machine.telemetry / "secret").exists()
    assert (consenting.state.last, consenting.state.failures) == (None, 0)


def test_what_another_version_recorded_is_within_the_queues_bounds(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    record_by_newer(consenting, at=NOW.timestamp() - 31 * 86400)

    assert consenting.deliver(loopback.url, clock=now).left == 0

    assert (machine.queued(), consenting.state.dropped, consenting.state.set_aside) == ([], 1, 0)


def test_what_is_no_run_is_left_out_and_what_follows_is_not(consenting: Consenting) -> None:
    first, torn, last = record(consenting, "build", "start", "deploy")
    torn.write_text("torn")

    composed = compose(SST, consenting.locations, [first, torn, last], NOW)

    assert [line.path for line in composed.lines] == [first, last]
    assert (composed.no_runs, composed.of_others) == ((torn,), ())


def test_what_arrives_is_byte_for_byte_what_show_then_shows(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    record(consenting, "build", "deploy", "plugin")

    assert consenting.deliver(loopback.url, clock=now).left == 0

    (request,) = loopback.requests
    shown = json.loads(machine.sst("telemetry", "show", "--json").stdout)["last_batch"]
    assert shown["body"].encode() == request.body
    assert (shown["url"], shown["outcome"]) == (loopback.url, "200")
    assert machine.sst("telemetry", "show").stdout.encode().endswith(b":\n" + request.body)
    assert (
        gzip.decompress(request.raw.partition(b"\r\n\r\n")[2]) == (machine.telemetry / "last-batch.ndjson").read_bytes()
    )


def test_what_show_shows_as_queued_is_what_then_arrives(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    consenting.record("build")
    consenting.record("deploy")

    shown = json.loads(machine.sst("telemetry", "show", "--json").stdout)["queued"]
    machine.sst("telemetry", "flush", env={"SST_TELEMETRY_URL": loopback.url})

    assert [line.encode() for line in shown] == loopback.requests[0].lines


def test_every_line_is_an_envelope_of_the_catalogue(consenting: Consenting, loopback: Loopback) -> None:
    record(consenting, "build")

    consenting.deliver(loopback.url, clock=now)

    (envelope,) = loopback.requests[0].envelopes
    flat = {**envelope["context"], **envelope["environment"], **envelope["events"][0]["properties"]}
    assert consenting.consent().product.catalogue.envelope(flat) == envelope


def test_the_queue_goes_in_requests_of_so_many(
    consenting: Consenting, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sst_telemetry.batch.MAX_LINES", 2)
    record(consenting, "build", "start", "deploy", "remove", "diff")

    assert consenting.deliver(loopback.url, clock=now).left == 0

    assert [request.commands for request in loopback.requests] == [["build", "start"], ["deploy", "remove"], ["diff"]]


def test_a_file_stays_until_it_is_accounted_for(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    record(consenting, "build", "deploy")
    there: list[int] = []

    def looking(connection: socket.socket, request: Request) -> bool:
        there.append(len(machine.queued()))
        return accounting()(connection, request)

    loopback.otherwise = looking

    consenting.deliver(loopback.url, clock=now)

    assert there == [2]
    assert machine.queued() == []


BAD_ANSWERS: dict[str, Answer] = {
    "500": answer(500),
    "503": answer(503),
    "429": answer(429),
    "404": answer(404),
    "401": answer(401),
    "redirect": answer(308, headers={"Location": "/elsewhere"}),
    "201": answer(201, b'{"accepted": 2, "rejected": []}'),
    "a cheerful page": HTML,
    "too few": answer(200, b'{"accepted": 1, "rejected": []}'),
    "too many": answer(200, b'{"accepted": 3, "rejected": []}'),
    "nothing": raw(b""),
    "no HTTP": raw(b"220 mail.example ESMTP\r\n"),
    "half an answer": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"accepted": 2, "rejected": []}'),
}


@pytest.mark.parametrize("reply", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_answer_keeps_the_queue_and_backs_off(
    machine: Machine, consenting: Consenting, loopback: Loopback, reply: Answer
) -> None:
    runs = record(consenting, "build", "deploy")
    loopback.otherwise = reply
    for failures in range(1, 4):
        report = consenting.deliver(loopback.url, clock=now)

        assert report.left == 2
        assert "(SST_TELEMETRY_URL" in report.reason
        longest = 60.0 * 2 ** (failures - 1)
        assert longest / 2 <= consenting.state.not_before - NOW.timestamp() <= longest
        assert consenting.state.failures == failures
    assert names(machine.queued()) == names(runs)
    assert consenting.status["dropped"] == consenting.status["rejected"] == consenting.status["set_aside"] == 0

    loopback.otherwise = accounting()
    assert consenting.deliver(loopback.url, now_please=False, clock=now).reason == "waiting after a failure"
    later = datetime.fromtimestamp(consenting.state.not_before + 1, UTC)
    before = len(loopback.requests)
    assert consenting.deliver(loopback.url, now_please=False, clock=lambda: later).left == 0
    assert loopback.requests[before].commands == ["build", "deploy"]
    assert (consenting.state.failures, consenting.state.not_before) == (0, 0.0)


@pytest.mark.parametrize("failures", [8, 10, 11, 12, 100, 10**6])
def test_a_day_is_the_longest_wait(consenting: Consenting, loopback: Loopback, failures: int) -> None:
    record(consenting, "build")
    write_state(consenting.machine.telemetry, DeliveryState(failures=failures))
    loopback.otherwise = answer(500)

    consenting.deliver(loopback.url, clock=now)

    longest = min(60.0 * 2 ** min(failures, 30), MAX_WAIT)
    assert longest / 2 <= consenting.state.not_before - NOW.timestamp() <= longest
    assert consenting.state.failures == failures + 1


def test_machines_do_not_come_back_all_at_once(consenting: Consenting, loopback: Loopback) -> None:
    record(consenting, "build")
    loopback.otherwise = answer(500)
    waits = set()
    for _ in range(10):
        (consenting.machine.telemetry / "delivery.json").unlink(missing_ok=True)
        consenting.deliver(loopback.url, clock=now)
        waits.add(consenting.state.not_before)

    assert len(waits) == 10


def test_a_collector_that_refuses_connections_backs_off(machine: Machine, consenting: Consenting) -> None:
    record(consenting, "build")
    bound, url = refusing()
    with bound:
        assert consenting.deliver(url, clock=now).left == 1

    assert consenting.state.failures == 1
    assert consenting.status["last_delivery"]["outcome"] == "connection refused"


def test_settings_that_cannot_be_used_are_noted_and_back_off(
    machine: Machine, consenting: Consenting, monkeypatch: pytest.MonkeyPatch
) -> None:
    consenting.record()
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://me:secret@proxy")

    with pytest.raises(ConfigurationError):
        consenting.deliver("https://collector.example/events", clock=now)

    state = consenting.state
    assert state.last is not None
    last = state.last
    assert (last.outcome, last.sent, last.accepted, state.sent_to) == (UNUSABLE_SETTINGS, 0, 0, ())
    assert state.failures == 1
    assert NOW.timestamp() + 29 < state.not_before
    assert len(machine.queued()) == 1
    assert "secret" not in (machine.telemetry / "delivery.json").read_text()


def test_an_address_that_no_request_can_be_made_to_is_noted_as_that(consenting: Consenting) -> None:
    consenting.record()

    with pytest.raises(ConfigurationError):
        consenting.deliver("https://xn--a.example/events", clock=now)

    assert consenting.status["last_delivery"]["outcome"] == UNUSABLE_ADDRESS


def test_a_secret_that_cannot_be_trusted_is_noted_and_backs_off(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    consenting.record()
    machine_secret(machine.telemetry)
    (machine.telemetry / "secret").chmod(0o666)

    with pytest.raises(ConfigurationError) as refused:
        consenting.deliver(loopback.url, clock=now)

    last = consenting.state.last
    assert last is not None
    assert (last.outcome, last.sent, consenting.state.failures) == (str(refused.value), 0, 1)
    assert "can be written by others" in last.outcome
    assert (len(machine.queued()), loopback.requests) == (1, [])


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [(5000, 4990, 5000), (0, 30, 60), (10**7, MAX_WAIT, MAX_WAIT), (10**12, MAX_WAIT, MAX_WAIT)],
)
def test_retry_after_is_honoured_in_both_forms_up_to_a_day(
    consenting: Consenting, loopback: Loopback, form: str, asked: int, least: float, most: float
) -> None:
    consenting.record()
    if form == "date":
        asked = min(asked, 10**8)
        header = format_datetime(datetime.now(UTC) + timedelta(seconds=asked), usegmt=True)
    else:
        header = str(asked)
    loopback.otherwise = answer(503, headers={"Retry-After": header})
    moment = datetime.now(UTC)

    consenting.deliver(loopback.url, clock=lambda: moment)

    assert least <= consenting.state.not_before - moment.timestamp() <= most


@pytest.mark.parametrize("clock", [NOW - timedelta(days=365), NOW + timedelta(days=2)])
def test_a_clock_that_was_set_does_not_stop_delivery(
    consenting: Consenting, loopback: Loopback, clock: datetime
) -> None:
    consenting.record(at=NOW.timestamp())
    loopback.script = [answer(503, headers={"Retry-After": "86400"})]
    consenting.deliver(loopback.url, clock=now)
    (consenting.machine.queued()[0]).unlink()
    consenting.record(at=clock.timestamp())

    assert consenting.deliver(loopback.url, now_please=False, clock=lambda: clock).left == 0


@pytest.mark.parametrize("status", [400, 413])
@pytest.mark.parametrize("bad", [("start",), ("build", "diff"), ("build", "start", "deploy"), ("remove", "diff")])
def test_a_line_that_the_collector_cannot_read_is_dropped_and_its_neighbours_are_delivered(
    machine: Machine, consenting: Consenting, loopback: Loopback, status: int, bad: tuple[str, ...]
) -> None:
    commands = ("build", "start", "deploy", "remove", "diff")
    record(consenting, *commands)
    loopback.otherwise = refusing_lines(*bad, status=status)

    assert consenting.deliver(loopback.url, clock=now).left == 0

    delivered = [
        command for request in loopback.requests if not set(bad) & set(request.commands) for command in request.commands
    ]
    assert sorted(delivered) == sorted(set(commands) - set(bad))
    assert consenting.state.rejected == len(bad)
    assert machine.queued() == []
    assert f"{len(bad)} run" in machine.sst("telemetry").stdout


def test_what_the_answer_rejects_is_dropped_and_counted(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    record(consenting, "build", "deploy", "diff")
    loopback.script = [accounting(reject=[2])]

    assert consenting.deliver(loopback.url, clock=now).left == 0

    assert len(loopback.requests) == 1
    assert (consenting.state.rejected, consenting.status["last_delivery"]["accepted"]) == (1, 2)


def test_a_failure_in_the_midst_of_bisecting_keeps_what_is_left(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    runs = record(consenting, "build", "start", "deploy", "remove")
    loopback.script = [answer(413), accounting(), answer(500)]

    assert consenting.deliver(loopback.url, clock=now).left == 2

    assert names(machine.queued()) == names(runs[:2]), "the newest went first"
    assert consenting.state.failures == 1


@pytest.mark.parametrize("status", [400, 413])
@pytest.mark.parametrize("runs", [1, 2, 3, 40])
def test_what_refuses_every_run_is_no_collector_and_each_is_kept(
    machine: Machine, consenting: Consenting, loopback: Loopback, status: int, runs: int
) -> None:
    queued = record(consenting, *["build"] * runs)
    loopback.otherwise = answer(status)
    for failures in (1, 2):
        report = consenting.deliver(loopback.url, clock=now)

        assert (report.left, report.reason) == (runs, "nothing but refusals (SST_TELEMETRY_URL)")
        assert consenting.state.failures == failures
        assert consenting.deliver(loopback.url, clock=now, now_please=False).reason == "waiting after a failure"
    assert names(machine.queued()) == names(queued)
    assert consenting.state.rejected == 0
    assert len(loopback.requests) <= 2 * 16, "and few requests find it out"

    loopback.otherwise = accounting()
    assert consenting.deliver(loopback.url, clock=now).left == 0
    assert consenting.state.rejected == 0


def test_one_run_that_is_refused_alone_costs_one_request(consenting: Consenting, loopback: Loopback) -> None:
    record(consenting, "build")
    loopback.otherwise = answer(400)

    consenting.deliver(loopback.url, clock=now)

    assert len(loopback.requests) == 1


def test_four_runs_that_are_refused_alone_are_taken_for_a_wrong_address(
    consenting: Consenting, loopback: Loopback
) -> None:
    record(consenting, *["build"] * 40)
    loopback.otherwise = answer(400)

    consenting.deliver(loopback.url, clock=now)

    assert [len(request.commands) for request in loopback.requests].count(1) == 4


def test_a_failure_that_puts_off_for_the_longest_there_is_is_waited_out(
    consenting: Consenting, loopback: Loopback
) -> None:
    record(consenting, "build")
    write_state(consenting.machine.telemetry, DeliveryState(failures=9, not_before=NOW.timestamp() + 24 * 3600))
    assert consenting.deliver(loopback.url, clock=now, now_please=False).reason == "waiting after a failure"

    write_state(consenting.machine.telemetry, DeliveryState(failures=9, not_before=NOW.timestamp() + 24 * 3600 + 1))
    assert consenting.deliver(loopback.url, clock=now, now_please=False).left == 0, "the clock was wrong, or is"


def test_a_run_that_is_deleted_while_it_is_sent_is_delivered(consenting: Consenting, loopback: Loopback) -> None:
    record(consenting, "build", "deploy")

    def deleting(connection: socket.socket, request: Request) -> bool:
        consenting.machine.queued()[0].unlink()
        return accounting()(connection, request)

    loopback.script = [deleting]

    assert consenting.deliver(loopback.url, clock=now).left == 0
    assert consenting.machine.queued() == []


def test_a_run_that_is_refused_alone_is_dropped_once_another_is_accounted_for(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    record(consenting, "diff")
    loopback.otherwise = refusing_lines("diff")
    assert consenting.deliver(loopback.url, clock=now).left == 1
    consenting.record("build", at=NOW.timestamp())

    assert consenting.deliver(loopback.url, clock=now).left == 0

    assert loopback.requests[-2].commands == ["build"]
    assert (consenting.state.rejected, consenting.state.failures) == (1, 0)


def test_what_was_accounted_for_at_another_time_says_nothing_about_now(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    record(consenting, "build")
    assert consenting.deliver(loopback.url, clock=now).left == 0
    record(consenting, "build", "deploy")
    loopback.otherwise = answer(400)

    assert consenting.deliver(loopback.url, clock=now).left == 2
    assert consenting.state.rejected == 0


def test_one_sender_makes_so_many_requests_and_the_next_goes_on(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    record(consenting, *["build", "diff"] * 20)
    loopback.otherwise = refusing_lines("build")
    left, made = [40], []
    while left[-1]:
        before = len(loopback.requests)
        left.append(consenting.deliver(loopback.url, clock=now, now_please=False).left)

        made.append(len(loopback.requests) - before)
        assert left[-1] < left[-2], "each gets on"
    assert max(made) == made[0] == 32
    assert consenting.state.rejected == 20
    assert len([command for command in loopback.commands if command == "diff"]) >= 20


def test_without_a_collector_runs_stay_and_are_trimmed(machine: Machine, consenting: Consenting) -> None:
    (kept,) = record(consenting, "build")
    consenting.record("deploy", at=NOW.timestamp() - 31 * 86400)

    report = consenting.deliver(None, clock=now)

    assert (report.left, report.reason) == (1, "no collector is configured; SST_TELEMETRY_URL names one")
    assert names(machine.queued()) == names([kept])
    assert consenting.status["dropped"] == 1
    assert not (machine.telemetry / "secret").exists()
    assert not (machine.telemetry / "last-batch.ndjson").exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://collector.example/events",
        "http://127.0.0.1.example/events",
        "http://[::2]/events",
        "ftp://localhost/events",
        "file:///etc/passwd",
        "//localhost/events",
        "localhost",
        "https://",
        "https://user:hunter2@localhost/events",
        "http://[",
        "http://localhost:99999/events",
    ],
)
def test_nothing_goes_to_an_address_that_may_not_have_it(machine: Machine, consenting: Consenting, url: str) -> None:
    (run,) = record(consenting, "build")

    report = consenting.deliver(url, clock=now)

    assert (report.left, consenting.state.last) == (1, None)
    assert "SST_TELEMETRY_URL" in report.reason
    assert "hunter2" not in report.reason
    assert names(machine.queued()) == names([run])


def test_the_users_configuration_names_the_collector(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    record(consenting, "build")
    machine.config_file.parent.mkdir(parents=True)
    machine.config_file.write_text(f'[telemetry]\ncollector = "{loopback.url}"\n')

    assert consenting.deliver(None, clock=now).left == 0
    assert loopback.commands == ["build"]


def withdraw_by_configuration(machine: Machine) -> None:
    machine.config_file.parent.mkdir(parents=True)
    machine.config_file.write_text("[telemetry]\nenabled = false\n")


def withdraw_by_rubbish(machine: Machine) -> None:
    machine.config_file.parent.mkdir(parents=True)
    machine.config_file.write_text("[telemetry\n")


def forget_the_notice(machine: Machine) -> None:
    (machine.telemetry / "notice").unlink()


@pytest.mark.parametrize("withdraw", [withdraw_by_configuration, withdraw_by_rubbish, forget_the_notice])
@pytest.mark.parametrize("call", range(1, 4))
def test_consent_that_is_withdrawn_before_a_request_stops_it(
    machine: Machine, consenting: Consenting, loopback: Loopback, withdraw: Callable[[Machine], None], call: int
) -> None:
    runs = record(consenting, "build")
    calls = itertools.count(1)

    # The clock is asked before the queue is trimmed, before the lines are composed, and as the request is noted.
    def clock() -> datetime:
        if next(calls) == call:
            withdraw(machine)
        return NOW

    report = consenting.deliver(loopback.url, clock=clock)

    if call < 3:
        assert (report.left, report.reason.partition(" (")[0]) == (1, "telemetry was switched off")
        assert loopback.requests == []
        assert names(machine.queued()) == names(runs)
    else:
        assert len(loopback.requests) == 1


@pytest.mark.parametrize("call", range(1, 6))
@pytest.mark.parametrize("step", [timedelta(seconds=1), timedelta(days=-7)])
def test_whenever_the_week_becomes_another_a_retry_has_the_id_of_the_first_try(
    machine: Machine, consenting: Consenting, loopback: Loopback, call: int, step: timedelta
) -> None:
    before = datetime(2026, 11, 22, 23, 59, 59, 500_000, tzinfo=UTC)  # of Sunday's last second
    consenting.record("build", at=before.timestamp() - 60)
    loopback.otherwise = raw(b"")  # the answer is lost
    calls = itertools.count(1)

    consenting.deliver(loopback.url, clock=lambda: before if next(calls) < call else before + step)
    consenting.deliver(loopback.url, clock=lambda: before + step)
    consenting.deliver(loopback.url, clock=lambda: before + timedelta(days=7))

    (run,) = machine.queued()
    ids = {envelope["context"]["anonymousId"] for request in loopback.requests for envelope in request.envelopes}
    secret = machine_secret(machine.telemetry)
    assert len(loopback.requests) == 3
    assert ids == {weekly_id(secret, str(pinned_week(run)))}


def record_in_two_weeks(consenting: Consenting, loopback: Loopback) -> None:
    """A run that could not be sent a week before NOW, and one since."""
    earlier = NOW - timedelta(days=7)
    consenting.record("build", at=earlier.timestamp())
    loopback.script = [answer(503)]
    consenting.deliver(loopback.url, clock=lambda: earlier)
    loopback.requests.clear()
    record(consenting, "deploy")


def test_no_request_and_no_connection_has_the_ids_of_two_weeks(consenting: Consenting, loopback: Loopback) -> None:
    record_in_two_weeks(consenting, loopback)
    peers = []

    def noting(connection: socket.socket, request: Request) -> bool:
        peers.append(connection.getpeername())
        return accounting()(connection, request)

    loopback.otherwise = noting

    assert consenting.deliver(loopback.url, clock=now).left == 0

    assert [request.commands for request in loopback.requests] == [["deploy"], ["build"]]
    assert len(set(peers)) == 2
    ids = [envelope["context"]["anonymousId"] for request in loopback.requests for envelope in request.envelopes]
    assert len(set(ids)) == 2, "or there was nothing to keep apart"


@pytest.mark.parametrize("unreadable", ["build", "deploy"])
def test_a_run_that_is_refused_alone_does_not_hold_up_another_week(
    consenting: Consenting, loopback: Loopback, unreadable: str
) -> None:
    record_in_two_weeks(consenting, loopback)
    loopback.otherwise = refusing_lines(unreadable)

    assert consenting.deliver(loopback.url, clock=now).left == 0
    assert consenting.state.rejected == 1


def test_refusals_of_every_week_are_a_wrong_address(consenting: Consenting, loopback: Loopback) -> None:
    record_in_two_weeks(consenting, loopback)
    loopback.otherwise = answer(400)

    report = consenting.deliver(loopback.url, clock=now)

    assert (report.left, report.reason.partition(" (")[0]) == (2, "nothing but refusals")
    assert len(loopback.requests) == 2


def test_consent_that_is_withdrawn_between_two_requests_stops_the_second(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    record(consenting, "build", "deploy")

    def withdrawing(connection: socket.socket, request: Request) -> bool:
        withdraw_by_configuration(machine)
        return answer(413)(connection, request)

    loopback.otherwise = withdrawing

    assert consenting.deliver(loopback.url, clock=now).left == 2
    assert len(loopback.requests) == 1


@pytest.mark.parametrize("change", [{"switched_off": True}, {"environ": {}}])
def test_whatever_turns_telemetry_off_keeps_everything_here(
    machine: Machine, consenting: Consenting, loopback: Loopback, change: dict[str, object]
) -> None:
    runs = record(consenting, "build")
    environ = {**machine.environ, "SST_TELEMETRY_URL": loopback.url}
    if "environ" in change:
        change = {"environ": {**environ, "DO_NOT_TRACK": "1"}}
    consent = consenting.consent(**{"environ": environ, **change})

    assert Delivery(consent, now).run(now_please=True).reason == "telemetry is off"

    assert loopback.requests == []
    assert names(machine.queued()) == names(runs)


def test_a_disk_that_takes_no_note_of_the_request_makes_none(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    runs = record(consenting, "build")
    (machine.telemetry / "last-batch.ndjson").mkdir()

    with pytest.raises(OSError):
        consenting.deliver(loopback.url, clock=now)

    assert loopback.requests == []
    assert names(machine.queued()) == names(runs)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"failures": "many"}',
        b'{"not_before": NaN}',
        b'{"unknown": 1}',
        b'{"last": 3}',
        b"\xff",
    ],
)
def test_notes_that_cannot_be_read_do_not_stop_delivery(
    machine: Machine, consenting: Consenting, loopback: Loopback, content: bytes
) -> None:
    record(consenting, "build")
    (machine.telemetry / "delivery.json").write_bytes(content)

    assert consenting.deliver(loopback.url, clock=now, now_please=False).left == 0
    assert loopback.commands == ["build"]


def test_notes_that_others_could_have_written_put_nothing_off(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    record(consenting, "build")
    write_state(machine.telemetry, DeliveryState(not_before=NOW.timestamp() + 60))
    (machine.telemetry / "delivery.json").chmod(0o666)

    assert consenting.deliver(loopback.url, clock=now, now_please=False).left == 0
    assert loopback.commands == ["build"]


def test_nothing_queued_makes_no_request(consenting: Consenting, loopback: Loopback) -> None:
    assert consenting.deliver(loopback.url).left == 0
    assert loopback.requests == []


def test_no_folder_is_made_where_there_is_none(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    machine.queue.rmdir()
    (machine.telemetry / "notice").unlink()
    machine.telemetry.rmdir()

    assert consenting.deliver(loopback.url).left == 0

    assert not machine.telemetry.exists()


def test_the_lock_names_the_process_that_delivers(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    record(consenting, "build")

    consenting.deliver(loopback.url, clock=now)

    assert (machine.state / "telemetry.lock").read_text() == str(os.getpid())


@pytest.fixture
def in_ci(consenting: Consenting, loopback: Loopback) -> Delivery:
    """A delivery as a sender in CI makes it."""
    environ = {**consenting.machine.environ, "SST_TELEMETRY_URL": loopback.url}
    return Delivery(consenting.consent(ci="other", environ=environ))


def recording_another(consenting: Consenting, seen: list[bool]) -> Answer:
    """A collector during whose answer a command records, which sees a stamp or does not."""

    def reply(connection: socket.socket, request: Request) -> bool:
        consenting.record("deploy")
        seen.append((consenting.machine.telemetry / STAMP).exists())
        return accounting()(connection, request)

    return reply


def test_in_ci_a_command_starts_no_sender_where_one_is_going_to_look_again(
    machine: Machine, consenting: Consenting, loopback: Loopback, in_ci: Delivery
) -> None:
    consenting.record("build")
    consenting.hold_back_senders()
    seen: list[bool] = []
    loopback.script = [recording_another(consenting, seen)]

    in_ci.run()

    assert [request.commands for request in loopback.requests] == [["build"], ["deploy"]]
    assert seen == [True]
    assert machine.queued() == []
    assert not (machine.telemetry / STAMP).exists(), "whoever records from now on starts the next"


def test_in_ci_what_another_version_recorded_is_read_once_and_waited_for_by_nobody(
    machine: Machine, consenting: Consenting, loopback: Loopback, in_ci: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def noting(product: Product, locations: Locations, paths: list[Path], moment: datetime) -> Composed:
        read.extend(paths)
        return compose(product, locations, paths, moment)

    monkeypatch.setattr("sst_telemetry.delivery.compose", noting)
    other = record_by_newer(consenting)
    consenting.record("build")
    consenting.hold_back_senders()
    loopback.script = [recording_another(consenting, [])]

    assert in_ci.run() == Report(0, "everything is delivered", 1)

    assert [request.commands for request in loopback.requests] == [["build"], ["deploy"]]
    assert machine.queued() == [other]
    assert (len(read), read.count(other)) == (3, 1)
    assert not (machine.telemetry / STAMP).exists(), "whoever records from now on starts the next"


def test_in_ci_what_comes_after_the_last_look_is_left_to_the_sender_that_its_command_starts(
    machine: Machine,
    consenting: Consenting,
    loopback: Loopback,
    in_ci: Delivery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sst_telemetry.delivery.LAST_LOOK", 0.0)
    consenting.record("build")
    consenting.hold_back_senders()
    seen: list[bool] = []
    loopback.script = [recording_another(consenting, seen)]

    in_ci.run()

    assert [request.commands for request in loopback.requests] == [["build"]]
    assert seen == [False]
    assert len(machine.queued()) == 1


def test_in_ci_one_sender_waits_for_the_one_at_work_and_a_third_leaves(
    machine: Machine, consenting: Consenting, loopback: Loopback, in_ci: Delivery
) -> None:
    consenting.record()
    environ = {**machine.environ, "SST_TELEMETRY_URL": loopback.url}
    second, third = (Delivery(consenting.consent(ci="other", environ=environ)) for _ in range(2))
    waiting = threading.Thread(target=second.run)

    with held(consenting.locations.lock, 0):
        waiting.start()
        eventually(lambda: is_held(Folder(machine.telemetry).next_sender), "the second waits")
        assert third.run().reason == "another sender is at work"
        assert loopback.requests == []
    waiting.join(PATIENCE)

    assert len(loopback.requests) == 1
    assert machine.queued() == []


def test_in_ci_a_person_who_asks_for_a_delivery_waits_for_no_more_to_come(
    machine: Machine, consenting: Consenting, loopback: Loopback, in_ci: Delivery
) -> None:
    consenting.record("build")
    consenting.hold_back_senders()
    seen: list[bool] = []
    loopback.script = [recording_another(consenting, seen)]

    in_ci.run(now_please=True)

    assert ([request.commands for request in loopback.requests], seen) == ([["build"]], [False])


# --- to the last number


@pytest.mark.parametrize("failures", range(13))
@pytest.mark.parametrize("part", [0, 1])
def test_each_failure_doubles_the_wait_of_a_minute_of_which_at_least_half_is_waited(
    consenting: Consenting, loopback: Loopback, monkeypatch: pytest.MonkeyPatch, failures: int, part: int
) -> None:
    monkeypatch.setattr("sst_telemetry.delivery.random.uniform", lambda *bounds: bounds[part])
    record(consenting, "build")
    write_state(consenting.machine.telemetry, DeliveryState(failures=failures))
    loopback.otherwise = answer(500)

    consenting.deliver(loopback.url, clock=now)

    longest = min(60 * 2**failures, 24 * 3600)
    assert consenting.state.not_before - NOW.timestamp() == (longest, longest / 2)[1 - part]
    assert consenting.state.failures == failures + 1


def test_at_the_moment_until_which_it_was_put_off_it_is_tried(consenting: Consenting, loopback: Loopback) -> None:
    record(consenting, "build")
    write_state(consenting.machine.telemetry, DeliveryState(failures=1, not_before=NOW.timestamp()))

    assert consenting.deliver(loopback.url, clock=now, now_please=False).left == 0


def test_what_is_noted_of_a_failure_is_when_where_and_how_much(consenting: Consenting, loopback: Loopback) -> None:
    record(consenting, "build", "deploy")
    loopback.otherwise = answer(500)
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5)))

    for _ in range(2):
        consenting.deliver(loopback.url, clock=lambda: elsewhere)

    last = LastDelivery("2026-11-25T12:00:00+00:00", loopback.url, "500", sent=2, accepted=0)
    assert (consenting.state.last, consenting.state.sent_to) == (last, (loopback.url,))


def test_what_is_noted_of_a_request_that_has_no_answer_yet_is_a_failure_of_which_nothing_is_accepted(
    consenting: Consenting, loopback: Loopback
) -> None:
    record(consenting, "build", "deploy")
    noted: list[DeliveryState] = []

    def looking(connection: socket.socket, request: Request) -> bool:
        noted.append(consenting.state)
        return accounting()(connection, request)

    loopback.script = [looking]

    consenting.deliver(loopback.url, clock=now)

    (state,) = noted
    assert state.last == LastDelivery("2026-11-25T12:00:00+00:00", loopback.url, "none yet", sent=2, accepted=0)
    assert (state.failures, state.sent_to) == (1, (loopback.url,))


@pytest.mark.parametrize(
    ("runs", "named", "off", "due"),
    [(1, True, False, True), (0, True, False, False), (1, False, False, False), (1, True, True, False)],
    ids=["due", "nothing queued", "no collector", "off"],
)
def test_a_delivery_is_due_where_something_is_queued_and_may_be_sent(
    machine: Machine, consenting: Consenting, runs: int, named: bool, off: bool, due: bool
) -> None:
    for _ in range(runs):
        consenting.record()
    environ = {**machine.environ, **({"SST_TELEMETRY_URL": "https://collector.invalid/events"} if named else {})}
    environ |= {"SST_TELEMETRY_DISABLED": "1"} if off else {}

    assert Delivery(consenting.consent(environ=environ)).is_due() is due


def test_where_nothing_happens_nothing_is_noted(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    assert consenting.deliver(loopback.url, clock=now).of_others == 0

    assert sorted(path.name for path in machine.telemetry.iterdir()) == ["notice", "queue"]


def test_a_failure_after_a_run_that_was_refused_alone_is_what_it_is(consenting: Consenting, loopback: Loopback) -> None:
    runs = record(consenting, "build", "deploy")
    loopback.script = [answer(400), answer(400), answer(500)]

    report = consenting.deliver(loopback.url, clock=now)

    assert (report.left, report.reason) == (2, "500 (SST_TELEMETRY_URL)")
    assert [request.commands for request in loopback.requests] == [["build", "deploy"], ["deploy"], ["build"]]
    assert (consenting.state.failures, consenting.state.rejected) == (1, 0)
    assert names(consenting.machine.queued()) == names(runs)


def test_each_collector_that_was_sent_something_is_remembered(consenting: Consenting, loopback: Loopback) -> None:
    elsewhere = Loopback()
    try:
        for server in (loopback, elsewhere, loopback):
            record(consenting, "build")
            assert consenting.deliver(server.url, clock=now).left == 0
        assert consenting.state.sent_to == (loopback.url, elsewhere.url)
    finally:
        elsewhere.close()


def test_a_collector_that_no_line_can_have_reached_is_not_remembered(
    consenting: Consenting, loopback: Loopback
) -> None:
    """A slip in an address would have `forget` ask whoever has that name one day."""
    record(consenting, "build")
    loopback.script = [answer(404)]
    bound, nowhere = refusing()
    with bound:
        assert consenting.deliver(nowhere, clock=now).left == 1
        assert consenting.state.last is not None
        assert (consenting.state.last.url, consenting.state.sent_to) == (nowhere, ())

        assert consenting.deliver(loopback.url, clock=now).left == 1
        assert consenting.state.sent_to == (loopback.url,), "a line was sent, whatever was answered"
        assert consenting.deliver(nowhere, clock=now).left == 1
        assert consenting.state.sent_to == (loopback.url,)


def test_one_that_was_sent_something_before_it_could_not_be_reached_stays_remembered(
    consenting: Consenting, loopback: Loopback
) -> None:
    url = loopback.url
    record(consenting, "build")
    assert consenting.deliver(url, clock=now).left == 0
    loopback.close()
    record(consenting, "build")

    assert consenting.deliver(url, clock=now).left == 1
    assert consenting.state.sent_to == (url,)


@pytest.mark.parametrize("status", [404, 405])
def test_where_there_is_no_collector_at_an_address_it_is_said_which_is_needed(
    consenting: Consenting, loopback: Loopback, status: int
) -> None:
    record(consenting, "build")
    loopback.otherwise = answer(status)

    reason = f"{status} (SST_TELEMETRY_URL; the whole address is needed, https://…/events)"
    assert consenting.deliver(loopback.url, clock=now).reason == reason
    assert f"answer: {status}; the whole address is needed" in consenting.machine.sst("telemetry").stdout


def test_what_is_recorded_while_it_sends_is_sent_too(consenting: Consenting, loopback: Loopback) -> None:
    consenting.record("build")
    loopback.script = [recording_another(consenting, [])]

    assert consenting.deliver(loopback.url, now_please=False).left == 0

    assert [request.commands for request in loopback.requests] == [["build"], ["deploy"]]


def test_what_cannot_be_tidied_up_keeps_nothing_from_being_sent(
    consenting: Consenting, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("sst_telemetry.delivery.remove_leftovers", refused)
    record(consenting, "build")

    assert consenting.deliver(loopback.url, clock=now).left == 0


def test_a_person_who_asks_waits_for_the_sender_at_work(
    consenting: Consenting, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(consenting, "build")
    with ExitStack() as another:
        another.enter_context(held(consenting.locations.lock, 0))
        monkeypatch.setattr("sst_core.locks.time.sleep", lambda _: another.close())

        assert consenting.deliver(loopback.url, clock=now).left == 0


def test_a_sender_that_finds_another_at_work_has_come(consenting: Consenting, loopback: Loopback) -> None:
    consenting.record()
    with held(consenting.locations.lock, 0):
        assert consenting.deliver(loopback.url, now_please=False).reason == "another sender is at work"

    assert Folder(consenting.machine.telemetry).came.exists()


@pytest.mark.parametrize("now_please", [False, True])
def test_a_sender_has_come_and_a_person_who_delivers_has_not(
    consenting: Consenting, loopback: Loopback, now_please: bool
) -> None:
    came = Folder(consenting.machine.telemetry).came

    consenting.deliver(loopback.url, now_please=now_please)

    assert came.exists() is not now_please
    came.touch(mode=0o600)
    assert came.stat().st_mode & 0o777 == 0o600, "it is made as all that is private is"
    os.utime(came, (1, 1))

    consenting.deliver(loopback.url, now_please=now_please)

    assert (came.stat().st_mtime > 1) is not now_please


def test_a_coming_that_cannot_be_noted_keeps_nothing_from_being_sent(
    consenting: Consenting, loopback: Loopback
) -> None:
    consenting.record()
    Folder(consenting.machine.telemetry).came.symlink_to("/nowhere/at/all")

    assert consenting.deliver(loopback.url, now_please=False).left == 0


@pytest.mark.parametrize(("ci", "now_please"), [(None, False), (None, True), ("other", True)])
def test_but_for_one_in_ci_nobody_waits_for_longer_than_that(
    consenting: Consenting, loopback: Loopback, monkeypatch: pytest.MonkeyPatch, ci: str | None, now_please: bool
) -> None:
    record(consenting, "build")
    monkeypatch.setattr("sst_telemetry.delivery.PATIENCE", 0.0)

    with held(consenting.locations.lock, 0):
        report = Delivery(consenting.consent(ci=ci)).run(now_please=now_please)

    assert (report.left, report.reason) == (1, "another sender is at work")
    assert not Folder(consenting.machine.telemetry).next_sender.exists()


def test_in_ci_it_pauses_for_more_only_once_it_has_sent_and_needs_no_stamp(
    consenting: Consenting, loopback: Loopback, in_ci: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused_after: list[int] = []
    sleep = time.sleep

    def noting(seconds: float) -> None:
        if seconds == PAUSE:
            paused_after.append(len(loopback.requests))
        else:
            sleep(seconds)

    monkeypatch.setattr(time, "sleep", noting)
    consenting.record("build")
    loopback.script = [recording_another(consenting, [])]

    assert in_ci.run().left == 0

    assert paused_after == [1, 2]
