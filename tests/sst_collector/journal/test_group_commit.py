import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sst_collector.journal.group_commit import GroupCommit
from sst_collector.journal.writing import Journal

RECORDS = [b'{"n":%d}' % number for number in range(50)]


@contextmanager
def failing_disk() -> Iterator[None]:
    """Nothing reaches it."""

    def fail(_descriptor: int) -> None:
        raise OSError("no")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sst_collector.journal.writing._sync", fail)
        yield


class WatchedJournal(Journal):
    """A journal whose first write waits to be let go, and that remembers what it was given."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, lambda: datetime(2026, 11, 23, tzinfo=UTC))
        self.entered, self.go = threading.Event(), threading.Event()
        self.writes: list[int] = []

    def write(self, records: Sequence[bytes]) -> None:
        self.entered.set()
        self.go.wait()
        self.writes.append(len(records))
        super().write(records)


@pytest.fixture
def journal(tmp_path: Path) -> WatchedJournal:
    return WatchedJournal(tmp_path / "journal")


def test_requests_that_wait_at_the_same_time_share_one_sync(journal: WatchedJournal) -> None:
    async def scenario() -> tuple[Path, ...]:
        with ThreadPoolExecutor(1) as thread:
            commit = GroupCommit(journal, thread)
            first = asyncio.create_task(commit.append(RECORDS[:1]))
            await asyncio.to_thread(journal.entered.wait)
            others = [asyncio.create_task(commit.append([record])) for record in RECORDS[1:]]
            await asyncio.sleep(0)
            assert not first.done()
            journal.go.set()
            await asyncio.gather(first, *others)
            return await commit.rotate()

    (segment,) = asyncio.run(scenario())
    assert journal.writes == [1, 49]
    assert len(segment.read_bytes().splitlines()) == 50


def test_a_client_that_goes_away_takes_nothing_from_the_others(journal: WatchedJournal) -> None:
    async def scenario() -> tuple[Path, ...]:
        with ThreadPoolExecutor(1) as thread:
            commit = GroupCommit(journal, thread)
            gone, stays = (asyncio.create_task(commit.append([record])) for record in RECORDS[:2])
            await asyncio.to_thread(journal.entered.wait)
            gone.cancel()
            journal.go.set()
            await stays
            return await commit.rotate()

    (segment,) = asyncio.run(scenario())
    assert len(segment.read_bytes().splitlines()) == 2


def test_a_failure_is_everybodys_and_the_next_commit_is_tried(journal: WatchedJournal) -> None:
    async def scenario() -> tuple[Path, ...]:
        with ThreadPoolExecutor(1) as thread:
            commit = GroupCommit(journal, thread)
            with failing_disk():
                results = await asyncio.gather(*(commit.append([record]) for record in RECORDS), return_exceptions=True)
            assert all(isinstance(result, OSError) for result in results)
            await commit.append(RECORDS)
            return await commit.rotate()

    journal.go.set()
    (segment,) = asyncio.run(scenario())
    assert len(segment.read_bytes().splitlines()) == 50


def test_a_journal_that_took_nothing_is_tried_again_and_nothing_is_left_of_that(journal: WatchedJournal) -> None:
    async def scenario() -> tuple[Path, ...]:
        with ThreadPoolExecutor(1) as thread:
            commit = GroupCommit(journal, thread)
            with failing_disk():
                with pytest.raises(OSError, match="no"):
                    await commit.append(RECORDS)
                await commit.try_again()
                assert commit.failure == "The journal takes nothing: OSError."
            await commit.try_again()
            assert commit.failure is None
            return await commit.rotate()

    journal.go.set()
    assert asyncio.run(scenario()) == ()
