"""What `sst build` adds over calling the tool directly: the same build both ways, in pairs, in an order of chance.

    python benchmarks/delegating.py [--pairs 20]

Ends with 1 where more than 5 % of a build, or more than 100 ms, is added.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from measuring import Run, run
from sst_core.testing import PROGRAM
from surroundings import surroundings

SHARE, SECONDS = 0.05, 0.1
"""The most that may be added."""
SHOP = Path(__file__).parents[1] / "examples" / "shop"


@dataclass(frozen=True, slots=True)
class Way:
    """One build by a tool, called directly and through us."""

    name: str
    folder: Path
    directly: Sequence[str]
    environ: Mapping[str, str]
    share_counts: bool = True
    """Whether it takes long enough for a share of it to say anything."""


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    pairs = parser.parse_args().pairs
    print(surroundings())
    print(f"{pairs} pairs. Medians, and in brackets the least and the most.\n")
    print("| what is run | directly, ms | through `sst`, ms | added, ms | CPU added, ms | ÷ directly |")
    print("|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as scratch:
        return max([_measure(way, pairs) for way in _ways(Path(scratch))])


def _ways(scratch: Path) -> list[Way]:
    home = scratch / "home"
    home.mkdir()
    environ = {
        "HOME": str(home),
        "PATH": os.pathsep.join([*filter(None, [os.environ.get("SST_TEST_AWS", "") + "/bin"]), os.environ["PATH"]]),
        "SAM_CLI_TELEMETRY": "0",
        "SST_TELEMETRY_DISABLED": "1",
        "SST_STAGE": "dev",
    }
    shop = scratch / "shop"
    shutil.copytree(SHOP, shop, ignore=shutil.ignore_patterns(".sst", "__pycache__"))
    tool = scratch / "nothing"
    tool.mkdir()
    (tool / "sst.toml").write_text('[tasks]\nbuild = ["true"]\n')
    for file in (shop / "sst.toml", shop / "template.yaml", tool / "sst.toml"):
        file.chmod(0o644)
    template, built = str(shop / "template.yaml"), str(shop / ".sst" / "build" / "dev" / "sam")
    directly = ["sam", "build", "--template-file", template, "--build-dir", built]
    return [
        Way("`sam build` of examples/shop", shop, directly, environ),
        Way("`true`, as a task", tool, ["true"], environ, share_counts=False),
    ]


def _measure(way: Way, pairs: int) -> int:
    taken: dict[str, list[Run]] = {"directly": [], "through": []}
    commands = {"directly": way.directly, "through": [str(PROGRAM), "build"]}
    for number in range(pairs + 1):
        for which in random.sample(sorted(commands), 2):
            took = run(commands[which], way.environ, way.folder, cap=120.0)
            if number:  # the first pair warms the caches
                taken[which].append(took)
    both = list(zip(taken["directly"], taken["through"], strict=True))
    added = [through.wall - directly.wall for directly, through in both]
    ratio = median([through.wall / directly.wall for directly, through in both])
    cpu = [through.cpu - directly.cpu for directly, through in both]
    walls = [[each.wall for each in taken[which]] for which in commands]
    cells = [_spread(values) for values in (*walls, added, cpu)]
    print(f"| {way.name} | {' | '.join(cells)} | {ratio:.3f} |", flush=True)
    return int(median(added) > SECONDS or (way.share_counts and ratio - 1 > SHARE))


def _spread(values: Sequence[float]) -> str:
    low, middle, high = (value * 1000 for value in (min(values), median(values), max(values)))
    return f"{middle:.0f} ({low:.0f}–{high:.0f})"  # noqa: RUF001 - a dash between numbers


if __name__ == "__main__":
    sys.exit(main())
