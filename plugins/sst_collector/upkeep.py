"""Upkeep: at its own pace, what was taken in becomes part of what is published."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from math import inf
from pathlib import Path

from sst_collector.journal.group_commit import GroupCommit
from sst_collector.loader import load
from sst_collector.log import Trouble, in_words, log
from sst_collector.metrics import Metrics
from sst_collector.publishing.publication import publish, snapshot_of
from sst_collector.publishing.site import Site, last_site, site
from sst_collector.site_key import SiteKey
from sst_collector.warehouse.clock_ahead import ClockAheadError, refuse_if_ahead
from sst_collector.warehouse.protocol import Warehouse
from sst_collector.weeks import Clock
from sst_core import Catalogue, week_of, write_private

LOAD_SECONDS = 5.0
"""How long a segment that has grown to its size waits for the loader, between two rounds."""
RETRY_SECONDS = 5.0
"""How soon after a failure there is a round again; each time that fails too, it is twice as long, up to the cadence."""
STUCK_SECONDS = 600.0
"""How much later than it should a round may end well before the loader is taken for stuck."""


class Upkeep:
    """Rotates the journal, loads what is closed and publishes it. `thread` is where all that blocks is done."""

    site: Site
    """What is published now."""

    def __init__(
        self,
        *,
        commit: GroupCommit,
        open_warehouse: Callable[[], AbstractContextManager[Warehouse]],
        thread: Executor,
        catalogue: Catalogue,
        program: str,
        snapshot_file: Path,
        min_machines: int,
        keep_days: int,
        site_key: SiteKey,
        metrics: Metrics,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._commit = commit
        self._open_warehouse = open_warehouse
        self._thread = thread
        self._catalogue = catalogue
        self._program = program
        self._snapshot_file = snapshot_file
        self._min_machines = min_machines
        self._keep = timedelta(days=keep_days)
        self._site_key = site_key
        self._metrics = metrics
        self._clock = clock
        self._monotonic = monotonic
        self._every = 0.0
        self._pause = RETRY_SECONDS
        self._retry_at = inf
        self._last_good = monotonic()
        self._loading = Trouble("loading and publishing works again")
        self._retiring = Trouble("the site key can be retired again")
        self.site = last_site(snapshot_file, catalogue, program, min_machines)

    async def run(self, every: float) -> None:
        """A round now and one every `every` seconds, until cancelled; after a failure sooner.

        In between, what the journal closes is loaded.
        """
        self._every = every
        while True:
            await self.round()
            ends = self._monotonic() + every
            while (left := min(ends, self._retry_at) - self._monotonic()) > 0:
                await asyncio.sleep(min(left, LOAD_SECONDS))
                if left > LOAD_SECONDS and self._loading.what is None:
                    await self.load_closed()

    @property
    def failure(self) -> str | None:
        """What failed when it was last tried; None if nothing did."""
        return " ".join(filter(None, (self._loading.what, self._retiring.what))) or None

    def health(self) -> str | None:
        """What is wrong with loading, publishing and the site key; None if nothing is."""
        if self.failure is not None:
            return self.failure
        if self.seconds_since_good() > self._every + STUCK_SECONDS:
            return f"No round has ended for {self.seconds_since_good():.0f} s: the loader is stuck."
        return None

    def seconds_since_good(self) -> float:
        """Seconds since a round ended well, or since the start."""
        return self._monotonic() - self._last_good

    async def round(self) -> None:
        """One round. A failure goes to :attr:`failure`: the journal has everything, and :meth:`run` tries again."""
        # The time comes first: whatever arrives after the rotation is then of this week or a later one, so the weeks
        # before it are complete.
        now = self._clock()
        await self._retire(week_of(now))
        await self._load_and_publish(now)
        if self.failure is None:
            self._last_good = self._monotonic()
            self._pause, self._retry_at = RETRY_SECONDS, inf
            self._metrics.rounds += 1
        else:
            self._note_failed_round()

    async def load_closed(self) -> None:
        """Load the segments that are closed, if there are any, and publish nothing."""
        try:
            if segments := await self._commit.closed():
                await asyncio.get_running_loop().run_in_executor(self._thread, self._load, segments, self._clock())
        except Exception as error:  # noqa: BLE001 - a server outlives whatever its warehouse or its disk do
            self._note_loading(error)
            self._note_failed_round()

    async def _retire(self, before: str) -> None:
        # On its own and first: the key goes when its week is over, whether or not there is a warehouse to load into.
        # What was taken in needs no key any more.
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._site_key.retire, before)
        except Exception as error:  # noqa: BLE001 - see above
            self._retiring.note(
                f"The site key can't be retired: {type(error).__name__}.",
                f"the site key can't be retired, and is tried again: {in_words(error)}",
            )
        else:
            self._retiring.note(None)

    async def _load_and_publish(self, now: datetime) -> None:
        try:
            segments = await self._commit.rotate()
            self.site = await asyncio.get_running_loop().run_in_executor(self._thread, self._publish, segments, now)
        except Exception as error:  # noqa: BLE001 - see above
            self._note_loading(error)
        else:
            self._loading.note(None)

    def _note_failed_round(self) -> None:
        # Mostly it is something that passes, such as another program that has the file open for a moment.
        self._retry_at = self._monotonic() + self._pause
        self._pause = min(2 * self._pause, self._every)
        self._metrics.failed_rounds += 1

    def _note_loading(self, error: Exception) -> None:
        is_for_all = isinstance(error, ClockAheadError)
        what = f"{error}" if is_for_all else f"Loading or publishing failed: {type(error).__name__}."
        self._loading.note(
            f"{what} What was taken in is kept.",
            f"{in_words(error)}; what was taken in is kept, and loading is tried again",
        )

    def _load(self, segments: Sequence[Path], now: datetime) -> None:
        with self._open_warehouse() as warehouse:
            refuse_if_ahead(warehouse, now)
            load(segments, warehouse)
        self._metrics.loaded += len(segments)

    def _publish(self, segments: Sequence[Path], now: datetime) -> Site:
        # Opened for the round only: between rounds the warehouse takes no memory and is free for other tools.
        with self._open_warehouse() as warehouse:
            refuse_if_ahead(warehouse, now)
            load(segments, warehouse)
            self._metrics.loaded += len(segments)
            # Before what may fail: what a machine asked to have forgotten goes, whatever becomes of the numbers.
            warehouse.expire(before=week_of(now - self._keep))
            weeks = publish(warehouse, self._catalogue, self._min_machines, now)
            snapshot = snapshot_of(warehouse, self._catalogue, self._min_machines, now).to_json()
        write_private(self._snapshot_file, snapshot)
        for week in weeks:
            log(f"published {week}")
        return site(snapshot, self._catalogue, self._program)
