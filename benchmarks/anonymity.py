"""How anonymous is what is sent? 10,000 machines of an assumed mix, and how many share each combination of values.

The shares below are assumptions, in the range of public developer surveys; what counts is the comparison: the same
machines as they are recorded, and as they would be if their raw values were. Seeded: the same figures every time.
"""

import argparse
import random
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sst_core import SST, Bucket

Value = TypeVar("Value")

MACHINES = 10_000
SEED = 20261123
THRESHOLD = 10
"""Below so many machines a collector publishes nothing."""

SYSTEMS = {"win32": 42, "darwin": 30, "linux": 28}
LINUX = {
    "ubuntu": (45, {"18.04": 3, "20.04": 14, "22.04": 38, "24.04": 40, "26.04": 5}),
    "debian": (16, {"10.13": 4, "11.11": 22, "12.12": 58, "13.1": 16}),
    "fedora": (9, {"40": 12, "41": 22, "42": 36, "43": 30}),
    "amzn": (6, {"2": 35, "2023": 65}),
    "arch": (6, {"": 100}),
    "rhel": (4, {"7.9": 8, "8.10": 38, "9.6": 48, "10.0": 6}),
    "rocky": (3, {"8.10": 40, "9.6": 55, "10.0": 5}),
    "almalinux": (2, {"8.10": 40, "9.6": 55, "10.0": 5}),
    "linuxmint": (3, {"20.3": 10, "21.3": 45, "22.1": 45}),
    "opensuse-tumbleweed": (1, {"20261101": 100}),
    "opensuse-leap": (0.8, {"15.6": 90, "16.0": 10}),
    "alpine": (1, {"3.20.1": 30, "3.21.0": 30, "3.22.1": 40}),
    "manjaro": (1, {"25.0.1": 100}),
    "nixos": (0.8, {"24.11": 40, "25.05": 60}),
    "pop": (0.8, {"22.04": 100}),
    "gentoo": (0.2, {"2.17": 100}),
    "void": (0.2, {"": 100}),
    "kali": (0.2, {"2026.1": 100}),
}
CPUS = {2: 4, 4: 13, 6: 7, 8: 30, 10: 14, 11: 3, 12: 11, 14: 4, 16: 9, 20: 2, 24: 1.5, 32: 1, 48: 0.2, 64: 0.2, 96: 0.1}
PYTHONS = {"3.11": 30, "3.12": 36, "3.13": 28, "3.14": 6}
ARM_SHARE = {"win32": 0.02, "darwin": 0.8, "linux": 0.06}
VERSIONS = {"1.4.2": 55, "1.4.1": 25, "1.4.0": 12, "1.3.0": 8}


@dataclass(frozen=True, slots=True)
class Machine:
    """One simulated machine, with its raw values."""

    system: str
    arm: bool
    distro: str
    release: str
    cpus: int
    python: str
    patch: int
    version: str


def main() -> None:
    """Print the comparison as a table in Markdown."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    chance = random.Random(SEED)  # noqa: S311 - a simulation
    machines = [simulated(chance) for _ in range(MACHINES)]
    print(f"{MACHINES:,} machines, seed {SEED}:\n")
    print("| values | combinations | smallest | machines alone | in a group below 10 | median group of a machine |")
    print("|---|---:|---:|---:|---:|---:|")
    print(row("as recorded", [tuple(recorded(machine).values()) for machine in machines]))
    releases = [
        (*recorded(machine).values(), f"{machine.distro}-{machine.release.partition('.')[0]}") for machine in machines
    ]
    print(row("as recorded, but every distribution with its major version", releases))
    raw = [(m.system, m.arm, m.distro, m.release, m.cpus, f"{m.python}.{m.patch}", m.version) for m in machines]
    print(row("raw: every CPU count, full releases, Python with its patch", raw))
    for field in recorded(machines[0]):
        without = [tuple(value for key, value in recorded(machine).items() if key != field) for machine in machines]
        print(row(f"as recorded, without {field}", without))


def simulated(chance: random.Random) -> Machine:
    """One machine of the mix."""
    system = drawn(chance, SYSTEMS)
    distro = drawn(chance, {name: share for name, (share, _) in LINUX.items()}) if system == "linux" else ""
    return Machine(
        system=system,
        arm=chance.random() < ARM_SHARE[system],
        distro=distro,
        release=drawn(chance, LINUX[distro][1]) if distro else "",
        cpus=drawn(chance, CPUS),
        python=drawn(chance, PYTHONS),
        patch=chance.randint(0, 11),
        version=drawn(chance, VERSIONS),
    )


def recorded(machine: Machine) -> Mapping[str, object]:
    """What the catalogue leaves of it."""
    catalogue = SST.catalogue
    cpus = catalogue["cpuCount"].kind
    assert isinstance(cpus, Bucket)
    names = (f"{machine.distro}-{machine.release.partition('.')[0]}", machine.distro, "other")
    distro = next(name for name in names if catalogue["distro"].kind.accepts(name))
    return {
        "systemPlatform": machine.system,
        "systemArchitecture": "arm64" if machine.arm else "x64",
        "distro": distro if machine.system == "linux" else None,
        "cpuCount": cpus.of(machine.cpus),
        "pythonVersion": machine.python,
        "sstVersion": machine.version,
    }


def row(name: str, combinations: Iterable[tuple[object, ...]]) -> str:
    """How large the groups of equal machines are."""
    groups = Counter(combinations)
    alone = sum(size for size in groups.values() if size == 1)
    small = sum(size for size in groups.values() if size < THRESHOLD)
    median = statistics.median(size for size in groups.values() for _ in range(size))
    shares = f"{alone / MACHINES:.1%} | {small / MACHINES:.1%}"
    return f"| {name} | {len(groups):,} | {min(groups.values())} | {shares} | {median:.0f} |"


def drawn(chance: random.Random, shares: Mapping[Value, float]) -> Value:
    """One of the keys, by its share."""
    return chance.choices(list(shares), weights=list(shares.values()))[0]


if __name__ == "__main__":
    main()
