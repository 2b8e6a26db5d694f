"""What recording costs inside the command's own process: its imports, the first record, and one that starts a sender.

Each sample is a process of its own, since only the first record of a process is what a user pays.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from programs import enable, hold_back_senders, let_a_sender_start, new_machine, queued

AT_MOST: Mapping[str, float] = {
    "imports of the telemetry plugin": 3.0,
    "the first record": 0.5,
    "the first record, and starting the sender": 1.5,
}
"""What each may cost, in milliseconds."""


def measure(samples: int) -> dict[str, Sequence[float]]:
    """So many of each, in milliseconds. Senders are children of this process: it waits for each before the next."""
    imports, quiet, starting = AT_MOST
    measured: dict[str, list[float]] = {name: [] for name in AT_MOST}
    with tempfile.TemporaryDirectory(prefix="sst-bench-") as folder:
        environ = new_machine(Path(folder) / "home")
        enable(environ)
        home = Path(environ["HOME"])
        stamp = home / ".local/state/sst/telemetry/sender-started"
        for name, prepare in {quiet: hold_back_senders, starting: let_a_sender_start}.items():
            for _ in range(samples):
                prepare(home)
                before = len(queued(home))
                imported, recorded = _sample(environ)
                if len(queued(home)) != before + 1:
                    raise RuntimeError(f"{name}: nothing was recorded")
                if name == starting and stamp.stat().st_mtime == 1:
                    raise RuntimeError(f"{name}: no sender was started")
                measured[imports].append(imported)
                measured[name].append(recorded)
    return dict(measured)


def _sample(environ: Mapping[str, str]) -> tuple[float, float]:
    one = [sys.executable, __file__]
    said = subprocess.run(one, env=environ, check=True, capture_output=True, text=True).stdout
    with suppress(ChildProcessError):
        while True:
            os.wait()
    imported, recorded = map(float, said.split())
    return imported, recorded


def _one() -> tuple[float, float]:
    from sst_core import SST, Command, Consent, Context, Origin

    context, command = Context(SST, ci=None), Command(("build",), Origin.CORE)
    # What every command has imported already, recorded or not.
    Consent(SST, os.environ, folder=None, ci=None).decide()
    import pluggy  # noqa: F401 - so that it is in no time below

    import sst_core.plugins  # noqa: F401 - likewise

    begun = time.perf_counter()
    import sst_telemetry.record
    import sst_telemetry.spawn

    imported = time.perf_counter()
    sst_telemetry.plugin.on_command_invoked(context, command)
    sst_telemetry.plugin.on_command_finished(context, command)
    return (imported - begun) * 1000, (time.perf_counter() - imported) * 1000


if __name__ == "__main__":
    print(*_one())
