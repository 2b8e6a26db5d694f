"""Switching on and off: it says what changed and what still holds, and off is off from the moment it returns."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest

from consenting import Consenting
from installed import PYTHON
from loopback import Loopback, hanging
from permissions import modestly
from sst_core import held
from sst_core.testing import PATIENCE, PROGRAM, Machine
from sst_telemetry import control
from sst_telemetry.control import Switched, disable
from waiting import eventually


def answer(machine: Machine, *arguments: str, **options: Any) -> dict[str, Any]:
    """What a switch says with --json."""
    ended = machine.sst("telemetry", *arguments, "--json", **options)
    assert ended.returncode == 0, ended.stderr
    values: dict[str, Any] = json.loads(ended.stdout)
    return values


def everything(machine: Machine) -> list[str]:
    """All that is kept in the state folder."""
    return sorted(str(path.relative_to(machine.state)) for path in machine.state.rglob("*"))


def start_sender(machine: Machine, url: str) -> "subprocess.Popen[bytes]":
    """A sender as a command starts it."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "sst_telemetry.sender", "sst_core.sst:SST"],
        env={**machine.environ, "SST_TELEMETRY_URL": url},
    )


def test_enabling_without_a_terminal_prints_the_notice_on_stderr_and_enables(machine: Machine) -> None:
    ended = machine.sst("telemetry", "enable")

    assert (ended.returncode, ended.stdout) == (0, "Telemetry is on.\n")
    assert ended.stderr.startswith("Nobody has seen this notice yet")
    assert "sst telemetry disable" in ended.stderr
    assert answer(machine, "status")["enabled"] is True
    machine.project('build = ["true"]')
    Consenting(machine).hold_back_senders()
    assert machine.sst("build").stderr == ""
    assert len(machine.queued()) == 1


def test_enabling_on_a_terminal_prints_the_notice_without_excuses(machine: Machine) -> None:
    screen = machine.on_terminal("telemetry", "enable")

    assert screen.exit_code == 0
    assert "Nobody has seen" not in screen.text
    assert "sst telemetry disable" in screen.text


def test_enabling_twice_changes_nothing_and_says_so(machine: Machine) -> None:
    told = {"enabled": True, "still_off": [], "pending_forget": 0}
    assert answer(machine, "enable") == {**told, "changed": True, "what": "Telemetry is on."}
    before = everything(machine)

    again = machine.sst("telemetry", "enable", "--json")

    assert json.loads(again.stdout) == {**told, "changed": False, "what": "Telemetry was on already."}
    assert again.stderr == ""
    assert everything(machine) == before


def test_disabling_names_every_other_off(machine: Machine) -> None:
    change = answer(machine, "disable", env={"DO_NOT_TRACK": "1"})

    assert {source["name"]: source["where"] for source in change["still_off"]} == {"environment": "DO_NOT_TRACK"}


def test_enabling_names_every_other_off(machine: Machine) -> None:
    machine.project('build = ["true"]', extra="[telemetry]\nenabled = false")

    change = answer(machine, "enable", env={"DO_NOT_TRACK": "1"})

    assert (change["enabled"], change["changed"]) == (False, True)
    assert {source["name"]: source["where"] for source in change["still_off"]} == {
        "environment": "DO_NOT_TRACK",
        "project": str(machine.folder / "sst.toml"),
    }
    assert change["what"] == "Your choice is saved, but telemetry is still off."
    text = machine.sst("telemetry", "enable", env={"DO_NOT_TRACK": "1"}).stdout
    assert text.startswith("Telemetry is still off.\n")
    assert text.endswith(
        "Next: to switch it on, unset DO_NOT_TRACK; `sst telemetry enable --project`, for everybody in it.\n"
    )
    assert "DO_NOT_TRACK" in text
    assert str(machine.folder / "sst.toml") in text


