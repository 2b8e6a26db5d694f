"""`sst collector doctor`."""

import json
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collecting import StartCollector, a_run, collectors
from sst_collector.data_folder import DataFolder
from sst_core import held
from sst_core.testing import PROGRAM


def doctor(data: Path, *options: str) -> tuple[int, str]:
    run = subprocess.run(
        [PROGRAM, "collector", "doctor", "--data", data, *options], capture_output=True, text=True, check=False
    )
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
    code, text = doctor(collector.data)
    assert (code, "WRONG" in text) == (0, False), text
    assert "a collector is running on it" in text
    collector.end(signal.SIGKILL)
    code, text = doctor(collector.data)
    assert (code, "no collector is running on it" in text) == (0, True), text


def test_a_segment_that_is_loaded_at_this_moment_is_none_that_waits(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.journal.mkdir()
    (folder.journal / "1.ndjson").write_bytes(b"{}\n")
    (folder.journal / "2.ndjson").symlink_to(tmp_path / "gone")  # is listed, and isn't there

    assert {path.name: status.st_size for path, status in folder.segments().items()} == {"1.ndjson": 3}


def test_it_counts_and_changes_nothing(used: Path) -> None:
    before = {path: path.read_bytes() for path in used.rglob("*") if path.is_file()}
    assert "the warehouse holds 2 runs, and 0 weeks that are published" in doctor(used)[1]
    assert {path: path.read_bytes() for path in used.rglob("*") if path.is_file()} == before


def test_a_warehouse_that_is_gone(used: Path) -> None:
    (used / "warehouse.duckdb").unlink()
    code, text = doctor(used)
    assert code == 1
    assert f"WRONG  the warehouse {used}/warehouse.duckdb is gone\n       Put it back from a backup." in text


def test_a_warehouse_that_is_broken(used: Path) -> None:
    (used / "warehouse.duckdb").write_bytes(b"hunter2" * 1000)
    code, text = doctor(used)
    assert code == 1
    assert "can't be read (IOException)" in text
    assert "hunter2" not in text


def test_a_warehouse_that_breaks_while_the_server_runs(start_collector: StartCollector) -> None:
    collector = start_collector("--snapshot-every", "3600")
    collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
    (collector.data / "warehouse.duckdb").write_bytes(b"hunter2" * 1000)
    code, text = doctor(collector.data)
    assert (code, "a collector is running on it" in text) == (1, True)
    assert "can't be read (IOException)\n       Put back a backup of it." in text


def test_a_warehouse_that_is_in_use(used: Path) -> None:
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, used / "warehouse.duckdb"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as another:
        assert another.stdout is not None
        another.stdout.readline()
        told = doctor(used)
        with held(used / "lock", 1.0):  # as the server does
            told_of_the_server = doctor(used)
        another.communicate(b"\n")
    assert (told[0], "WRONG  another program has the warehouse open" in told[1]) == (1, True)
    assert (told_of_the_server[0], "by the collector's own round" in told_of_the_server[1]) == (0, True)


def test_what_others_can_read(used: Path) -> None:
    used.chmod(0o755)
    code, text = doctor(used)
    assert code == 1
    assert f"WRONG  others can read or change: {used}\n       Run: chmod go-rwx {used}\n" in text


def test_a_snapshot_that_is_old(used: Path) -> None:
    snapshot = used / "snapshot.json"
    snapshot.write_text(snapshot.read_text().replace('"snapshot":"20', '"snapshot":"19'))
    code, text = doctor(used)
    assert code == 1
    assert "hours ago\n       Start `serve`" in text


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


def test_a_folder_that_is_not_a_collectors(tmp_path: Path) -> None:
    assert doctor(tmp_path) == (
        1,
        f"WRONG  {tmp_path} was not made by a collector\n       Name the one that `serve` is given with --data.\n",
    )
    assert "there is no folder" in doctor(tmp_path / "nowhere")[1]
    assert list(tmp_path.iterdir()) == []


def test_a_shared_site_key_is_looked_at_too(used: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    assert f"others can read or change: {shared}" in doctor(used, "--site-key", str(shared))[1]
