"""`sst collector doctor`."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import duckdb
import pytest

from collecting import StartCollector, a_run, collectors
from installed import PYTHON
from permissions import give_away, modestly
from sst_collector import doctor as doctoring
from sst_collector.data_folder import DataFolder
from sst_collector.doctor import BACKLOG_BYTES
from sst_collector.warehouse.clickhouse.address import parse_address
from sst_collector.warehouse.duckdb.file import mark_moved, mark_of
from sst_collector.warehouse.duckdb.warehouse import opened
from sst_collector.warehouse.protocol import PublishedWeek
from sst_collector.weeks import monday_of, shifted
from sst_core import SST, held_if_free
from sst_core.testing import PROGRAM
from sst_core.testing.in_process import run_in_process


def doctor(data: Path, *options: str, program: tuple[str, ...] = ()) -> tuple[int, str]:
    """Its exit code and what it prints: as a process if `program` runs it, else in this one."""
    arguments = ["collector", "doctor", "--data", str(data), *options]
    if program:
        run = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
    else:
        run, _ = run_in_process(arguments, os.environ, Path.cwd(), data)
    assert run.stderr == ""
    return run.returncode, run.stdout


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a collector that has taken something in, and was stopped."""
    with collectors(tmp_path_factory.mktemp("stopped")) as start:
        collector = start()
        collector.post(a_run(), a_run())
        collector.wait_until(lambda: collector.runs() == {"build": 2})
        collector.end()
        return collector.data


@pytest.fixture
def used(stopped: Path, tmp_path: Path) -> Path:
    """The same, for a test to spoil."""
    return shutil.copytree(stopped, tmp_path / "data")


def test_nothing_is_wrong_with_one_that_runs_nor_with_one_that_was_stopped(start_collector: StartCollector) -> None:
    collector = start_collector("--snapshot-every", "3600")
    collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
    code, text = doctor(collector.data, program=(str(PROGRAM),))
    assert (code, "wrong:" in text) == (0, False), text
    assert "a collector is running on it" in text
    collector.end(signal.SIGKILL)
    code, text = doctor(collector.data, program=(str(PROGRAM),))
    assert (code, "no collector is running on it" in text) == (0, True), text


