import json
import signal
import socket
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from consenting import Consenting
from loopback import Loopback, Request, accounting, answer, dripping, hanging, refusing
from sst_collector.receiving.schema import MAX_FORGOTTEN
from sst_core import week_of
from sst_core.testing import PATIENCE, PROGRAM, Machine
from sst_telemetry.folder import Folder
from sst_telemetry.forget import IDS_A_REQUEST, forget, reset
from sst_telemetry.identity import machine_secret, stored_secret, weekly_id
from sst_telemetry.pending import WEEKS, pending_count
from waiting import eventually

CONFIRMED = answer(200, b'{"forgotten": 14}')


def a_delivered_run(there: Consenting, machine: Machine, server: Loopback) -> bytes:
    """A machine that has sent something, and its secret."""
    machine.environ["SST_TELEMETRY_URL"] = server.url
    there.record()
    assert there.deliver(server.url).left == 0
    return machine_secret(there.locations.telemetry)


def asked(server: Loopback) -> list[str]:
    """The ids of the last request to forget."""
    request = server.requests[-1]
    assert request.head[0] == "POST /forget HTTP/1.1"
    ids: list[str] = json.loads(request.raw.partition(b"\r\n\r\n")[2])["anonymousIds"]
    return ids


def test_every_week_that_a_collector_may_still_keep_is_asked_for(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    secret = a_delivered_run(consenting, machine, loopback)
    loopback.otherwise = CONFIRMED

    forgotten = forget(consenting.consent())

    now = datetime.now(UTC)
    weeks = {week_of(now - timedelta(days=days)) for days in range(30 + 90 + 1)}  # retried so long, and then kept
    assert {weekly_id(secret, week) for week in weeks} <= set(asked(loopback))
    assert (forgotten.asked, forgotten.pending) == (WEEKS, 0)
    assert pending_count(consenting.locations) == 0


def test_an_address_that_was_never_reached_is_not_asked_and_does_not_make_it_fail(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    consenting.record()
    bound, slip = refusing()
    with bound:
        assert consenting.deliver(slip).left == 1
        machine.environ["SST_TELEMETRY_URL"] = slip
        assert forget(consenting.consent()).asked == 0, "nobody has anything"
        a_delivered_run(consenting, machine, loopback)
        loopback.otherwise = CONFIRMED

        assert machine.sst("telemetry", "forget").returncode == 0
    assert machine.sst("telemetry", "disable").returncode == 0
    assert not (machine.state / "forget.json").exists()


def test_a_failure_after_the_state_was_lost_leaves_the_collector_to_be_asked(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    """The state that it writes looks sound, and would have no collector in it."""
    a_delivered_run(consenting, machine, loopback)
    Folder(consenting.locations.telemetry).delivery.write_text("")
    consenting.record()
    url = loopback.url
    loopback.close()

    assert consenting.deliver(url).left == 1

    assert consenting.state.last is not None
    assert consenting.state.sent_to == (url,)


def test_the_machine_stays_the_same_after_forget_and_is_another_after_reset(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    secret = a_delivered_run(consenting, machine, loopback)
    loopback.otherwise = CONFIRMED

    forget(consenting.consent())
    assert machine_secret(consenting.locations.telemetry) == secret

    assert reset(consenting.consent()).asked == WEEKS
    assert machine_secret(consenting.locations.telemetry) != secret


@pytest.mark.parametrize(
    "refusal",
    [answer(500), answer(404), answer(200, b"<html>"), answer(200, b"[]"), answer(307, headers={"Location": "/"})],
)
def test_what_is_not_confirmed_stays_pending_and_is_asked_again(
    consenting: Consenting, machine: Machine, loopback: Loopback, refusal: object
) -> None:
    a_delivered_run(consenting, machine, loopback)
    loopback.otherwise = refusal  # type: ignore[assignment]

    assert forget(consenting.consent()).pending == WEEKS
    first = asked(loopback)
    (ids,) = json.loads((machine.state / "forget.json").read_text())[loopback.url]
    assert list(ids) == first

    loopback.otherwise = CONFIRMED
    assert forget(consenting.consent()).pending == 0
    assert asked(loopback) == first


def test_pending_is_the_only_id_that_disable_leaves_and_forget_alone_retries_it(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    a_delivered_run(consenting, machine, loopback)
    loopback.otherwise = answer(503)
    assert machine.sst("telemetry", "forget").returncode == 1

    disabled = machine.sst("telemetry", "disable")
    kept = f"Kept are {WEEKS} ids for which `sst telemetry forget` has still to ask."
    rest = "What was recorded, and every other id, is deleted."
    assert disabled.stdout == f"Telemetry is off. {kept} {rest}\n"
    again = json.loads(machine.sst("telemetry", "disable", "--json").stdout)
    assert again["pending_forget"] == WEEKS
    assert again["what"] == f"Telemetry was off already. {kept}"
    left = {path.name for path in machine.state.rglob("*") if path.is_file() and path.stat().st_size}
    assert left == {"forget.json"}
    assert "`sst telemetry forget`" in machine.sst("telemetry").stdout

    before = len(loopback.requests)
    machine.project('build = ["true"]')
    assert machine.sst("build").returncode == 0
    machine.sst("telemetry", "flush")
    assert len(loopback.requests) == before

    loopback.otherwise = CONFIRMED
    assert machine.sst("telemetry", "forget").returncode == 0
    assert asked(loopback)
    assert not (machine.state / "forget.json").exists()


@pytest.mark.parametrize("kept", [[], ["delivery.json"], ["last-batch.ndjson"]])
def test_a_machine_that_never_sent_anything_has_nothing_to_ask_for(
    consenting: Consenting, machine: Machine, loopback: Loopback, kept: list[str]
) -> None:
    machine.environ["SST_TELEMETRY_URL"] = loopback.url
    machine_secret(consenting.locations.telemetry)
    for name in kept:  # runs may have been dropped, and a sender may have been killed before it sent
        (machine.telemetry / name).write_text('{"dropped": 1}\n')

    result = machine.sst("telemetry", "forget", "--json")

    assert result.returncode == 0
    assert json.loads(result.stdout) == {
        "asked": 0,
        "pending": 0,
        "what": "No id that was sent is kept on this machine, so there is nothing to ask for.",
    }
    assert loopback.requests == []


def test_each_collector_is_asked_for_itself_and_no_other_learns_of_it(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    a_delivered_run(consenting, machine, loopback)
    elsewhere = Loopback()
    try:
        machine.environ["SST_TELEMETRY_URL"] = elsewhere.url
        loopback.otherwise = CONFIRMED

        assert machine.sst("telemetry", "forget").returncode == 0

        assert asked(loopback)
        assert elsewhere.requests == []
    finally:
        elsewhere.close()


def test_what_several_collectors_said_is_added_up(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    elsewhere = Loopback()
    try:
        week = week_of(datetime.now(UTC))
        pending = {server.url: [{f"{place:032x}": week}] for place, server in enumerate((loopback, elsewhere))}
        (machine.state / "forget.json").write_text(json.dumps(pending))
        loopback.otherwise, elsewhere.otherwise = answer(500), answer(503)

        refused = forget(consenting.consent())
        assert (refused.asked, refused.pending) == (0, 2)
        assert refused.what.startswith(
            f"{loopback.url} did not confirm (500); {elsewhere.url} did not confirm (503). `forget` asks again, until "
        )

        loopback.otherwise = elsewhere.otherwise = CONFIRMED
        confirmed = forget(consenting.consent())
        assert (confirmed.asked, confirmed.pending) == (2, 0)
    finally:
        elsewhere.close()


def test_more_ids_than_one_request_may_hold_are_asked_for_in_several(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    assert IDS_A_REQUEST <= MAX_FORGOTTEN
    ids = [f"{number:032x}" for number in range(3 * IDS_A_REQUEST - 1)]
    week = week_of(datetime.now(UTC))
    (machine.state / "forget.json").write_text(json.dumps({loopback.url: [dict.fromkeys(ids, week)]}))
    loopback.script = [CONFIRMED, answer(500)]

    forgotten = forget(consenting.consent())
    assert (forgotten.asked, forgotten.pending) == (IDS_A_REQUEST, len(ids) - IDS_A_REQUEST)

    loopback.otherwise = CONFIRMED
    forgotten = forget(consenting.consent())
    assert (forgotten.asked, forgotten.pending) == (len(ids) - IDS_A_REQUEST, 0)
    assert all(
        len(json.loads(r.raw.partition(b"\r\n\r\n")[2])["anonymousIds"]) <= IDS_A_REQUEST for r in loopback.requests
    )


def test_a_collector_that_drips_does_not_hold_forget_for_ever(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    a_delivered_run(consenting, machine, loopback)
    loopback.otherwise = dripping
    # Importing the client is in that time too, and takes long on a busy machine.
    shorter = (
        "import sst_telemetry.post, sst_telemetry.cli as c; c.REQUESTS_SECONDS = 1.0; "
        "from sst_core.sst import main; main()"
    )

    result = machine.sst("telemetry", "forget", program=(sys.executable, "-c", shorter))

    assert (result.returncode, result.stdout) == (1, "")
    assert "did not confirm" in result.stderr
    last = date.fromisoformat(week_of(datetime.now(UTC))) + timedelta(weeks=WEEKS, days=-1)
    file = consenting.locations.state / "forget.json"
    assert result.stderr.endswith(f"`forget` asks again, until {last}; to give up before, delete {file}.\n")
    assert pending_count(consenting.locations) == WEEKS


def test_reset_leaves_no_old_id_on_the_disk(consenting: Consenting, machine: Machine, loopback: Loopback) -> None:
    secret = a_delivered_run(consenting, machine, loopback)
    loopback.otherwise = CONFIRMED

    reset(consenting.consent())

    old = weekly_id(secret, week_of(datetime.now(UTC)))
    assert all(old.encode() not in path.read_bytes() for path in machine.state.rglob("*") if path.is_file())


def test_what_is_pending_of_machines_that_this_one_was_is_in_no_request_and_on_no_connection_with_another_ones(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    secrets = []
    for _ in range(2):
        secrets.append(a_delivered_run(consenting, machine, loopback))
        loopback.otherwise = answer(500)
        reset(consenting.consent())
        loopback.otherwise = accounting()
    secrets.append(a_delivered_run(consenting, machine, loopback))
    tried, peers = len(loopback.requests), []

    def noting(connection: socket.socket, request: Request) -> bool:
        peers.append(connection.getpeername())
        return CONFIRMED(connection, request)

    loopback.otherwise = noting
    assert pending_count(consenting.locations) == 2 * WEEKS

    assert forget(consenting.consent()).asked == 3 * WEEKS

    weeks = [week_of(datetime.now(UTC) - timedelta(weeks=back)) for back in range(WEEKS)]
    ids = [{weekly_id(secret, week) for week in weeks} for secret in secrets]
    bodies = [request.raw.partition(b"\r\n\r\n")[2] for request in loopback.requests[tried:]]
    assert [set(json.loads(body)["anonymousIds"]) for body in bodies] == ids
    assert len(set(peers)) == len(secrets)
    assert pending_count(consenting.locations) == 0


def test_a_retry_under_another_id_would_link_the_two_so_reset_drops_what_was_tried(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    consenting.record("build")
    loopback.script = [answer(500)]
    consenting.deliver(loopback.url)
    consenting.record("deploy")
    loopback.otherwise = CONFIRMED
    told = reset(consenting.consent()).what
    again = reset(consenting.consent()).what
    loopback.otherwise = accounting()

    consenting.deliver(loopback.url)

    assert loopback.requests[-1].commands == ["deploy"]
    another = "From now on this is another machine."
    assert told.endswith(f" {another} What was queued and tried under the old id is deleted: 1 run.")
    assert again.endswith(f" {another}")


@pytest.mark.parametrize("step", ["write_last_batch", "_forget_attempts", "remove_leftovers", "drop_secret"])
def test_a_reset_that_is_interrupted_leaves_no_tried_run_to_another_machine(
    consenting: Consenting, machine: Machine, loopback: Loopback, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    secret = a_delivered_run(consenting, machine, loopback)
    consenting.record("build")
    loopback.otherwise = answer(500)
    consenting.deliver(loopback.url)
    monkeypatch.setattr(f"sst_telemetry.forget.{step}", interrupted)

    with pytest.raises(KeyboardInterrupt):
        reset(consenting.consent())

    assert stored_secret(consenting.locations.telemetry) == secret
    monkeypatch.undo()
    reset(consenting.consent())
    assert stored_secret(consenting.locations.telemetry) is None
    assert machine.queued() == []


def test_a_retry_in_the_next_week_keeps_the_id_of_the_first(consenting: Consenting, loopback: Loopback) -> None:
    consenting.record("build")
    loopback.script = [answer(500)]
    consenting.deliver(loopback.url)

    consenting.deliver(loopback.url, clock=lambda: datetime.now(UTC) + timedelta(days=7))

    first, second = loopback.requests
    assert first.lines == second.lines


def test_a_state_that_is_torn_does_not_make_forget_say_that_nothing_was_sent(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    a_delivered_run(consenting, machine, loopback)
    (machine.telemetry / "delivery.json").write_text("{")
    loopback.otherwise = CONFIRMED

    assert forget(consenting.consent()).asked == WEEKS


def test_where_it_went_is_known_no_more_and_no_collector_is_configured_nobody_is_asked(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    a_delivered_run(consenting, machine, loopback)
    (machine.telemetry / "delivery.json").write_text("{")
    del machine.environ["SST_TELEMETRY_URL"]

    assert machine.sst("telemetry", "forget").returncode == 0
    assert not (machine.state / "forget.json").exists()


@pytest.mark.parametrize("command", ["forget", "reset"])
def test_disable_ends_one_that_hangs_and_what_it_asked_for_stays_pending(
    consenting: Consenting, machine: Machine, loopback: Loopback, command: str
) -> None:
    a_delivered_run(consenting, machine, loopback)
    before = len(loopback.requests)
    loopback.otherwise = hanging
    with subprocess.Popen([PROGRAM, "telemetry", command], env=machine.environ, stdout=subprocess.DEVNULL) as asking:
        eventually(lambda: len(loopback.requests) > before, "a request")

        assert f"Kept are {WEEKS} ids" in machine.sst("telemetry", "disable").stdout

        assert asking.wait(PATIENCE) == -signal.SIGKILL


def test_to_reset_while_telemetry_is_off_makes_nothing(consenting: Consenting, machine: Machine) -> None:
    machine.sst("telemetry", "disable")

    assert machine.sst("telemetry", "reset").returncode == 0

    assert not machine.telemetry.exists()


def test_on_a_fresh_machine_there_is_nothing_to_do_and_nothing_is_made(machine: Machine) -> None:
    for command in ("forget", "reset", "purge"):
        assert machine.sst("telemetry", command).returncode == 0
    assert list(machine.home.iterdir()) == []


def test_settings_that_cannot_be_used_leave_the_request_pending(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    a_delivered_run(consenting, machine, loopback)
    assert machine.sst("telemetry", "forget").returncode == 1
    pending = consenting.locations.state / "forget.json"
    pending.write_text(pending.read_text().replace("http://", "https://"))
    secured = loopback.url.replace("http://", "https://")
    wrong = {"SST_TELEMETRY_URL": secured, "SSL_CERT_FILE": "/nowhere/authorities.pem"}

    ended = machine.sst("telemetry", "forget", env=wrong)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert (
        f"{secured} did not confirm (The proxy or certificate settings can't be used (SSL_CERT_FILE): " in ended.stderr
    )
    assert "`forget` asks again, until " in ended.stderr
    assert pending_count(consenting.locations) == 2 * WEEKS


def test_a_collector_of_which_nothing_is_to_be_asked_is_not_connected_to(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    a_delivered_run(consenting, machine, loopback)
    loopback.otherwise = answer(500)
    reset(consenting.consent())
    pending = consenting.locations.state / "forget.json"
    pending.write_text(json.dumps({**json.loads(pending.read_text()), "https://xn--a.example/events": [{}]}))
    loopback.otherwise = CONFIRMED

    assert forget(consenting.consent()).pending == 0


def test_a_reset_that_the_disk_stops_says_that_this_is_the_same_machine(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    secret = a_delivered_run(consenting, machine, loopback)
    loopback.otherwise = CONFIRMED
    last_batch = Folder(consenting.locations.telemetry).last_batch
    last_batch.unlink()
    (last_batch / "in the way").mkdir(parents=True)

    ended = machine.sst("telemetry", "reset")

    assert ended.returncode == 1
    assert "This is still the same machine: " in ended.stderr
    assert stored_secret(consenting.locations.telemetry) == secret


def test_a_module_that_is_missing_leaves_the_request_pending_and_says_which(
    consenting: Consenting, machine: Machine, loopback: Loopback
) -> None:
    a_delivered_run(consenting, machine, loopback)
    (machine.home / "httpx.py").write_text("raise ModuleNotFoundError(\"No module named 'httpx'\")")

    ended = machine.sst("telemetry", "forget", env={"PYTHONPATH": str(machine.home)})

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "did not confirm (A part of sst can't be imported: No module named 'httpx'. Install sst" in ended.stderr
    assert pending_count(consenting.locations) == WEEKS


# A disk that takes the number of a process, and nothing that is longer.
_FULL = (
    "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (99, 99)); os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.mark.parametrize("command", ["forget", "reset"])
def test_a_request_that_cannot_be_kept_is_not_made_and_can_be_made_later(
    consenting: Consenting, machine: Machine, loopback: Loopback, command: str
) -> None:
    secret = a_delivered_run(consenting, machine, loopback)
    loopback.otherwise = CONFIRMED
    before = len(loopback.requests)

    ended = machine.sst("telemetry", command, program=(sys.executable, "-c", _FULL, str(PROGRAM)))

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("sst: error: The request can't be kept on this machine: ")
    assert len(loopback.requests) == before
    assert machine.sst("telemetry", command).returncode == 0
    assert weekly_id(secret, week_of(datetime.now(UTC))) in asked(loopback)


@pytest.mark.parametrize("command", ["forget", "reset"])
def test_what_is_pending_and_cannot_be_trusted_stays_and_nobody_is_asked(
    consenting: Consenting, machine: Machine, loopback: Loopback, command: str
) -> None:
    secret = a_delivered_run(consenting, machine, loopback)
    loopback.otherwise = answer(500)
    assert machine.sst("telemetry", "forget").returncode == 1
    file, before = consenting.locations.state / "forget.json", len(loopback.requests)
    kept = file.read_bytes()
    file.chmod(0o666)

    ended = machine.sst("telemetry", command)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{file} can be written by others. Run: chmod go-w {file}" in ended.stderr
    assert (file.read_bytes(), machine_secret(machine.telemetry)) == (kept, secret)
    assert len(loopback.requests) == before

    file.chmod(0o600)
    loopback.otherwise = CONFIRMED
    assert machine.sst("telemetry", command).returncode == 0
    assert not file.exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("forget", "The collector could not be asked: "),
        ("reset", "The collector could not be asked: "),
        ("flush", "What is queued can't be sent: "),
    ],
)
def test_a_lock_that_is_none_is_an_error_in_words(
    consenting: Consenting, machine: Machine, loopback: Loopback, command: str, words: str
) -> None:
    a_delivered_run(consenting, machine, loopback)
    consenting.locations.lock.unlink()
    consenting.locations.lock.mkdir()

    ended = machine.sst("telemetry", command)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"sst: error: {words}")
    assert str(consenting.locations.lock) in ended.stderr
