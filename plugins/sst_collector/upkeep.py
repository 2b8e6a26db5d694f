"""Upkeep: at its own pace, what was taken in becomes part of what is published."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

from sst_collector.group_commit import GroupCommit
from sst_collector.loader import load
from sst_collector.publication import publish
from sst_collector.snapshot import last_published, replace
from sst_collector.warehouse import Warehouse, WarehouseError
from sst_collector.weeks import Clock
from sst_core import Catalogue


class Upkeep:
    """Rotates the journal, loads what is closed and publishes it. `thread` is where all that blocks is done."""

    snapshot: bytes
    """What is published now, in the form of `/stats.json`."""
    failure: str | None = None
    """Why the last round failed; None if it didn't."""

    def __init__(
        self,
        *,
        commit: GroupCommit,
        open_warehouse: Callable[[], AbstractContextManager[Warehouse]],
        thread: Executor,
        catalogue: Catalogue,
        snapshot_file: Path,
        min_machines: int,
        clock: Clock,
    ) -> None:
        self._commit = commit
        self._open_warehouse = open_warehouse
        self._thread = thread
        self._catalogue = catalogue
        self._snapshot_file = snapshot_file
        self._min_machines = min_machines
        self._clock = clock
        self.snapshot = last_published(snapshot_file, catalogue)

    async def run(self, every: float) -> None:
        """A round now, and one every `every` seconds, until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(every)

    async def round(self) -> None:
        """One round. A failure goes to :attr:`failure`: the journal has everything, and the next round tries again."""
        try:
            # The time comes first: whatever arrives after the rotation is then of this week or a later one, so the
            # weeks before it are complete.
            now = self._clock()
            segments = await self._commit.rotate()
            loop = asyncio.get_running_loop()
            self.snapshot = await loop.run_in_executor(self._thread, self._load_and_publish, segments, now)
        except Exception as error:  # noqa: BLE001 - a server outlives whatever its warehouse or its disk do
            self._fail(error)
        else:
            self.failure = None

    def _load_and_publish(self, segments: Sequence[Path], now: datetime) -> bytes:
        # Opened for the round only: between rounds the warehouse takes no memory and is free for other tools.
        with self._open_warehouse() as warehouse:
            load(segments, warehouse)
            snapshot = publish(warehouse, self._catalogue, self._min_machines, now).to_json()
        replace(self._snapshot_file, snapshot)
        return snapshot

    def _fail(self, error: Exception) -> None:
        failure = f"Loading or publishing failed: {type(error).__name__}. What was taken in is kept."
        if failure != self.failure:
            detail = f"{error}" if isinstance(error, WarehouseError | OSError) else type(error).__name__
            print(f"collector: {detail}; what was taken in is kept, and loading is tried again", file=sys.stderr)
        self.failure = failure