def test_a_segment_that_is_loaded_at_this_moment_is_none_that_waits(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.journal.mkdir()
    (folder.journal / "1.ndjson").write_bytes(b"{}\n")
    (folder.journal / "2.ndjson").symlink_to(tmp_path / "gone")  # is listed, and isn't there

    assert {path.name: status.st_size for path, status in folder.segments().items()} == {"1.ndjson": 3}


def test_it_counts_and_changes_nothing(used: Path) -> None:
    before = {path: path.read_bytes() for path in used.rglob("*") if path.is_file()}
    assert "the warehouse holds 2 runs, and 0 published weeks" in doctor(used)[1]
    assert {path: path.read_bytes() for path in used.rglob("*") if path.is_file()} == before


def test_a_warehouse_that_is_gone(used: Path) -> None:
    (used / "warehouse.duckdb").unlink()
    code, text = doctor(used)
    assert code == 1
    assert f"wrong: the warehouse {used}/warehouse.duckdb is gone\n       Put it back from a backup." in text


def test_a_warehouse_that_was_moved(used: Path) -> None:
    mark_moved(used / "warehouse.duckdb")
    (used / "warehouse.duckdb").unlink()
    code, text = doctor(used)
    assert code == 1
    assert f"wrong: what was in {used}/warehouse.duckdb was moved to another warehouse\n       Give `serve`" in text
    assert "delete" not in text


def test_a_warehouse_that_is_broken(used: Path) -> None:
    (used / "warehouse.duckdb").write_bytes(b"hunter2" * 1000)
    code, text = doctor(used)
    assert code == 1
    assert "can't be read (IOException)" in text
    assert "hunter2" not in text


def test_the_warehouse_of_a_collector_that_runs_is_not_opened(start_collector: StartCollector) -> None:
    collector = start_collector("--snapshot-every", "3600")
    collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
    (collector.data / "warehouse.duckdb").write_bytes(b"hunter2" * 1000)
    code, text = doctor(collector.data)
    assert (code, "a collector is running on it" in text) == (0, True)
    assert "ok:    the warehouse is the running collector's: whether it can be loaded, ask /healthz\n" in text


def test_a_collector_may_start_whatever_is_looked_at(used: Path) -> None:
    for finding in doctoring.examine(used, None, 3600, datetime.now(UTC), None):
        with held_if_free(used / "lock") as lock:
            assert lock is not None, finding


def test_a_warehouse_that_is_in_use(used: Path) -> None:
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    with subprocess.Popen(
        [*PYTHON, "-c", code, used / "warehouse.duckdb"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as another:
        assert another.stdout is not None
        another.stdout.readline()
        told = doctor(used)
        another.communicate(b"\n")
    assert (told[0], "wrong: another program has the warehouse open" in told[1]) == (1, True)


def test_what_others_can_read(used: Path) -> None:
    used.chmod(0o755)
    code, text = doctor(used)
    assert code == 1
    assert f"wrong: others can read or change: {used}\n       Run: chmod go-rwx {used}\n" in text


@pytest.mark.parametrize("spoil", [lambda data: data.chmod(0o755), lambda data: give_away(data / "snapshot.json")])
def test_what_it_says_to_run_can_be_run_whatever_the_folder_is_called(
    spoil: Callable[[Path], None], used: Path, tmp_path: Path
) -> None:
    data = used.rename(tmp_path / "it's here")
    spoil(data)
    ((_, advice),) = wrong_with(data)
    subprocess.run(["sh", "-c", advice.removeprefix("Run: ")], check=True)
    assert wrong_with(data) == []


@pytest.mark.parametrize("name", ["snapshot.json", "warehouse.stale"])
def test_what_somebody_else_has(used: Path, name: str) -> None:
    (used / name).touch(mode=0o600)
    give_away(used / name)
    code, text = doctor(used)
    assert code == 1
    assert f"wrong: these belong to another user than the folder does: {used}/{name}\n" in text
    assert f"       Run: chown --reference={used} {used}/{name}\n" in text


def test_what_a_file_system_has_of_its_own_and_what_is_gone_by_now_is_not_wrong(used: Path) -> None:
    (used / "lost+found").mkdir(mode=0o700)
    give_away(used / "lost+found")
    (used / ".snapshot.json.1").symlink_to(used / "gone")  # is listed, and isn't there
    assert wrong_with(used) == []


def test_a_folder_that_is_not_yours_to_use(used: Path) -> None:
    used.chmod(0o500)
    assert doctor(used, program=modestly(PROGRAM)) == (
        1,
        f"wrong: {used} is not yours to use\n       Run this as the user that `serve` runs as, or chown the folder.\n",
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lock", "/lock can't be opened: Permission denied\n       chown it to the user of `serve`.\n"),
        ("journal/9.ndjson", "wrong: a segment of the journal can't be read\n       chown what is in "),
        ("snapshot.json", "snapshot.json can't be read\n       Delete it: the next round writes it anew.\n"),
    ],
)
def test_a_file_that_is_not_yours_to_use(used: Path, name: str, words: str) -> None:
    (used / name).touch()
    (used / name).chmod(0)
    code, text = doctor(used, program=modestly(PROGRAM))
    assert (code, words in text) == (1, True), text


def test_a_disk_that_is_nearly_full(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrong_with(used) == []
    monkeypatch.setattr(doctoring, "ROOM", 1 << 62)
    ((what, advice),) = wrong_with(used)
    assert re.fullmatch(r"the disk has [\d.]+ [KMG]?i?B?(bytes)? left", what)
    assert advice == "Make room: on a full disk, requests are answered with 503."


def test_a_journal_that_nobody_loads(used: Path) -> None:
    with (used / "journal" / "9.ndjson").open("wb") as segment:
        segment.truncate(BACKLOG_BYTES + 1)
    ((what, advice),) = wrong_with(used)
    assert what == "the journal holds 1 segment for the loader, 1.0 GiB"
    assert advice.startswith("See what `serve` says about the warehouse")


def test_a_folder_that_nothing_was_loaded_in_yet(used: Path) -> None:
    for path in (used / "warehouse.duckdb", mark_of(used / "warehouse.duckdb")):
        path.unlink()
    (used / "snapshot.json").unlink()
    code, text = doctor(used)
    assert code == 0
    assert "there is no warehouse yet: the first round of `serve` makes it" in text
    assert "nothing was published yet: the first round of `serve` does" in text


@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO published_weeks VALUES ('2999-W01', 0, 0)", 'ALTER TABLE "runs {}" RENAME TO "runs 2999-W01"'],
)
def test_a_warehouse_with_a_week_that_has_not_begun(used: Path, statement: str) -> None:
    with opened(used / "warehouse.duckdb", SST.catalogue) as warehouse:
        (this_week,) = warehouse.kept_weeks()
    with duckdb.connect(used / "warehouse.duckdb") as connection:
        connection.execute(statement.format(this_week))
    with opened(used / "warehouse.duckdb", SST.catalogue):
        pass  # which gathers what there is
    ((what, advice),) = wrong_with(used)
    assert "the warehouse holds 2 runs" in what
    assert advice.startswith("2999-W01 is in the warehouse and has not begun: a clock was ahead.")


def test_a_warehouse_with_what_a_clock_leaves_that_was_less_than_a_week_ahead(used: Path) -> None:
    with opened(used / "warehouse.duckdb", SST.catalogue) as warehouse:
        (next_week,) = warehouse.kept_weeks()
        warehouse.publish(PublishedWeek(shifted(next_week, -1), (), withheld=0))
    before = datetime.combine(monday_of(next_week), time(), UTC) - timedelta(seconds=1)
    found = {each.what: each.advice for each in doctoring.examine(used, None, 3600, before, None)}
    assert found["the warehouse holds 2 runs, and 1 published week"] is None


def test_another_warehouse_beside_the_folders_own(used: Path) -> None:
    code, text = doctor(used, "--warehouse", "clickhouse://127.0.0.1:9/sst")
    assert code == 1
    assert (
        f"wrong: {used}/warehouse.duckdb holds what the other warehouse lacks\n       Run: sst collector move\n" in text
    )


def test_another_warehouse_that_nobody_answers_for(used: Path) -> None:
    (used / "warehouse.duckdb").unlink()
    code, text = doctor(used, "--warehouse", "clickhouse://127.0.0.1:9/sst")
    assert code == 1
    assert "wrong: the warehouse at 127.0.0.1:9 can't be reached: Connection refused\n" in text
    assert "\n       See to the servers" in text


def test_another_warehouse_that_is_silent(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (used / "warehouse.duckdb").unlink()
    monkeypatch.setattr(doctoring, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"clickhouse://127.0.0.1:{silent.getsockname()[1]}/sst"
        found = list(doctoring.examine(used, None, 3600, datetime.now(UTC), parse_address(url, {})))
    assert next(each.what for each in found if each.advice).endswith("can't be reached: it took too long")


def wrong_with(data: Path) -> list[tuple[str, str]]:
    """What it finds wrong, and what to do."""
    found = doctoring.examine(data, None, 3600, datetime.now(UTC), None)
    return [(each.what, each.advice) for each in found if each.advice is not None]


def test_a_snapshot_that_is_old(used: Path) -> None:
    snapshot = used / "snapshot.json"
    snapshot.write_text(snapshot.read_text().replace('"snapshot":"20', '"snapshot":"19'))
    code, text = doctor(used)
    assert code == 1
    assert "days ago\n       Start `serve`" in text


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=47), "1 day ago"),
        (timedelta(days=2), "2 days ago"),
    ],
)
def test_how_old_a_snapshot_is_is_said_in_one_unit(used: Path, age: timedelta, words: str) -> None:
    now = datetime.fromisoformat(json.loads((used / "snapshot.json").read_text())["snapshot"]) + age
    assert list(doctoring.examine(used, None, 3600, now, None))[-1].what == f"what is published was made {words}"


