"""A community that never was: a year of runs of some five hundred machines, taken in by a real collector's parts.

`python tests/community.py FOLDER` fills a data folder with it and publishes its closed weeks. The same seed gives
the same runs.
"""

import json
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from collecting import Values
from sst_collector.journal.writing import Journal, rejection
from sst_collector.loader import load
from sst_collector.publishing.publication import publish, snapshot_of
from sst_collector.warehouse.duckdb.warehouse import opened
from sst_core import SST, write_private

Value = TypeVar("Value")

WEEKS = 52
MACHINES = 480
VERSIONS = ("0.1.0", "0.2.0", "0.2.1", "0.3.0", "0.4.0")
"""One comes out about every ten weeks."""
COMMANDS = {"build": 46, "start": 30, "deploy": 14, "diff": 6, "remove": 1.2, "plugin": 2.4, "collector": 0.15}
SYSTEMS = {
    ("linux", "ubuntu-24"): 24,
    ("linux", "debian-12"): 14,
    ("linux", "debian-13"): 7,
    ("linux", "fedora"): 6,
    ("linux", "ubuntu-22"): 6,
    ("linux", "amzn-2023"): 2,
    ("linux", "other"): 4,
    ("darwin", None): 31,
    ("win32", None): 9,
    ("other", None): 0.6,
}
CPUS = {1: 0.5, 2: 4, 4: 14, 8: 45, 16: 27, 32: 3}
PYTHONS = {"3.11": 28, "3.12": 38, "3.13": 30, "3.14": 2}


@dataclass(frozen=True, slots=True)
class Member:
    """One machine. It joins in some week, and is in use in some share of the weeks."""

    facts: Values
    joins: int
    use: float
    slow: int
    """Weeks until it takes a new version."""


def members(rng: random.Random) -> list[Member]:
    """Everybody."""
    everybody = []
    for _ in range(MACHINES):
        platform, distro = _one(rng, SYSTEMS)
        arm = rng.random() < (0.8 if platform == "darwin" else 0.07)
        facts = {
            "systemPlatform": platform,
            "distro": distro,
            "systemArchitecture": "arm64" if arm else "x64",
            "cpuCount": _one(rng, CPUS),
            "pythonVersion": _one(rng, PYTHONS),
        }
        everybody.append(Member(facts, max(0, int(rng.gauss(12, 16))), rng.uniform(0.3, 0.95), rng.randrange(9)))
    return everybody


def runs_of(week: int, everybody: list[Member], rng: random.Random) -> Iterator[Values]:
    """What arrives in the week of that number, in CI too."""
    for member in everybody:
        if week < member.joins or rng.random() > member.use * (0.45 if week == WEEKS - 47 else 1):
            continue
        anonymous_id = rng.randbytes(16).hex()
        version = VERSIONS[min(len(VERSIONS) - 1, max(0, week - member.slow) // 10)]
        for _ in range(1 + int(rng.expovariate(1 / 3))):
            yield _a_run(rng, anonymous_id, version, {"command": _one(rng, COMMANDS), **member.facts})
    for _ in range(60 + 4 * week):
        facts = {"command": "deploy", "isCI": True, "ciName": "github-actions", "systemPlatform": "linux"}
        yield _a_run(rng, rng.randbytes(16).hex(), VERSIONS[min(len(VERSIONS) - 1, week // 10)], facts)


def fill(folder: Path, now: datetime, weeks: int = WEEKS, min_machines: int = 10, seed: int = 5) -> None:
    """Make `folder` a collector's data folder into which the last `weeks` closed weeks came, and publish them."""
    rng = random.Random(seed)
    everybody = members(rng)
    clock = now - timedelta(weeks=weeks)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "lock").touch()
    journal = Journal(folder / "journal", lambda: clock)
    with opened(folder / "warehouse.duckdb", SST.catalogue) as warehouse:
        for week in range(WEEKS - weeks, WEEKS):
            journal.write([json.dumps(run).encode() for run in runs_of(week, everybody, rng)])
            journal.write([rejection(rng.randrange(4))])
            clock += timedelta(weeks=1)
        load(journal.rotate(), warehouse)
        publish(warehouse, SST.catalogue, min_machines, now)
        snapshot = snapshot_of(warehouse, SST.catalogue, min_machines, now).to_json()
    write_private(folder / "snapshot.json", snapshot)


def _a_run(rng: random.Random, anonymous_id: str, version: str, facts: Values) -> Values:
    machine = {"systemPlatform": "linux", "systemArchitecture": "x64", "distro": "ubuntu-24", "cpuCount": 4}
    ids = {"anonymousId": anonymous_id, "sessionId": rng.randbytes(16).hex()}
    rest = {"sstVersion": version, "isCI": False, "ciName": None, "pythonVersion": "3.12"}
    return {**ids, **machine, **rest, **facts}


def _one(rng: random.Random, shares: Mapping[Value, float]) -> Value:
    return rng.choices(list(shares), list(shares.values()))[0]


if __name__ == "__main__":
    fill(Path(sys.argv[1]), datetime.now(UTC))