def test_disabling_deletes_everything_that_was_kept(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    consenting.record()
    consenting.deliver(loopback.url)
    consenting.record()
    (machine.queue / "foreign").mkdir()

    ended = machine.sst("telemetry", "disable")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "Telemetry is off. What was recorded, and every id, is deleted.\n"
    assert everything(machine) == ["telemetry.lock"]
    assert machine.config_file.read_text() == "[telemetry]\nenabled = false\n"
    assert machine.config_file.stat().st_mode & 0o777 == 0o600


def test_disabling_twice_changes_nothing_and_says_so(machine: Machine, consenting: Consenting) -> None:
    told = {"enabled": False, "still_off": [], "pending_forget": 0}
    off = "Telemetry is off. What was recorded, and every id, is deleted."
    assert answer(machine, "disable") == {**told, "changed": True, "what": off}
    assert answer(machine, "disable") == {**told, "changed": False, "what": "Telemetry was off already."}
    assert machine.sst("telemetry", "disable").stdout == "Telemetry was off already.\n"


def test_disabling_says_that_it_keeps_what_forget_has_still_to_ask_for_where_that_cannot_be_read(
    machine: Machine, consenting: Consenting
) -> None:
    file = machine.state / "forget.json"
    file.write_text("{}")
    file.chmod(0o666)

    told = answer(machine, "disable")

    assert told["pending_forget"] is None
    kept = "Kept is what `sst telemetry forget` has still to ask for: `sst telemetry` says why it can't be read."
    assert told["what"] == f"Telemetry is off. {kept} What was recorded, and every other id, is deleted."
    assert everything(machine) == ["forget.json", "telemetry.lock"]


def test_disabling_before_anybody_was_asked_holds(machine: Machine) -> None:
    assert answer(machine, "disable")["changed"] is True
    assert answer(machine, "disable")["changed"] is False
    assert not machine.state.exists()
    machine.project('build = ["echo", "built"]')

    assert machine.on_terminal("build").text == "built\n"
    assert machine.sst("build", env={"CI": "1"}).stderr == ""
    assert not machine.telemetry.exists()


def test_who_wrote_off_by_hand_is_told_what_disabling_deleted(machine: Machine, consenting: Consenting) -> None:
    machine.config_file.parent.mkdir(parents=True)
    machine.config_file.write_text("[telemetry]\nenabled = false\n")

    assert answer(machine, "disable")["changed"] is True
    assert not machine.telemetry.exists()


def test_where_enabling_comes_between_disabling_still_ends_with_off(machine: Machine, consenting: Consenting) -> None:
    with consenting.consent().changing():
        disabling = threading.Thread(target=disable, args=[consenting.consent()])
        disabling.start()
        eventually(machine.config_file.exists, "the choice on disk")
        consenting.consent().write_user_choice(True)
    disabling.join(PATIENCE)

    assert answer(machine, "status")["enabled"] is False
    assert machine.config_file.read_text() == "[telemetry]\nenabled = false\n"


def test_disabling_keeps_the_comments_of_a_person(machine: Machine, consenting: Consenting) -> None:
    machine.config_file.parent.mkdir(parents=True)
    mine = '# mine\n[telemetry] # and this\ncollector = "https://localhost/events" # too\n'
    machine.config_file.write_text(mine)
    machine.config_file.chmod(0o640)

    machine.sst("telemetry", "disable")
    off = machine.config_file.read_text()
    machine.sst("telemetry", "enable")

    assert "enabled = false" in off
    assert all(line in off for line in mine.splitlines())
    assert machine.config_file.read_text() == mine
    assert S_IMODE(machine.config_file.stat().st_mode) == 0o640


def test_where_a_sender_can_not_be_ended_disabling_waits_for_its_end(
    machine: Machine, consenting: Consenting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(signal, "SIGKILL")  # as on Windows
    consenting.record()
    switches: list[Switched] = []
    disabling = threading.Thread(target=lambda: switches.append(disable(consenting.consent())))

    with held(consenting.locations.lock, 0) as lock:
        os.write(lock, str(os.getpid()).encode())
        disabling.start()
        disabling.join(0.2)
        assert disabling.is_alive()
        assert machine.telemetry.exists()
    disabling.join(PATIENCE)

    assert [switched.enabled for switched in switches] == [False]
    assert everything(machine) == ["telemetry.lock"]


def test_disabling_ends_a_sender_that_hangs_and_no_request_starts_afterwards(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    machine.project('build = ["true"]')
    consenting.record()
    loopback.otherwise = hanging
    sender = start_sender(machine, loopback.url)
    eventually(lambda: len(loopback.requests) == 1, "a request")

    ended = machine.sst("telemetry", "disable")

    assert ended.returncode == 0
    assert sender.wait(PATIENCE) == -signal.SIGKILL
    assert everything(machine) == ["telemetry.lock"]
    assert start_sender(machine, loopback.url).wait(PATIENCE) == 0
    machine.sst("build", env={"CI": "1", "SST_TELEMETRY_URL": loopback.url})
    machine.sst("telemetry", "flush", env={"SST_TELEMETRY_URL": loopback.url})
    assert len(loopback.requests) == 1
    assert everything(machine) == ["telemetry.lock"]


def test_disabling_ends_a_flush(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    consenting.record()
    consenting.record()
    loopback.otherwise = hanging
    with subprocess.Popen(
        [PROGRAM, "telemetry", "flush"],
        cwd=machine.folder,
        env={**machine.environ, "SST_TELEMETRY_URL": loopback.url},
        stdout=subprocess.DEVNULL,
    ) as flushing:
        eventually(lambda: len(loopback.requests) == 1, "a request")

        assert machine.sst("telemetry", "disable").returncode == 0

        assert flushing.wait(PATIENCE) == -signal.SIGKILL
    assert len(loopback.requests) == 1
    assert everything(machine) == ["telemetry.lock"]


def test_disabling_ends_no_process_that_is_not_a_sender(machine: Machine, consenting: Consenting) -> None:
    # Holds the lock, in which stands the number of a process that has nothing to do with it.
    holding = (
        "import fcntl, os, sys\n"
        "lock = open(sys.argv[1], 'w')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "lock.write(sys.argv[2]), lock.flush()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    lock = machine.state / "telemetry.lock"
    with subprocess.Popen(
        [*PYTHON, "-c", holding, lock, str(os.getpid())], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        disabling = subprocess.Popen(
            [PROGRAM, "telemetry", "disable"], cwd=machine.folder, env=machine.environ, stdout=subprocess.DEVNULL
        )
        eventually(machine.config_file.exists, "the choice on disk")
        with pytest.raises(subprocess.TimeoutExpired):
            disabling.wait(0.5)
        assert holder.poll() is None
        holder.stdin.close()
        assert holder.wait(PATIENCE) == 0
    assert disabling.wait(PATIENCE) == 0
    assert not machine.telemetry.exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", b"99999999", b"-1", b"1"])
def test_what_is_in_the_lock_and_is_no_sender_ends_nobody(
    consenting: Consenting, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    ended: list[object] = []
    monkeypatch.setattr(os, "kill", lambda *what: ended.append(what))
    with consenting.consent().changing() as lock:
        os.write(lock, content)
        control._end_sender(consenting.locations)

    assert ended == []


def test_disabling_deletes_what_an_interrupted_disabling_left(machine: Machine, consenting: Consenting) -> None:
    machine.sst("telemetry", "disable")
    leftover = machine.state / ".telemetry-deleted-1"
    leftover.mkdir()
    (leftover / "secret").write_bytes(b"x" * 32)

    machine.sst("telemetry", "disable")

    assert everything(machine) == ["telemetry.lock"]


def test_disabling_when_the_choice_cannot_be_saved_says_what_to_do(machine: Machine, consenting: Consenting) -> None:
    (machine.home / ".config").touch()

    ended = machine.sst("telemetry", "disable")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("sst: error: Your choice can't be saved: ")
    assert "SST_TELEMETRY_DISABLED=1 in the environment keeps telemetry off." in ended.stderr
    assert not machine.telemetry.exists()
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("config", "said"), [(True, "Your choice is saved, but "), (False, "Your choice can't be saved (")]
)
def test_what_a_link_points_to_is_not_said_to_be_deleted(
    machine: Machine, consenting: Consenting, config: bool, said: str
) -> None:
    elsewhere = machine.home / "elsewhere"
    machine.telemetry.rename(elsewhere)
    machine.telemetry.symlink_to(elsewhere)
    if not config:
        (machine.home / ".config").touch()

    ended = machine.sst("telemetry", "disable")

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"sst: error: {said}")
    assert "what was recorded can't be deleted" in ended.stderr
    assert "symbolic link" in ended.stderr


def test_enabling_when_the_choice_cannot_be_saved_leaves_it_off(machine: Machine) -> None:
    (machine.home / ".local").touch()

    ended = machine.sst("telemetry", "enable")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("sst: error: Your choice can't be saved: File exists: '")
    assert json.loads(machine.sst("telemetry", "--json").stdout)["enabled"] is False


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("switch", ["enable", "disable"])
@pytest.mark.parametrize("home", ["nowhere", "/proc"])
def test_without_a_home_to_write_to_a_switch_is_an_error_in_words(machine: Machine, switch: str, home: str) -> None:
    ended = machine.sst("telemetry", switch, env={"HOME": home})

    assert ended.returncode in (1, 2)
    assert ended.stderr.startswith("sst: error: ")
    assert "Traceback" not in ended.stderr
    assert "This is a bug" not in ended.stderr


def test_the_projects_choice_needs_no_home(machine: Machine) -> None:
    machine.project('build = ["true"]')

    ended = machine.sst("telemetry", "disable", "--project", env={"HOME": "nowhere"})

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "enabled = false" in (machine.folder / "sst.toml").read_text()


def test_a_configuration_that_cannot_be_read_is_off_and_disabling_keeps_it_so(
    machine: Machine, consenting: Consenting
) -> None:
    machine.config_file.parent.mkdir(parents=True)
    machine.config_file.write_text("[telemetry\n")

    assert answer(machine, "status")["enabled"] is False
    told = answer(machine, "disable")

    aside = machine.config_file.with_name("config.toml.unreadable")
    assert told["enabled"] is False
    assert told["what"].endswith(f" A configuration that can't be used was there, which is now {aside}.")
    assert machine.config_file.read_text() == "[telemetry]\nenabled = false\n"
    assert aside.read_text() == "[telemetry\n"


def test_a_configuration_that_cannot_be_read_is_not_enabled_over(machine: Machine, consenting: Consenting) -> None:
    machine.config_file.parent.mkdir(parents=True)
    machine.config_file.write_text("[telemetry\n")

    ended = machine.sst("telemetry", "enable")

    assert ended.returncode == 2
    assert str(machine.config_file) in ended.stderr
    assert machine.config_file.read_text() == "[telemetry\n"


def test_switches_at_the_same_moment_end_in_one_state_or_the_other(machine: Machine) -> None:
    for _ in range(3):
        switches = [
            subprocess.Popen(
                [PROGRAM, "telemetry", switch],
                cwd=machine.folder,
                env=machine.environ,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for switch in ("enable", "disable", "enable", "disable")
        ]
        assert [switch.wait(PATIENCE) for switch in switches] == [0] * 4

        on = answer(machine, "status")["enabled"]
        assert on is machine.queue.is_dir()
        assert on is machine.telemetry.exists()
        assert Path(machine.config_file).exists() is not on
        left = {path.name for folder in (machine.state, machine.config_file.parent) for path in folder.iterdir()}
        assert left <= {"telemetry.lock", "telemetry", "config.toml"}


def test_purging_deletes_what_is_queued_and_sent_and_leaves_the_rest(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    consenting.record()
    consenting.record().write_bytes(b"{")
    consenting.deliver(loopback.url)
    assert (machine.telemetry / "set-aside").exists()
    secret = (machine.telemetry / "secret").read_bytes()
    consenting.record()
    (machine.queue / "folder" / "inside").mkdir(parents=True)

    ended = machine.sst("telemetry", "purge")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert machine.queued() == []
    assert not (machine.telemetry / "set-aside").exists()
    assert not (machine.telemetry / "last-batch.ndjson").exists()
    assert machine.queue.stat().st_mode & 0o777 == 0o700
    assert (machine.telemetry / "secret").read_bytes() == secret
    assert answer(machine, "status")["enabled"] is True
    assert machine.sst("telemetry", "purge").returncode == 0


def test_purging_says_how_many_runs_that_were(machine: Machine, consenting: Consenting) -> None:
    consenting.record()
    consenting.record()

    assert json.loads(machine.sst("telemetry", "purge", "--json").stdout) == {"purged": 2}
    assert json.loads(machine.sst("telemetry", "purge", "--json").stdout) == {"purged": 0}


def test_where_telemetry_was_never_on_or_is_off_nothing_is_purged_and_nothing_made(machine: Machine) -> None:
    assert machine.sst("telemetry", "purge").stdout == "Deleted from the queue: 0.\n"
    assert not machine.state.exists()
    machine.see_notice()
    machine.sst("telemetry", "disable")

    assert machine.sst("telemetry", "purge").stdout == "Deleted from the queue: 0.\n"
    assert everything(machine) == ["telemetry.lock"]


def test_after_disabling_recording_begins_only_with_a_new_yes(machine: Machine, consenting: Consenting) -> None:
    machine.project('build = ["true"]')
    machine.sst("telemetry", "disable")
    machine.sst("build")
    assert not machine.telemetry.exists()

    machine.sst("telemetry", "enable")
    consenting.hold_back_senders()
    machine.sst("build")

    assert len(machine.queued()) == 1


def test_a_project_that_cannot_be_written_to_is_an_error_in_words(machine: Machine) -> None:
    machine.folder.chmod(0o500)

    ended = machine.sst("telemetry", "disable", "--project", program=modestly(PROGRAM))

    assert ended.returncode == 1
    assert ended.stderr.startswith("sst: error: The project's choice can't be saved: ")


def test_a_queue_that_is_somewhere_else_is_not_purged(machine: Machine, consenting: Consenting, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    consenting.locations.queue.rename(elsewhere)
    consenting.locations.queue.symlink_to(elsewhere)

    ended = machine.sst("telemetry", "purge")

    assert ended.returncode == 1
    assert "sst: error: What is queued can't be deleted: " in ended.stderr
    assert "is a symbolic link; delete what it points to by hand" in ended.stderr
    assert elsewhere.is_dir()


def test_a_number_in_the_lock_that_another_process_has_by_now_ends_nobody(
    machine: Machine, consenting: Consenting, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[object] = []
    monkeypatch.setattr(os, "kill", lambda *what: ended.append(what))
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as another:
        for number in (another.pid, 4_194_305):  # the second is one more than there can be
            with consenting.consent().changing() as lock:
                os.write(lock, str(number).encode())
                control._end_sender(consenting.locations)
            assert ended == []
            with consenting.consent().changing() as lock:
                os.write(lock, str(os.getpid()).encode())
                control._end_sender(consenting.locations)
            assert ended.pop() == (os.getpid(), signal.SIGKILL), "who does have it open"


@pytest.mark.parametrize("error", [ProcessLookupError, PermissionError])
def test_a_sender_that_ends_by_itself_or_is_somebody_elses_is_let_be(
    machine: Machine, consenting: Consenting, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    def refused(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, "kill", refused)
    with consenting.consent().changing() as lock:
        os.write(lock, str(os.getpid()).encode())
        control._end_sender(consenting.locations)
