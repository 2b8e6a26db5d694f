"""Group commit: requests that wait at the same time share one sync of the journal, off the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from sst_collector.journal.writing import Journal
from sst_collector.log import Trouble

TRY_SECONDS = 5.0
"""Between two looks whether a journal that took nothing does again."""

Committed = Callable[[Exception | None], None]
"""Is called on the event loop, once: with None when the records are durable, else with why they are not."""


class GroupCommit:
    """The journal for many requests. `thread` has one worker: the journal's one writer."""

    failure: str | None = None
    """Why nothing could be written when that was last tried; None if it could."""

    def __init__(self, journal: Journal, thread: Executor) -> None:
        self._journal = journal
        self._thread = thread
        self._gathering: list[bytes] = []
        self._waiting: list[Committed] = []
        self._is_committing = False
        self._trouble = Trouble("the journal takes in again")

    def submit(self, records: Sequence[bytes], committed: Committed) -> None:
        """Have `records` written, and `committed` called."""
        self._gathering += records
        self._waiting.append(committed)
        if not self._is_committing:
            self._is_committing = True
            # What else is readable at this moment comes first, and along.
            asyncio.get_running_loop().call_soon(self._commit)

    async def append(self, records: Sequence[bytes]) -> None:
        """Return once `records` are durable. Raises OSError; then none of them is acknowledged."""
        done = asyncio.get_running_loop().create_future()
        self.submit(records, partial(_settle, done))
        await done

    async def rotate(self) -> tuple[Path, ...]:
        """See :meth:`Journal.rotate`. The commit that is under way comes first."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.rotate)

    async def closed(self) -> tuple[Path, ...]:
        """See :meth:`Journal.closed`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.closed)

    async def keep_trying(self) -> None:
        """While the journal takes nothing, try every few seconds whether it does again; until cancelled."""
        while True:
            await asyncio.sleep(TRY_SECONDS)
            await self.try_again()

    async def try_again(self) -> None:
        """Where the journal took nothing, find out whether it does again."""
        # A request may never come to find out: a balancer that is told of the failure sends none.
        if self.failure is None:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.try_out)
        except Exception as error:  # noqa: BLE001 - a server outlives whatever its disk does
            self._note(error)
        else:
            self._note(None)

    def _commit(self) -> None:
        records, self._gathering = self._gathering, []
        waiting, self._waiting = self._waiting, []
        written = asyncio.get_running_loop().run_in_executor(self._thread, self._journal.write, records)
        written.add_done_callback(partial(self._committed, waiting))

    def _committed(self, waiting: Sequence[Committed], written: "asyncio.Future[None]") -> None:
        error = written.exception()
        assert error is None or isinstance(error, Exception)
        self._note(error)
        if self._waiting:  # what was gathered meanwhile is written while these are answered
            self._commit()
        else:
            self._is_committing = False
        for committed in waiting:
            committed(error)

    def _note(self, error: Exception | None) -> None:
        self.failure = None
        if error is not None:
            self.failure = f"The journal takes nothing: {getattr(error, 'strerror', None) or type(error).__name__}."
        self._trouble.note(self.failure and f"{self.failure} Requests are answered with 503.")


def _settle(done: "asyncio.Future[None]", error: Exception | None) -> None:
    if done.done():  # cancelled: a client that goes away takes nothing from the others
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
