import errno
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sst_collector.journal.writing import Journal, rejection

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def lines(*segments: Path) -> list[object]:
    return [json.loads(line) for segment in segments for line in segment.read_bytes().splitlines()]


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow: the write fails in the kernel, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal", lambda: NOW)
    yield journal
    journal.close()


def test_a_record_is_kept_with_the_week_in_which_it_arrived(journal: Journal) -> None:
    journal.write([b'{"command":"build"}', rejection(3)])
    assert lines(*journal.rotate()) == [{"week": "2026-W48", "command": "build"}, {"week": "2026-W48", "rejected": 3}]


def test_segments_are_named_oldest_first_those_of_an_earlier_process_included(journal: Journal, tmp_path: Path) -> None:
    journal.write([b'{"n":1}'])
    journal.rotate()
    journal.write([b'{"n":2}'])
    later = Journal(tmp_path / "journal", lambda: NOW)
    later.write([b'{"n":3}'])
    segments = later.rotate()
    assert [line["n"] for line in lines(*segments) if isinstance(line, dict)] == [1, 2, 3]


def test_a_name_never_comes_back_after_its_segment_was_deleted(journal: Journal) -> None:
    journal.write([b'{"n":1}'])
    (first,) = journal.rotate()
    first.unlink()
    journal.write([b'{"n":1}'])
    (second,) = journal.rotate()
    assert first.name != second.name


def test_nothing_written_is_no_segment(journal: Journal) -> None:
    assert journal.rotate() == ()


def test_a_segment_that_is_large_enough_is_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", lambda: NOW, segment_bytes=50)  # two lines
    for number in range(5):
        journal.write([b'{"n":%d}' % number])
    assert [len(lines(segment)) for segment in journal.rotate()] == [2, 2, 1]


def test_what_is_in_the_folder_is_private(journal: Journal, tmp_path: Path) -> None:
    journal.write([b'{"n":1}'])
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "journal").iterdir()] == [0o600]


def test_a_full_disk_is_reported_and_spoils_nothing_that_was_written(journal: Journal) -> None:
    journal.write([b'{"n":1}'])
    with full_disk():
        for _ in range(3):
            with pytest.raises(OSError) as failed:
                journal.write([b'{"n":2}'])
            assert failed.value.errno == errno.EFBIG
    journal.write([b'{"n":3}'])
    assert lines(*journal.rotate()) == [{"week": "2026-W48", "n": 1}, {"week": "2026-W48", "n": 3}]


def test_after_a_failed_sync_nothing_is_appended_to_that_file(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.write([b'{"n":1}'])
    with monkeypatch.context() as broken:
        broken.setattr(
            "sst_collector.journal.writing._sync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error"))
        )
        with pytest.raises(OSError, match="I/O error"):
            journal.write([b'{"n":2}'])
    journal.write([b'{"n":3}'])
    assert [line["n"] for line in lines(journal.rotate()[-1]) if isinstance(line, dict)] == [3]


def test_a_segment_whose_name_is_not_durable_is_not_begun(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_folder: Path) -> None:
        raise OSError(errno.EIO, "the disk is going")

    with monkeypatch.context() as patch:
        patch.setattr("sst_collector.journal.writing.sync_path", failing)
        with pytest.raises(OSError, match="the disk is going"):
            journal.write([b'{"command":"build"}'])
    assert journal.rotate() == ()

    journal.write([b'{"command":"deploy"}'])
    assert lines(*journal.rotate()) == [{"week": "2026-W48", "command": "deploy"}]
