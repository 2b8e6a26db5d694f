"""Delivering what is queued: trim, compose, ask for consent, post, and remove only what is accounted for."""

import os
import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sst_core import ConfigurationError, Consent, Destination, SstError, find_destination, held, held_if_free, utc_now
from sst_telemetry.batch import Composed, Line, compose, requests_of
from sst_telemetry.burst import LAST_LOOK, Burst
from sst_telemetry.folder import Folder
from sst_telemetry.leftovers import remove_leftovers
from sst_telemetry.needed import needed
from sst_telemetry.queue import Queue
from sst_telemetry.state import (
    DeliveryState,
    LastDelivery,
    address_hint,
    read_state,
    sent_to,
    write_last_batch,
    write_state,
)

if TYPE_CHECKING:
    from sst_telemetry.post import Answer, Connection

MAX_REQUESTS = 32
"""The most that one sender makes."""
MAX_WAIT = timedelta(days=1).total_seconds()
"""No failure, and no collector, puts delivery off for longer, in seconds."""
MAX_DOUBTS = 4
"""Single runs that may be refused before it is taken for the address, and not for each of them, in one delivery."""
PATIENCE = 60.0
"""How long a delivery that a person asked for waits for a sender that is at work, in seconds. One sender in CI waits
too, as long as it lives."""
UNUSABLE_ADDRESS = "an address that can't be used"
"""The outcome where a request can't be made to the collector's address."""
UNUSABLE_SETTINGS = "proxy or certificate settings that can't be used"
"""The outcome where these keep a request from being made. What is in them may be secret."""
_FIRST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a delivery came to."""

    left: int
    """Runs that are still to be sent."""
    reason: str
    """Why something is left, or nothing was to be done."""
    of_others: int = 0
    """Runs that were found to be of another version, which alone can send them: this one can't vouch for what is in
    them."""


class Delivery:
    """One pass over the queue. The caller is a process that may be killed at any point: nothing is lost, and whatever
    is sent twice for it counts once."""

    def __init__(self, consent: Consent, clock: Callable[[], datetime] = utc_now) -> None:
        self._consent = consent
        self._product = consent.product
        self._clock = clock
        self._locations = consent.locations
        self._queue = Queue(self._locations.queue)
        self._requests = 0
        self._burst: Burst | None = None
        """In CI alone."""
        self._has_accounted = False
        """Whether the collector has, for any run, in this delivery: then it is one."""
        self._doubtful: list[Line] = []
        """Runs that were refused one by one, by what may be no collector."""
        self._of_others: set[Path] = set()
        """Runs of another version, found in this delivery."""

    def is_due(self) -> bool:
        """Whether there is something to send, and consent and an address to send it, as things stand now."""
        target = find_destination(self._product, self._consent.environ)
        return self._left() > 0 and target.url is not None and self._consent.decide().enabled

    def run(self, *, now_please: bool = False) -> Report:
        """Deliver what is queued. `now_please` does not wait for the time that an earlier failure set.

        Raises OSError for what the disk refuses, ConfigurationError for proxy settings that can't be used, and SstError
        for a part of the program that is missing.
        """
        if not self._locations.telemetry.is_dir():
            return Report(0, "nothing is queued")
        if not now_please:  # a person who delivers does not make up for senders that never come
            with suppress(OSError):
                Folder(self._locations.telemetry).came.touch(mode=0o600)
        if self._consent.ci is not None:  # from here on, since what it waits for the lock is of its life too
            stamp = Folder(self._locations.telemetry).stamp
            self._burst = Burst(self._waiting, stamp, 0.0 if now_please else LAST_LOOK)
        with ExitStack() as stack:
            try:
                lock = self._lock(stack, now_please)
            except TimeoutError:
                return Report(self._left(), "another sender is at work")
            os.write(lock, str(os.getpid()).encode())  # for `disable`, which ends a sender
            with suppress(OSError):  # what can't be deleted keeps nothing from being sent
                remove_leftovers(self._locations)
            return self._deliver(now_please)

    def _lock(self, stack: ExitStack, now_please: bool) -> int:
        """Raises TimeoutError where another is at work, whose next one it is.

        In CI there may be no next one: there a second sender waits. A third does not, since whoever waits has still to
        look at the queue.
        """
        try:
            return stack.enter_context(held(self._locations.lock, PATIENCE if now_please else 0.0))
        except TimeoutError:
            if now_please or self._consent.ci is None:
                raise
        with held_if_free(Folder(self._locations.telemetry).next_sender) as place:
            if place is None:
                raise TimeoutError
            return stack.enter_context(held(self._locations.lock, PATIENCE))

    def _left(self) -> int:
        return len(self._waiting())

    def _waiting(self) -> list[Path]:
        """What is queued and may be of this version: each of the others is read once."""
        return [path for path in self._queue.waiting() if path not in self._of_others]

    def _deliver(self, now_please: bool) -> Report:
        if not self._consent.decide().enabled:
            return Report(self._left(), "telemetry is off")
        now = self._clock().timestamp()
        self._remember(self._state().counting(dropped=self._queue.trim(now)))
        target = find_destination(self._product, self._consent.environ)
        if target.url is None:
            return Report(self._left(), target.where)
        not_before = self._state().not_before
        if not now_please and now < not_before <= now + MAX_WAIT:
            return Report(self._left(), "waiting after a failure")
        return self._post_all(target, target.url)

    def _post_all(self, target: Destination, url: str) -> Report:
        wait_for_runs = self._waiting if self._burst is None else self._burst.wait_for_runs
        waiting = wait_for_runs()
        if not waiting:
            return Report(0, "nothing is queued")  # and no client is imported
        while waiting:
            now = self._clock()
            for paths in requests_of(waiting, now):
                stopped = self._post_some(url, paths, now)
                if stopped is not None:
                    return self._report(f"{stopped} ({target.where}{address_hint(stopped)})")
            if self._doubtful:
                return self._report(f"{self._doubt_the_address()} ({target.where})")
            waiting = wait_for_runs()
        return self._report("everything is delivered")

    def _report(self, reason: str) -> Report:
        return Report(self._left(), reason, len(self._of_others))

    def _connected(self, url: str) -> "Connection":
        try:
            with needed(self._product):
                from sst_telemetry.post import AddressError, Connection

                return Connection(url, self._product.name)
        except ConfigurationError as error:
            is_address = isinstance(error, AddressError)
            self._note_unsendable(url, UNUSABLE_ADDRESS if is_address else UNUSABLE_SETTINGS)
            raise
        except SstError as error:
            self._note_unsendable(url, str(error))
            raise

    def _composed(self, url: str, paths: Sequence[Path], now: datetime) -> Composed:
        try:
            return compose(self._product, self._locations, paths, now)
        except SstError as error:
            self._note_unsendable(url, str(error))
            raise

    def _note_unsendable(self, url: str, why: str) -> None:
        """No request can be made, and a detached sender has no other way to tell the user."""
        now = self._clock()
        last = LastDelivery(_written(now), url, why, 0, 0)
        self._remember(_put_off(replace(self._before(url), last=last), now.timestamp(), None))

    def _post_some(self, url: str, paths: Sequence[Path], now: datetime) -> str | None:
        """Compose and post, on a connection of their own: it too would link two weeks. Returns why to stop, or None."""
        composed = self._composed(url, paths, now)
        for path in composed.no_runs:
            self._queue.set_aside(path)
        self._remember(self._state().counting(set_aside=len(composed.no_runs)))
        self._of_others.update(composed.of_others)
        if not composed.lines:
            return None
        with self._connected(url) as connection:
            return self._post(connection, url, composed.lines)

    def _post(self, connection: "Connection", url: str, lines: Sequence[Line]) -> str | None:
        """Post `lines`, in halves where the collector can't read them all. Returns why to stop, or None."""
        from sst_telemetry.post import Accounted, Failed

        if self._requests == MAX_REQUESTS:
            return "enough requests for one sender"
        if not self._consent.decide().enabled:
            return "telemetry was switched off"
        self._requests += 1
        # By the week of its id, and not of this moment: a retry has the id that its name says.
        lines = [replace(line, path=self._queue.pinned(line.path, line.week)) for line in lines]
        contents = [line.content for line in lines]
        before, last = self._note_attempt(url, contents)
        answer = connection.post(contents)
        self._note_answer(before, last, answer)
        if isinstance(answer, Failed):
            return answer.outcome
        if isinstance(answer, Accounted):
            self._account(lines, rejected=answer.rejected)
            return None
        if len(lines) == 1:
            return self._refused(lines[0])
        middle = len(lines) // 2
        # The newest first: it is what an old version recorded that a collector is likeliest not to read.
        return self._post(connection, url, lines[middle:]) or self._post(connection, url, lines[:middle])

    def _note_attempt(self, url: str, contents: Sequence[bytes]) -> tuple[DeliveryState, LastDelivery]:
        """Keep what is about to be posted, and put off the next sender as after a failure: a request that never returns
        is seen by the user too. Returns what was remembered before, and what the attempt is."""
        from sst_telemetry.post import body

        now, before = self._clock(), self._before(url)
        write_last_batch(self._locations.telemetry, body(contents))
        last = LastDelivery(_written(now), url, "none yet", len(contents), 0)
        self._remember(_put_off(_with_collector(before, last), now.timestamp(), None))
        return before, last

    def _before(self, url: str) -> DeliveryState:
        """What is remembered; where that was lost, what `forget` would take it for: it is about to be written anew."""
        return replace(self._state(), sent_to=sent_to(self._locations.telemetry, url))

    def _note_answer(self, before: DeliveryState, last: LastDelivery, answer: "Answer") -> None:
        """Keep what came of it. The next sender stays put off after a failure alone."""
        from sst_telemetry.post import Accounted, Failed

        accepted = answer.accepted if isinstance(answer, Accounted) else 0
        last = replace(last, outcome=answer.outcome, accepted=accepted)
        if not isinstance(answer, Failed):
            self._remember(_with_collector(before, last))
            return
        after = replace(before, last=last) if answer.unsent else _with_collector(before, last)
        self._remember(_put_off(after, self._clock().timestamp(), answer.retry_after))

    def _account(self, lines: Sequence[Line], *, rejected: int) -> None:
        """Remove what the collector has accounted for, and with it what was in doubt until it did."""
        self._has_accounted = True
        rejected += len(self._doubtful)
        for line in (*lines, *self._doubtful):
            line.path.unlink(missing_ok=True)
        self._doubtful.clear()
        self._remember(replace(self._state().counting(rejected=rejected), failures=0, not_before=0.0))

    def _refused(self, line: Line) -> str | None:
        """One run was refused by itself. It is to blame only where another was accounted for."""
        self._doubtful.append(line)
        if self._has_accounted:
            self._account((), rejected=0)
        return self._doubt_the_address() if len(self._doubtful) == MAX_DOUBTS else None

    def _doubt_the_address(self) -> str:
        """Every run was refused, so all are kept: a wrong address, or a proxy, says so to whatever it is sent."""
        self._remember(_put_off(self._state(), self._clock().timestamp(), None))
        return "nothing but refusals"

    def _state(self) -> DeliveryState:
        return read_state(self._locations.telemetry)

    def _remember(self, state: DeliveryState) -> None:
        if state != self._state():
            write_state(self._locations.telemetry, state)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat("T", "seconds")


def _with_collector(before: DeliveryState, last: LastDelivery) -> DeliveryState:
    return replace(before, sent_to=tuple(dict.fromkeys((*before.sent_to, last.url))), last=last)


def _put_off(state: DeliveryState, now: float, retry_after: float | None) -> DeliveryState:
    """Exponential backoff with full jitter in its upper half; never earlier than the collector asked for."""
    wait = min(_FIRST_WAIT * 2 ** min(state.failures, 20), MAX_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311
    wait = min(max(wait, retry_after or 0.0), MAX_WAIT)
    return replace(state, failures=state.failures + 1, not_before=now + wait)
