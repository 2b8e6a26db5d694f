"""Whoever is killed, whenever: each run that reached the queue is counted exactly once, and nothing else is.

A few kills run with the other tests. The campaign, `nox -s kills`, is the same with SST_KILLS set to more.
"""

import os
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from sst_core.testing import Machine

if sys.platform != "linux":
    pytest.skip("what reaches the queue is seen by inotify, and senders are adopted: Linux", allow_module_level=True)

from killing.campaign import Campaign, campaign

KILLS = int(os.environ.get("SST_KILLS", "10"))
SEED = int(os.environ.get("SST_SEED", "0")) or secrets.randbits(32)


@pytest.mark.timeout(300 + 5 * KILLS)
def test_every_run_that_reached_the_queue_is_counted_exactly_once(
    machine: Machine, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    print(f"SST_SEED={SEED}")
    with campaign(machine, tmp_path / "collector", SEED) as field:
        field.kill(KILLS)
        assert field.senders.endings.keys() <= {0, -signal.SIGKILL, -signal.SIGALRM}, "none failed"
        field.deliver_the_rest()
        reached, sent = field.moments.reached, field.relay.sent
        expected = Counter(sent[session] for session in reached if session in sent)
        field.collector.wait_until(lambda: published(field) == expected)

        assert machine.queued() == []
        assert list(machine.telemetry.glob(".*")) == [], "nor is anything left of what was killed"
        assert sent.keys() == reached
        assert machines(field) == {1}, "no kill made this machine look like two"
        assert field.collector.stats()["rejected"] == 0
        field.collector.end()
        assert stored(field) == dict.fromkeys(reached, 1)
        field.collector.start()
        assert published(field) == expected, "after one more start too"

    record_property("kills", summary(field, len(reached)))


def published(field: Campaign) -> Counter[tuple[str, bool]]:
    """How many runs the collector publishes of each command; those in CI it counts in one number, whatever they were.

    That number is given to the commands by what was sent.
    """
    window = field.collector.stats()["windows"]["30"]
    counts = Counter({(total["value"], False): total["runs"] for total in window["command"]})
    in_ci = Counter(run for session, run in field.relay.sent.items() if run[1] and session in field.moments.reached)
    if in_ci.total() == sum(total["runs"] for total in window["ci"]):
        counts += in_ci
    return counts


def machines(field: Campaign) -> set[int]:
    """How many machines the collector publishes of each value."""
    window = field.collector.stats()["windows"]["30"]
    return {total["machines"] for name, totals in window.items() if name != "ci" for total in totals}


def stored(field: Campaign) -> dict[str, int]:
    """The rows of each session id in the warehouse."""
    with duckdb.connect(field.collector.data / "warehouse.duckdb", read_only=True) as warehouse:
        rows = warehouse.execute('SELECT "sessionId", count(*) FROM runs GROUP BY 1').fetchall()
    return {session.hex: count for session, count in rows}


def summary(field: Campaign, counted: int) -> str:
    """What happened, in numbers."""
    tally, relay, senders = field.tally, field.relay, field.senders
    kills = ", ".join(f"{count:,} {victim}" for victim, count in sorted(tally.kills.items()))
    aimed = "; ".join(f"{moment} {count:,}" for moment, count in sorted(tally.aimed.items()) if count)
    return "\n".join(
        [
            f"kills: {tally.kills.total():,} ({kills}) in {tally.rounds:,} rounds",
            f"  aimed at a moment {tally.aimed.total():,} ({aimed})",
            f"  runs started {tally.commands:,}; reached the queue {counted:,}; senders started {senders.started:,}",
            f"  requests {len(field.loopback.requests):,} with {relay.lines:,} lines: {relay.lines - counted:,} sent "
            f"again; acknowledged {relay.acknowledged:,}: {relay.acknowledged - counted:,} folded",
            f"  counted {counted:,}: each that reached the queue, once, and nothing else",
        ]
    )
