"""What recording costs inside the command's own process: its imports, the first record, and one that starts a sender.

Each sample is a process of its own, since only the first record of a process is what a user pays. Print: medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sst_core import SST, Command, Consent, Context, Origin

SAMPLES = 60
STAMP = "sender-started"


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(*_one())
        return
    with tempfile.TemporaryDirectory(prefix="sst-bench-") as home:
        environ = {"HOME": home, "PATH": os.environ["PATH"]}
        Consent(SST, environ, folder=None, ci=None).grant()
        stamp = Path(home, ".local/state/sst/telemetry", STAMP)
        quiet = [_sample(environ, stamp, due=False) for _ in range(options.samples)]
        spawning = [_sample(environ, stamp, due=True) for _ in range(options.samples)]
    print(f"Medians of {options.samples} processes each, in milliseconds (min-max).\n")
    print("| in the command's process | measured |\n|---|---:|")
    print(f"| imports of the telemetry plugin | {_shown([imports for imports, _ in quiet + spawning])} |")
    print(f"| the first record | {_shown([record for _, record in quiet])} |")
    print(f"| the first record, and starting the sender | {_shown([record for _, record in spawning])} |")


def _sample(environ: dict[str, str], stamp: Path, *, due: bool) -> tuple[float, float]:
    stamp.unlink() if due and stamp.exists() else None if due else stamp.write_text("1")
    one = [sys.executable, __file__, "--one"]
    imports, record = subprocess.run(one, env=environ, check=True, capture_output=True, text=True).stdout.split()
    return float(imports), float(record)


def _one() -> tuple[float, float]:
    context, command = Context(SST, ci=None), Command(("build",), Origin.CORE)
    # What every command has imported already, recorded or not.
    Consent(SST, os.environ, folder=None, ci=None).decide()
    import pluggy  # noqa: F401

    import sst_core.plugins  # noqa: F401

    begun = time.perf_counter()
    import sst_telemetry.record
    import sst_telemetry.spawn

    imported = time.perf_counter()
    sst_telemetry.plugin.on_command_invoked(context, command)
    sst_telemetry.plugin.on_command_finished(context, command)
    return (imported - begun) * 1000, (time.perf_counter() - imported) * 1000


def _shown(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


if __name__ == "__main__":
    main()
