"""`sst telemetry`: on or off, everything that decides it, where data goes, what is queued, and what to do next."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from consenting import Consenting
from loopback import Loopback, accounting, answer
from sst_core.testing import PROGRAM, Machine
from sst_telemetry.spawn import CAME, STAMP

KEYS = {"enabled", "sources", "collector", "queued", "last_delivery"}


def status(machine: Machine, **environ: str) -> dict[str, Any]:
    """What `sst telemetry --json` prints."""
    ended = machine.sst("telemetry", "--json", env=environ)
    assert (ended.returncode, ended.stderr) == (0, "")
    values: dict[str, Any] = json.loads(ended.stdout)
    assert values.keys() >= KEYS
    return values


def test_it_names_every_source_with_its_value_and_its_place(machine: Machine, consenting: Consenting) -> None:
    found = status(machine)

    assert found["enabled"] is True
    assert all(source.keys() == {"name", "off", "value", "where"} for source in found["sources"])
    places = {source["where"]: source["name"] for source in found["sources"]}
    assert places["SST_TELEMETRY_DISABLED"] == places["DO_NOT_TRACK"] == "environment"
    assert places[str(machine.config_file)] == "user"
    assert places[str(machine.telemetry / "notice")] == "notice"
    assert {"project", "machine"} <= set(places.values())
    assert not any(source["off"] for source in found["sources"])


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("variable", ["SST_TELEMETRY_DISABLED", "DO_NOT_TRACK"])
def test_what_turns_it_off_is_named_and_its_value_is_not_repeated(
    machine: Machine, consenting: Consenting, variable: str
) -> None:
    found = status(machine, **{variable: "hunter2"})

    assert found["enabled"] is False
    assert [source["where"] for source in found["sources"] if source["off"]] == [variable]
    assert "hunter2" not in json.dumps(found)


def test_what_is_queued_and_the_last_delivery(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    assert (status(machine)["queued"], status(machine)["last_delivery"]) == (0, None)
    for command in ("build", "deploy", "diff"):
        consenting.record(command)
    loopback.script = [accounting(reject=[1])]
    consenting.deliver(loopback.url)
    consenting.record()

    found = status(machine, SST_TELEMETRY_URL=loopback.url)

    assert (found["queued"], found["collector"], found["rejected"]) == (1, loopback.url, 1)
    assert found["last_delivery"] | {"at": ""} == {
        "at": "",
        "url": loopback.url,
        "outcome": "200",
        "sent": 3,
        "accepted": 2,
    }
    text = machine.sst("telemetry", env={"SST_TELEMETRY_URL": loopback.url}).stdout
    assert f"Sent to    {loopback.url} (SST_TELEMETRY_URL)" in text
    assert "Queued     1 run\n" in text
    assert "3 runs, 2 accepted (answer: 200)" in text
    assert "1 run rejected by the collector" in text


def test_a_failed_delivery_is_shown(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    consenting.record()
    loopback.script = [answer(503)]
    consenting.deliver(loopback.url)

    assert status(machine)["last_delivery"]["outcome"] == "503"
    assert "1 run, 0 accepted (answer: 503)" in machine.sst("telemetry").stdout


def test_without_a_collector_it_says_that_everything_stays_here(machine: Machine, consenting: Consenting) -> None:
    assert status(machine)["collector"] is None
    assert "Sent to    nobody, it stays on this machine" in machine.sst("telemetry").stdout


def test_both_words_for_it_say_the_same(machine: Machine, consenting: Consenting) -> None:
    assert machine.sst("telemetry").stdout == machine.sst("telemetry", "status").stdout
    assert machine.sst("telemetry", "--json").stdout == machine.sst("telemetry", "status", "--json").stdout


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    ("arguments", "first", "last"),
    [
        ([], "Telemetry is off.", "the first command on a terminal shows the notice"),
        (["enable"], "Telemetry is on.", "sst telemetry show"),
        (["disable"], "Telemetry is off.", "sst telemetry enable"),
    ],
)
def test_the_first_line_says_it_and_the_last_what_to_do(
    machine: Machine, arguments: list[str], first: str, last: str
) -> None:
    if arguments:
        machine.sst("telemetry", *arguments)

    lines = machine.sst("telemetry").stdout.splitlines()

    assert lines[0] == first
    assert last in lines[-1]


def test_to_look_leaves_no_trace(machine: Machine) -> None:
    machine.sst("telemetry")
    machine.sst("telemetry", "show")

    assert list(machine.home.iterdir()) == []


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("home", ["nowhere", "/proc"])
@pytest.mark.parametrize("command", [[], ["status"], ["show"]])
def test_it_works_without_a_home(machine: Machine, home: str, command: list[str]) -> None:
    ended = machine.sst("telemetry", *command, env={"HOME": home})
    as_json = machine.sst("telemetry", *command, "--json", env={"HOME": home})

    assert (ended.returncode, ended.stderr) == (as_json.returncode, as_json.stderr) == (0, "")
    assert isinstance(json.loads(as_json.stdout), dict)
    if command != ["show"]:
        assert ended.stdout.startswith("Telemetry is off.")


def test_without_a_home_it_says_to_set_one_and_not_what_can_not_work(machine: Machine) -> None:
    ended = machine.sst("telemetry", env={"HOME": "nowhere"})

    assert ended.stdout.splitlines()[-1] == "Next: to switch it on, set HOME."


def test_what_can_not_be_read_is_not_said_to_be_nothing(machine: Machine, consenting: Consenting) -> None:
    machine.queue.rmdir()
    machine.queue.symlink_to(machine.queue)

    text, found = machine.sst("telemetry").stdout, status(machine)
    shown = machine.sst("telemetry", "show")

    assert "Queued     not known: Too many levels of symbolic links: " in text
    assert "Last sent  never\n" in text
    assert found["queued"] is None
    assert found["dropped"] == 0, "which is known"
    assert str(machine.queue) in found["problem"]
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith("sst: error: What is queued can't be read: Too many levels of symbolic links: ")


def test_notes_that_others_could_have_written_are_not_taken_for_never(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    consenting.record()
    consenting.deliver(loopback.url)
    (machine.telemetry / "delivery.json").chmod(0o666)

    text, found = machine.sst("telemetry").stdout, status(machine)
    assert "Queued     0 runs\n" in text
    assert f"Last sent  not known: {machine.telemetry}/delivery.json can be written by others" in text
    assert (found["queued"], found["last_delivery"], found["dropped"]) == (0, None, None)
    shown = machine.sst("telemetry", "show")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "delivery.json can be written by others" in shown.stderr


def test_what_is_still_to_be_asked_and_cannot_be_trusted_is_not_said_to_be_nothing(
    machine: Machine, consenting: Consenting
) -> None:
    pending, notes = machine.state / "forget.json", machine.telemetry / "delivery.json"
    for file in (pending, notes):
        file.write_text("{}")
        file.chmod(0o666)

    text, found = machine.sst("telemetry").stdout, status(machine)

    assert f"Forget     not known: {pending} can be written by others. Run: chmod go-w {pending}" in text
    assert found["pending_forget"] is None
    assert all(f"chmod go-w {file}" in found["problem"] for file in (pending, notes))
    assert found["queued"] == 0, "which is known"


@pytest.mark.parametrize(
    ("due", "came", "queued", "told"),
    [(-60, -90, 1, True), (-60, -60, 1, False), (-60, -30, 1, False), (-2, -90, 1, False), (-60, -90, 0, False)],
    ids=["never came", "came at once", "came", "may be on its way", "has nothing to do"],
)
def test_a_sender_that_never_came_is_missed(
    machine: Machine, consenting: Consenting, due: int, came: int, queued: int, told: bool
) -> None:
    machine.environ["SST_TELEMETRY_URL"] = "http://127.0.0.1:9/events"
    for _ in range(queued):
        consenting.record()
    consenting.hold_back_senders()
    now = int(time.time())
    os.utime(machine.telemetry / STAMP, (now + due, now + due))
    (machine.telemetry / CAME).touch()
    os.utime(machine.telemetry / CAME, (now + came, now + came))

    found = consenting.status["sender_missing_since"]

    assert found == (datetime.fromtimestamp(now + due, UTC).isoformat("T", "seconds") if told else None)
    line = f"Sender     was to start at {found} and never came: `sst telemetry flush` sends now\n"
    assert (line in machine.sst("telemetry").stdout) is told
    for useless in ({"SST_TELEMETRY_URL": ""}, {"DO_NOT_TRACK": "1"}):
        assert status(machine, **useless)["sender_missing_since"] is None, "`flush` would send nothing"


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("command", ["enable", "purge", "forget", "flush"])
def test_what_else_takes_the_senders_lock_is_not_taken_for_its_coming(
    machine: Machine, consenting: Consenting, command: str
) -> None:
    machine.environ["SST_TELEMETRY_URL"] = "http://127.0.0.1:9/events"
    consenting.record()
    consenting.hold_back_senders()
    then = time.time() - 60
    os.utime(machine.telemetry / STAMP, (then, then))

    machine.sst("telemetry", command)

    assert consenting.locations.lock.stat().st_mtime > then
    consenting.record()
    assert consenting.status["sender_missing_since"] is not None


def _no_folder(machine: Machine) -> None:
    machine.queue.rmdir()


def _a_file_for_the_folder(machine: Machine) -> None:
    machine.queue.rmdir()
    machine.queue.touch()


def _rubbish_in_the_folder(machine: Machine) -> None:
    (machine.queue / f"{1:020d}-{'a' * 32}.json").mkdir()
    (machine.queue / f"{2:020d}-{'a' * 32}.json").write_bytes(b"\xff{")
    (machine.queue / f"{3:020d}-{'a' * 32}.json").symlink_to("/nowhere")


def _notes_of_rubbish(machine: Machine) -> None:
    (machine.telemetry / "delivery.json").write_bytes(b"\xff{")
    (machine.telemetry / "last-batch.ndjson").write_bytes(b"\xff{")


def _notes_of_the_wrong_shape(machine: Machine) -> None:
    (machine.telemetry / "delivery.json").write_text('{"last": {"at": 1}, "dropped": []}')
    (machine.telemetry / "last-batch.ndjson").mkdir()


def _a_secret_that_is_a_folder(machine: Machine) -> None:
    (machine.telemetry / "secret").mkdir()
    Consenting(machine).record()


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    "damage",
    [
        _no_folder,
        _a_file_for_the_folder,
        _rubbish_in_the_folder,
        _notes_of_rubbish,
        _notes_of_the_wrong_shape,
        _a_secret_that_is_a_folder,
    ],
    ids=lambda function: str(function.__name__),
)
@pytest.mark.parametrize("command", ["status", "show"])
def test_it_works_whatever_became_of_the_queue(
    machine: Machine, consenting: Consenting, damage: Callable[[Machine], None], command: str
) -> None:
    damage(machine)

    ended = machine.sst("telemetry", command)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(machine.sst("telemetry", command, "--json").stdout)


def test_what_prints_instead_of_recording_is_named(machine: Machine) -> None:
    machine.sst("telemetry", "enable")
    words = "ok   environment  set: runs are printed and not recorded (SST_TELEMETRY_DEBUG)"

    assert words in machine.sst("telemetry", env={"SST_TELEMETRY_DEBUG": "1"}).stdout
    for env in ({}, {"SST_TELEMETRY_DEBUG": "0"}):
        assert "SST_TELEMETRY_DEBUG" not in machine.sst("telemetry", env=env).stdout


def test_where_the_working_directory_was_deleted_nobody_knows_whose_off_it_was_and_it_is_one(
    machine: Machine, consenting: Consenting
) -> None:
    (machine.folder / "gone" / "below").mkdir(parents=True)
    (machine.folder / "gone" / "sst.toml").write_text("[telemetry]\nenabled = false\n")
    leaving = f'cd {machine.folder}/gone/below && rmdir ../below && exec "$0" "$@"'
    gone = ("sh", "-c", leaving, str(PROGRAM))

    machine.sst("plugins", "list", program=gone)
    (machine.folder / "gone" / "below").mkdir()
    ended = machine.sst("telemetry", program=gone)

    assert machine.queued() == []
    assert (
        "  off  folder       deleted, so no sst.toml in it or above can be asked (the working directory)\n"
        in ended.stdout
    )
    assert ended.stdout.splitlines()[-1] == "Next: to switch it on, change to a directory that exists."
