"""Group commit: requests that wait at the same time share one sync of the journal, off the event loop."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from sst_collector.journal import Journal
from sst_collector.log import log


class GroupCommit:
    """The journal for many requests. `thread` has one worker: the journal's one writer."""

    failure: str | None = None
    """Why the last commit failed; None if it didn't."""

    def __init__(self, journal: Journal, thread: Executor) -> None:
        self._journal = journal
        self._thread = thread
        self._gathering: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._committing: asyncio.Task[None] | None = None

    async def append(self, records: Sequence[bytes]) -> None:
        """Return once `records` are durable. Raises OSError; then none of them is acknowledged."""
        # Everybody waits for a future of their own: a client that goes away takes nothing from the others.
        committed = asyncio.get_running_loop().create_future()
        self._gathering += records
        self._waiting.append(committed)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_gathered())
        await committed

    async def rotate(self) -> tuple[Path, ...]:
        """See :meth:`Journal.rotate`. The commit that is under way comes first."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.rotate)

    async def closed(self) -> tuple[Path, ...]:
        """See :meth:`Journal.closed`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.closed)

    async def _commit_gathered(self) -> None:
        try:
            while self._waiting:  # while one commit is under way, the next gathers
                records, self._gathering = self._gathering, []
                waiting, self._waiting = self._waiting, []
                await self._commit(records, waiting)
        finally:
            self._committing = None

    async def _commit(self, records: Sequence[bytes], waiting: Sequence["asyncio.Future[None]"]) -> None:
        error: Exception | None = None
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.write, records)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is for those who wait
            error = failure
        self._note(error)
        for committed in waiting:
            if committed.done():  # cancelled: nobody is there any more
                continue
            if error is None:
                committed.set_result(None)
            else:
                committed.set_exception(error)

    def _note(self, error: Exception | None) -> None:
        failure = None
        if error is not None:
            failure = f"The journal takes nothing: {getattr(error, 'strerror', None) or type(error).__name__}."
        if failure != self.failure:
            log("the journal takes in again" if failure is None else f"{failure} Requests are answered with 503.")
        self.failure = failure
