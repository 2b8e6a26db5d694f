"""The folder of waiting runs: whole files or none, in order, within bounds, and nothing foreign is ever sent."""

import errno
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consenting import Consenting
from installed import PYTHON
from loopback import Loopback
from sst_core.testing import Machine
from sst_telemetry import queue as queue_module
from sst_telemetry.queue import MAX_AGE, MAX_BYTES, Queue, pinned_week, session_of

NOW = 1_800_000_000.0
DAY = 24 * 3600.0


@given(st.lists(st.binary(max_size=MAX_BYTES), max_size=8))
@settings(max_examples=30, deadline=None)
def test_what_is_put_comes_back_whole_and_in_order(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        queue = Queue(Path(folder) / "queue")
        for number, content in enumerate(contents):
            queue.put(f"{number:032x}", content)

        assert [queue.read(path) for path in queue.waiting()] == contents


def test_a_run_is_private_and_nothing_else_is_left_beside_it(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue")

    paths = [queue.put(letter * 32, b"{}") for letter in "ab"]  # the first makes the folder, the second finds it

    assert sorted(map(str, queue.folder.iterdir())) == sorted(paths)
    assert [Path(path).stat().st_mode & 0o777 for path in paths] == [0o600, 0o600]
    assert queue.folder.stat().st_mode & 0o777 == 0o700


def test_commands_that_find_no_folder_at_the_same_moment_all_record(tmp_path: Path) -> None:
    for attempt in range(30):
        queue = Queue(tmp_path / f"{attempt}" / "queue")
        queue.folder.parent.mkdir()

        assert put_at_once(queue, 8) == []
        assert len(queue.waiting()) == 8


def put_at_once(queue: Queue, count: int) -> list[OSError]:
    """Put so many runs at the same moment, and return what went wrong."""
    together = threading.Barrier(count)
    failures: list[OSError] = []

    def put(number: int) -> None:
        together.wait()
        try:
            queue.put(f"{number:032x}", b"{}")
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_without_consent_nothing_is_made(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "telemetry" / "queue")

    with pytest.raises(OSError):
        queue.put("a" * 32, b"{}")

    assert list(tmp_path.iterdir()) == []
    assert queue.waiting() == []


def test_a_command_that_is_killed_while_it_records_leaves_nothing_that_waits(consenting: Consenting) -> None:
    # Dies at the very last moment, when the file is written and has no name yet.
    dying = (
        "import os, signal, sys\n"
        "sys.addaudithook(lambda event, _: os.kill(os.getpid(), signal.SIGKILL) if event == 'os.rename' else None)\n"
        "from pathlib import Path\n"
        "from sst_telemetry.queue import Queue\n"
        "Queue(Path(sys.argv[1])).put('a' * 32, b'{}')\n"
    )
    folder = consenting.machine.queue

    # -B: a module that is compiled for the first time is renamed into place too.
    ended = subprocess.run([*PYTHON, "-B", "-c", dying, folder], check=False)

    assert ended.returncode == -signal.SIGKILL
    assert len(list(folder.iterdir())) == 1
    assert Queue(folder).waiting() == []
    assert Queue(folder).trim(time.time() + 3000) == 0
    assert len(list(folder.iterdir())) == 1, "another command may still be writing it"
    assert Queue(folder).trim(time.time() + 4000) == 0
    assert list(folder.iterdir()) == []


def test_a_disk_that_takes_only_a_part_leaves_no_torn_run(consenting: Consenting) -> None:
    almost_full = (
        "import resource, sys\n"
        "sys.dont_write_bytecode = True\n"  # Python tears its own files without a word, and the next test reads them
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "from pathlib import Path\n"
        "from sst_telemetry.queue import Queue\n"
        "try:\n"
        "    Queue(Path(sys.argv[1])).put('a' * 32, b'x' * 200)\n"
        "except OSError:\n"
        "    print('refused')\n"
    )
    folder = consenting.machine.queue

    ended = subprocess.run([*PYTHON, "-c", almost_full, folder], stdout=subprocess.PIPE, text=True, check=True)

    assert ended.stdout == "refused\n"
    assert list(folder.iterdir()) == []


@given(
    ages=st.lists(st.floats(min_value=-60 * DAY, max_value=60 * DAY), max_size=20),
    bound=st.integers(min_value=0, max_value=10),
    foreign=st.integers(min_value=0, max_value=12),
)
@settings(max_examples=40, deadline=None)
def test_what_is_kept_is_the_newest_within_the_bounds_and_the_rest_is_counted(
    ages: list[float], bound: int, foreign: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue_module, "MAX_RUNS", bound)
        folder = Path(name)
        for number, age in enumerate(ages):
            (folder / f"{int((NOW - age) * 1e9):020d}-{number:032x}.json").write_bytes(b"{}")
        for number in range(foreign):
            (folder / f"{number}.bak").touch()
        before = sorted(folder.glob("*.json"))

        dropped = Queue(folder).trim(NOW)

        newest = before[max(0, len(before) - bound) :]
        expected = [path for path in newest if abs(int(path.name[:20]) / 1e9 - NOW) <= MAX_AGE]
        assert sorted(folder.glob("*.json")) == expected
        assert dropped == len(before) - len(expected)
        assert len(list(folder.glob("*.bak"))) == foreign


def test_a_run_of_thirty_days_is_kept_and_one_that_is_a_second_older_is_not(tmp_path: Path) -> None:
    """Nor one from as far in the future: the clock was wrong then, or is now."""
    kept = [at(tmp_path, NOW - 30 * DAY), at(tmp_path, NOW + 30 * DAY)]
    for moment in (NOW - 30 * DAY - 1, NOW + 30 * DAY + 1):
        at(tmp_path, moment)

    assert Queue(tmp_path).trim(NOW) == 2
    assert Queue(tmp_path).waiting() == kept


def at(folder: Path, moment: float) -> Path:
    """A run of that moment, in whole seconds since the epoch."""
    path = folder / f"{int(moment) * 10**9:020d}-{'a' * 32}.json"
    path.write_bytes(b"{}")
    return path


def test_a_folder_that_is_called_like_an_old_run_is_not_dropped_and_what_is_set_aside_is_private(
    tmp_path: Path,
) -> None:
    queue = Queue(tmp_path / "queue")
    queue.folder.mkdir()
    run = at(queue.folder, NOW - 31 * DAY)
    run.unlink()
    run.mkdir()

    assert queue.trim(NOW) == 0
    queue.set_aside(run)

    aside = tmp_path / "set-aside"
    assert [path.name for path in aside.iterdir()] == [run.name]
    assert aside.stat().st_mode & 0o777 == 0o700


def test_a_run_of_four_kilobytes_is_read_and_a_longer_one_is_none(tmp_path: Path) -> None:
    path = at(tmp_path, NOW)

    path.write_bytes(b"x" * 4096)
    assert Queue(tmp_path).read(path) == b"x" * 4096
    path.write_bytes(b"x" * 4097)
    assert Queue(tmp_path).read(path) is None


def test_what_cannot_be_read_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = at(tmp_path, NOW)
    assert Queue(tmp_path).read(tmp_path / "gone") is None

    def broken(descriptor: int, size: int) -> bytes:
        raise OSError(errno.EIO, "the disk is failing")

    monkeypatch.setattr(os, "read", broken)
    assert Queue(tmp_path).read(path) is None


def test_a_system_that_has_no_such_flags_reads_runs_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows."""
    path = at(tmp_path, NOW)
    monkeypatch.delattr(os, "O_NOFOLLOW")
    monkeypatch.delattr(os, "O_NONBLOCK")

    assert Queue(tmp_path).read(path) == b"{}"


def test_a_run_keeps_the_week_that_it_was_first_sent_in(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    path = at(tmp_path, NOW)
    assert pinned_week(path) is None
    session = session_of(path)
    assert path.stem.endswith(f"-{session}")
    assert len(session) == 32

    pinned = queue.pinned(path, "2026-W48")

    assert pinned.name == f"{path.stem}.2026-W48.json"
    assert queue.waiting() == [pinned]
    assert session_of(pinned) == session
    assert pinned_week(pinned) == "2026-W48"
    assert queue.pinned(pinned, "2026-W49") == pinned
    assert pinned_week(pinned) == "2026-W48"


def test_what_is_being_written_for_more_than_an_hour_was_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = at(tmp_path, NOW)
    writing = writing.rename(tmp_path / f".{writing.name}")
    os.utime(writing, (NOW, NOW))

    assert Queue(tmp_path).trim(NOW + 3600) == 0
    assert writing.exists()
    assert Queue(tmp_path).trim(NOW + 3601) == 0
    assert not writing.exists()

    monkeypatch.setattr(Queue, "_names", lambda self: ([], [writing.name]))  # it got its name a moment ago
    assert Queue(tmp_path).trim(NOW) == 0


def test_a_thousand_runs_are_kept_the_oldest_dropped_and_the_user_is_told(consenting: Consenting) -> None:
    now = time.time()
    recorded = [consenting.record(at=now - 2000 + number) for number in range(1005)]
    too_old = consenting.record(at=now - 31 * DAY)

    assert consenting.deliver(None).left == 1000

    assert consenting.machine.queued() == recorded[5:]
    assert not too_old.exists()
    assert consenting.status["dropped"] == 6
    assert "6 runs dropped, over the queue's bounds" in consenting.machine.sst("telemetry").stdout


def _torn(path: Path) -> None:
    path.write_bytes(b'{"sessionId": "0123')


def _empty(path: Path) -> None:
    path.touch()


def _binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def _deep(path: Path) -> None:
    path.write_bytes(b"[" * 4000)


def _foreign_json(path: Path) -> None:
    path.write_text('{"command": "build", "secret": "hunter2"}')


def _not_the_catalogues(path: Path) -> None:
    values = json.loads(next(path.parent.glob("*.json")).read_text())
    path.write_text(json.dumps({**values, "command": "hunter2"}))


def _oversized(path: Path) -> None:
    path.write_bytes(next(path.parent.glob("*.json")).read_bytes().ljust(MAX_BYTES + 1))


def _link(path: Path) -> None:
    target = path.parent.parent / "elsewhere.json"
    target.write_bytes(next(path.parent.glob("*.json")).read_bytes())
    path.symlink_to(target)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(path.parent)  # the address of a socket has to be short
        try:
            bound.bind(path.name)
        finally:
            os.chdir(here)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").touch()


KINDS = [
    _torn,
    _empty,
    _binary,
    _deep,
    _foreign_json,
    _not_the_catalogues,
    _oversized,
    _link,
    _pipe,
    _socket,
    _folder,
]


@pytest.mark.parametrize("make", KINDS, ids=lambda make: str(make.__name__))
@pytest.mark.parametrize("name", ["00000000000000000001-old.json", "named like a run"])
def test_what_is_no_recorded_run_is_set_aside_and_its_neighbours_are_sent(
    consenting: Consenting, loopback: Loopback, make: Callable[[Path], None], name: str
) -> None:
    consenting.record("build")
    if name == "named like a run":
        name = f"{time.time_ns():020d}-{'0' * 32}.json"
    make(consenting.machine.queue / name)
    old = name.startswith("0000000000")
    consenting.record("deploy")

    report = consenting.deliver(loopback.url)

    assert report.left == 0
    assert loopback.commands == ["build", "deploy"]
    assert consenting.machine.queued() == []
    aside = [path.name for path in (consenting.machine.telemetry / "set-aside").glob("*")]
    if old and make is not _folder:
        assert (aside, consenting.state.dropped) == ([], 1)
    else:
        assert (aside, consenting.state.set_aside) == ([name], 1)


@pytest.mark.parametrize("make", KINDS, ids=lambda make: str(make.__name__))
@pytest.mark.parametrize(
    "name", ["notes", ".notes", "0000000000000000001-short.json", f"{'n' * 20}-otes.json", f"{'٣' * 20}-digits.json"]
)
def test_what_has_another_name_is_left_alone(
    consenting: Consenting, loopback: Loopback, make: Callable[[Path], None], name: str
) -> None:
    consenting.record("build")
    foreign = consenting.machine.queue / name
    make(foreign)
    os.utime(foreign, (1, 1), follow_symlinks=False)
    before = foreign.lstat()

    assert consenting.deliver(loopback.url).left == 0

    assert loopback.commands == ["build"]
    assert foreign.lstat() == before, "not even read"
    assert consenting.status["queued"] == consenting.status["set_aside"] == 0


@pytest.mark.parametrize("holding", ["nothing", "a run"])
def test_a_pipe_that_somebody_holds_open_is_set_aside_too(
    consenting: Consenting, loopback: Loopback, holding: str
) -> None:
    pipe = consenting.machine.queue / f"{time.time_ns():020d}-{'0' * 32}.json"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR)
    try:
        run = consenting.record("build")
        if holding == "a run":
            os.write(held, run.read_bytes())

        assert consenting.deliver(loopback.url).left == 0
    finally:
        os.close(held)
    assert loopback.commands == ["build"]


@pytest.mark.parametrize("make", [_torn, _folder])
def test_the_same_name_can_be_set_aside_again(
    consenting: Consenting, loopback: Loopback, make: Callable[[Path], None]
) -> None:
    name = f"{time.time_ns():020d}-{'0' * 32}.json"
    for _ in range(3):
        make(consenting.machine.queue / name)
        assert consenting.deliver(loopback.url).left == 0

    assert consenting.status["set_aside"] == 3
    assert len(list((consenting.machine.telemetry / "set-aside").iterdir())) == 3


def test_folders_with_hidden_names_do_not_stop_delivery(consenting: Consenting, loopback: Loopback) -> None:
    hidden = consenting.machine.queue / f".{1:020d}-{'0' * 32}.json"
    hidden.mkdir()
    os.utime(hidden, (1, 1))
    consenting.record("build")

    assert consenting.deliver(loopback.url).left == 0
    assert loopback.commands == ["build"]


@given(content=st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_other_bytes_are_ever_a_run(content: bytes) -> None:
    from sst_core import SST, Locations, utc_now
    from sst_telemetry.batch import compose

    with tempfile.TemporaryDirectory() as folder:
        locations = Locations.of(SST, {"HOME": folder})
        locations.queue.mkdir(parents=True)
        path = locations.queue / "x"
        path.write_bytes(content)

        composed = compose(SST, locations, [path], utc_now())

        assert (composed.lines, *composed.no_runs, *composed.of_others) == ((), path)


def test_a_folder_that_was_deleted_is_made_again(machine: Machine, consenting: Consenting) -> None:
    machine.project('build = ["true"]')
    consenting.hold_back_senders()
    machine.queue.rmdir()

    assert machine.sst("build").returncode == 0

    assert len(machine.queued()) == 1
    assert machine.queue.stat().st_mode & 0o777 == 0o700


def test_a_run_whose_consent_goes_in_its_midst_makes_nothing(machine: Machine, consenting: Consenting) -> None:
    # This plugin is told first, so that telemetry's own finds the folder gone.
    machine.install(
        "zz_withdraw",
        "import os, shutil, sys\n"
        "from sst_core import hookimpl\n"
        "class Withdraw:\n"
        "    @hookimpl(tryfirst=True)\n"
        "    def on_command_invoked(self):\n"
        f"        print(len(os.listdir({str(machine.queue)!r})), 'recorded before', file=sys.stderr)\n"
        f"        shutil.rmtree({str(machine.telemetry)!r})\n"
        "plugin = Withdraw()\n",
        {"sst.plugins": {"zz_withdraw": "zz_withdraw:plugin"}},
    )
    machine.project('build = ["echo", "built"]')

    ended = machine.sst("build")

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "built\n", "0 recorded before\n")
    assert not machine.telemetry.exists()


def test_what_somebody_else_has_tidied_up_is_nothing_to_set_aside_or_remove(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue")
    queue.folder.mkdir()

    queue.set_aside(queue.folder / "gone")
    queue._remove_abandoned(queue.folder / ".gone", time.time())

    assert list((tmp_path / "set-aside").iterdir()) == []


def test_a_write_that_ends_early_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue, write = Queue(tmp_path / "queue"), os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:3]))

    with pytest.raises(OSError, match="No space left on device"):
        queue.put("0" * 32, b'{"command": "build"}')

    assert list(queue.folder.iterdir()) == []
