"""What is sent to `/events`: each line sorted into what is journaled and what is refused, and the sender told which."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import falcon
import msgspec

from sst_collector.journal.writing import rejection
from sst_collector.log import Trouble, in_words, log
from sst_collector.metrics import Metrics
from sst_collector.receiving.body import Room, lines_of
from sst_collector.receiving.legacy import LegacyDecoder, is_legacy
from sst_collector.receiving.rates import Rates
from sst_collector.receiving.schema import RejectedLine
from sst_collector.site_key import NoKeyYet, SiteKey
from sst_core import SstError

LINES_A_REQUEST = 20
"""Each so many lines count as one request more of their source: what a forger needs is lines."""
RETRY_AFTER = 60
"""Seconds that a client is asked to wait when the disk takes nothing."""

Answered = Callable[[bytes | falcon.HTTPError], None]
"""Is given the receipt, or why there is none, once and not before what the receipt says is durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What takes in events."""

    record: Callable[[bytes], bytes]
    """The record of a line as our own client sends it. Raises :class:`RejectedLine`."""
    legacy: LegacyDecoder | None
    """None where the program that is served never had such a client."""
    site_key: SiteKey
    rates: Rates
    submit: Callable[[Sequence[bytes], Callable[[Exception | None], None]], None]
    """See :meth:`sst_collector.journal.group_commit.GroupCommit.submit`."""
    metrics: Metrics
    room: Room
    _fetching: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _trouble: Trouble = field(default_factory=lambda: Trouble("the site key can be used again"), init=False)

    def admit(self, address: str | None, forwarded: str | None) -> None:
        """Count a request of this source. Raises falcon's 429."""
        admit(self.rates, self.metrics, address, forwarded)

    def take_in(
        self, body: bytes, content_type: str | None, answered: Answered, address: str | None, forwarded: str | None
    ) -> None:
        """Journal what `body` of this source holds, and say what was. Raises falcon's 413 and 429."""
        lines = lines_of(body, content_type)
        charge(self.rates, self.metrics, address, forwarded, len(lines) // LINES_A_REQUEST)
        try:
            self._journal(self._sort(lines), answered)
        except NoKeyYet:
            task = asyncio.get_running_loop().create_task(self._with_key(lines, answered))
            self._fetching.add(task)  # the loop itself holds no task
            task.add_done_callback(self._fetching.discard)

    async def _with_key(self, lines: Sequence[bytes], answered: Answered) -> None:
        try:
            await self._fetch_key()
            self._journal(self._sort(lines), answered)
        except NoKeyYet:  # the fetch failed, or the week ended in this very moment
            answered(falcon.HTTPServiceUnavailable(description="Try again later.", retry_after=RETRY_AFTER))
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            answered(crashed(error))

    async def _fetch_key(self) -> None:
        try:
            await asyncio.to_thread(self.site_key.fetch)
        except (OSError, SstError) as error:
            self._trouble.note(f"the site key can't be used: {in_words(error)}")
        else:
            self._trouble.note(None)

    def _sort(self, lines: Sequence[bytes]) -> tuple[list[bytes], list["_Line"]]:
        records: list[bytes] = []
        rejected: list[_Line] = []
        for number, line in enumerate(lines, start=1):
            try:
                records.append(self.record(line))
            except RejectedLine as error:
                if self.legacy is not None and is_legacy(line):
                    self._sort_legacy(self.legacy, number, line, records, rejected)
                elif line.strip():
                    rejected.append(_Line(number, str(error)))
        return records, rejected

    def _sort_legacy(
        self, legacy: LegacyDecoder, number: int, line: bytes, records: list[bytes], rejected: list["_Line"]
    ) -> None:
        try:
            records.append(legacy.record(line, self.site_key.current()))
        except RejectedLine as error:
            rejected.append(_Line(number, str(error)))

    def _journal(self, sorted_: tuple[list[bytes], list["_Line"]], answered: Answered) -> None:
        records, rejected = sorted_

        def committed(error: Exception | None) -> None:
            if error is not None:
                answered(unstored(error, self.metrics))
                return
            self.metrics.accepted += len(records)
            self.metrics.rejected += len(rejected)
            answered(_ENCODER.encode(_Receipt(len(records), rejected)))

        self.submit([*records, rejection(len(rejected))] if rejected else records, committed)


class _Line(msgspec.Struct, frozen=True):
    line: int
    reason: str


class _Receipt(msgspec.Struct, frozen=True):
    accepted: int
    rejected: list[_Line]


_ENCODER = msgspec.json.Encoder()


def admit(rates: Rates, metrics: Metrics, address: str | None, forwarded: str | None) -> None:
    """Count a request of this source. Raises falcon's 429."""
    _refuse_if_early(rates.refuses(address, forwarded) if address else 0, metrics)


def charge(rates: Rates, metrics: Metrics, address: str | None, forwarded: str | None, requests: int) -> None:
    """Count a request of this source that was admitted as so many more. Raises falcon's 429."""
    _refuse_if_early(rates.charge(address, forwarded, requests) if address else 0, metrics)


def _refuse_if_early(wait: int, metrics: Metrics) -> None:
    if wait:
        metrics.limited += 1
        raise falcon.HTTPTooManyRequests(description="Send fewer and larger requests.", retry_after=wait)


def unstored(error: Exception, metrics: Metrics) -> falcon.HTTPError:
    """The answer when the journal raised `error`."""
    if not isinstance(error, OSError):
        return crashed(error)
    metrics.refused += 1
    return falcon.HTTPServiceUnavailable(
        description=f"Nothing was stored: {error.strerror}. Try again later.", retry_after=RETRY_AFTER
    )


def crashed(error: Exception) -> falcon.HTTPError:
    """The answer when something went wrong that should not. Its type is logged: the rest may hold what was sent."""
    log(f"a request failed: {type(error).__name__}")
    return falcon.HTTPInternalServerError()