@pytest.mark.parametrize(("cadence", "code"), [("3600", 0), ("300", 1)])
def test_how_old_a_snapshot_may_be_depends_on_the_cadence(used: Path, cadence: str, code: int) -> None:
    snapshot = used / "snapshot.json"
    values = json.loads(snapshot.read_text())
    values["snapshot"] = (datetime.now(UTC) - timedelta(minutes=20)).isoformat(timespec="seconds")
    snapshot.write_text(json.dumps(values))
    assert doctor(used, "--snapshot-every", cadence)[0] == code


def test_a_snapshot_that_is_broken(used: Path) -> None:
    (used / "snapshot.json").write_text("{")
    assert "snapshot.json can't be read\n       Delete it" in doctor(used)[1]


def test_a_folder_whose_lock_is_lost(used: Path) -> None:
    (used / "lock").unlink()
    assert doctor(used, program=(str(PROGRAM),)) == (
        1,
        f"wrong: {used} has lost its file lock\n"
        f"       If no collector is running on it, run: touch {used}/lock && chmod 600 {used}/lock\n",
    )
    assert not (used / "lock").exists()


def test_a_folder_that_is_not_a_collectors(tmp_path: Path) -> None:
    assert doctor(tmp_path) == (
        1,
        f"wrong: {tmp_path} was not made by a collector\n       Name the one that `serve` is given with --data.\n",
    )
    assert "there is no folder" in doctor(tmp_path / "nowhere")[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("2999-W01", "A collector of this site, whose clock said 2999-W02, has deleted the keys of the weeks before."),
        ("hunter2", "{}/retired is not what a collector wrote. Delete it.\n"),
    ],
)
def test_a_site_key_that_can_not_be_used(note: str, words: str, used: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o700)
    assert "ok:    the site key can be used\n" in doctor(used, "--site-key", str(shared))[1]
    (shared / "retired").write_text(note)
    (shared / "retired").chmod(0o600)
    code, text = doctor(used, "--site-key", str(shared))
    assert code == 1
    assert f"wrong: the site key can't be used\n       {words.format(shared)}" in text


