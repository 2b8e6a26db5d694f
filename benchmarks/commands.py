"""What telemetry costs a command: bare Typer, `sst` off and `sst` on, the same work, in one paired run.

Each round runs every contestant once, in an order of its own, so that a machine whose speed drifts treats all alike.
A ratio is the median of the rounds' ratios. The first contestant runs twice a round: their ratio shows the noise.
"""

import argparse
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SST = Path(sys.executable).with_name("sst")
WARM_UPS = 3

# What `sst build` does on a project whose task is `true`, with Typer and nothing else.
BARE_TYPER = """
import subprocess
import typer

app = typer.Typer(rich_markup_mode=None)

@app.command()
def build() -> None:
    raise typer.Exit(subprocess.run(["true"]).returncode)

@app.command()
def deploy() -> None:
    raise typer.Exit(subprocess.run(["true"]).returncode)

app()
"""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way of running the same command."""

    name: str
    arguments: Sequence[str]
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a whole process took, in seconds."""

    wall: float
    cpu: float


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="20 rounds")
    options = parser.parse_args()
    rounds = 20 if options.quick else options.rounds
    with tempfile.TemporaryDirectory(prefix="sst-bench-") as scratch:
        folder = Path(scratch)
        contestants = prepared(folder)
        for contestant in contestants * WARM_UPS:
            run(contestant, folder)
        costs: dict[str, list[Cost]] = {contestant.name: [] for contestant in contestants}
        for number in range(rounds):
            for contestant in random.sample(contestants, len(contestants)):
                costs[contestant.name].append(run(contestant, folder))
            show_progress(number + 1, rounds)
        recorded = len(list((folder / "home/.local/state/sst/telemetry/queue").iterdir()))
        assert recorded == rounds + WARM_UPS, f"{recorded} runs were recorded of {rounds + WARM_UPS}"
    print(table(costs, rounds))


def prepared(folder: Path) -> list[Contestant]:
    """A project whose build does nothing, a user who has seen the notice, and a collector that refuses."""
    (folder / "sst.toml").write_text('[tasks]\nbuild = ["true"]\n')
    (folder / "sst.toml").chmod(0o644)
    (folder / "bare.py").write_text(BARE_TYPER)
    environ = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    environ["SST_TELEMETRY_URL"] = "http://127.0.0.1:9/events"
    (folder / "home").mkdir()
    subprocess.run([SST, "telemetry", "enable"], env=environ, cwd=folder, check=True, capture_output=True)
    off = {**environ, "SST_TELEMETRY_DISABLED": "1"}
    return [
        Contestant("`sst` off", [str(SST), "build"], off),
        Contestant("`sst` off, once more", [str(SST), "build"], off),
        Contestant("`sst` on", [str(SST), "build"], environ),
        Contestant("bare Typer", [sys.executable, str(folder / "bare.py"), "build"], environ),
    ]


def run(contestant: Contestant, folder: Path) -> Cost:
    """One run, as the operating system accounts for it: the process and what it waited for."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        contestant.arguments,
        env=dict(contestant.environ),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{contestant.name} ended with {process.returncode}"
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def table(costs: Mapping[str, Sequence[Cost]], rounds: int) -> str:
    """The medians, and each contestant's ratio to `sst` off."""
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, "
        f"Python {platform.python_version()}, {rounds} rounds, medians:",
        "",
        "| `build` that does nothing | wall, ms | CPU, ms | wall ÷ off | CPU ÷ off |",
        "|---|---:|---:|---:|---:|",
    ]
    off = costs["`sst` off"]
    for name, mine in costs.items():
        wall = statistics.median(cost.wall for cost in mine) * 1000
        cpu = statistics.median(cost.cpu for cost in mine) * 1000
        wall_ratio = statistics.median(cost.wall / base.wall for cost, base in zip(mine, off, strict=True))
        cpu_ratio = statistics.median(cost.cpu / base.cpu for cost, base in zip(mine, off, strict=True))
        lines.append(f"| {name} | {wall:.1f} | {cpu:.1f} | {wall_ratio:.3f} | {cpu_ratio:.3f} |")
    return "\n".join(lines)


def show_progress(done: int, rounds: int) -> None:
    """Where somebody is looking."""
    if sys.stderr.isatty():
        print(f"\rround {done} of {rounds}", end="" if done < rounds else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
