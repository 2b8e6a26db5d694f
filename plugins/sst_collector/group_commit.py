"""Group commit: requests that wait at the same time share one sync of the journal, off the event loop."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from sst_collector.journal import Journal


class GroupCommit:
    """The journal for many requests. `thread` has one worker: the journal's one writer."""

    def __init__(self, journal: Journal, thread: Executor) -> None:
        self._journal = journal
        self._thread = thread
        self._turn = asyncio.Lock()
        self._gathering: list[bytes] = []
        self._commit: asyncio.Task[None] | None = None

    async def append(self, records: Sequence[bytes]) -> None:
        """Return once `records` are durable. Raises OSError; then none of them is acknowledged."""
        self._gathering += records
        if self._commit is None:
            self._commit = asyncio.create_task(self._commit_gathered())
        # The commit is everybody's: a client that goes away takes nothing from the others.
        await asyncio.shield(self._commit)

    async def rotate(self) -> tuple[Path, ...]:
        """See :meth:`Journal.rotate`. The commit that is under way comes first."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.rotate)

    async def _commit_gathered(self) -> None:
        async with self._turn:  # while one commit is under way, the next gathers
            records, self._gathering, self._commit = self._gathering, [], None
            await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.write, records)