def test_a_site_key_that_can_not_be_made(used: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, text = doctor(used, "--site-key", str(tmp_path / "file" / "below" / "key"))
    assert code == 1
    assert f"the site key can't be used\n       {tmp_path}/file has to be a folder that `serve` may write to." in text
    assert "ok:    the site key can be used\n" in doctor(used, "--site-key", str(tmp_path / "not" / "yet"))[1]
    assert not (tmp_path / "not").exists()


def test_a_site_key_whose_folder_may_not_be_written_to(used: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o500)
    code, text = doctor(used, "--site-key", str(tmp_path / "theirs" / "key"), program=modestly(PROGRAM))
    assert code == 1
    assert f"the site key can't be used\n       {tmp_path}/theirs has to be a folder that `serve` may write to." in text


def test_a_site_key_of_the_user_of_serve_is_not_wrong_for_root(used: Path) -> None:
    (used / "site-key").mkdir(mode=0o700)
    (used / "site-key" / "retired").write_text("2026-W47")
    (used / "site-key" / "retired").chmod(0o600)
    for path in (used, *used.rglob("*")):
        give_away(path)
    code, text = doctor(used)
    assert (code, "ok:    the site key is another user's" in text) == (0, True), text


def test_a_shared_site_key_is_looked_at_too(used: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    assert f"others can read or change: {shared}" in doctor(used, "--site-key", str(shared))[1]
