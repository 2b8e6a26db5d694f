"""What a killed process left behind goes with the rest: no id outlives what was meant to delete it."""

import signal
import subprocess
from collections.abc import Callable

import pytest

from consenting import Consenting
from installed import PYTHON
from loopback import Loopback
from sst_core.testing import Machine

Act = Callable[[Consenting, Loopback], object]

ACTS: dict[str, Act] = {
    "a delivery": lambda consenting, loopback: consenting.deliver(loopback.url),
    "disable": lambda consenting, _: consenting.machine.sst("telemetry", "disable"),
    "purge": lambda consenting, _: consenting.machine.sst("telemetry", "purge"),
    "reset": lambda consenting, _: consenting.machine.sst("telemetry", "reset"),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_no_id_outlives_the_process_that_was_killed_while_it_wrote_it(
    machine: Machine, consenting: Consenting, loopback: Loopback, act: Act
) -> None:
    consenting.record()
    consenting.deliver(loopback.url)
    for moment in range(1, 5):
        consenting.record()
        kill_at_rename(machine, loopback.url, moment)
    (machine.state / ".forget.json.1").write_text("{}")
    folder = machine.state / ".telemetry-deleted-1-1"
    (folder / "queue").mkdir(parents=True)
    (folder / "secret").touch()
    left = [path.name.rpartition(".")[0] for path in machine.telemetry.glob(".*")]
    assert {".last-batch.ndjson", ".delivery.json"} <= set(left), "killed where it matters"

    act(consenting, loopback)

    assert list(machine.state.rglob(".*")) == []


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_what_the_program_itself_keeps_beside_it_stays(
    machine: Machine, consenting: Consenting, loopback: Loopback, act: Act
) -> None:
    kept = machine.state / ".cache" / "kept"
    kept.parent.mkdir()
    kept.touch()
    (machine.state / ".hidden").touch()
    consenting.record()

    act(consenting, loopback)

    assert kept.exists()
    assert (machine.state / ".hidden").exists()


def kill_at_rename(machine: Machine, url: str, number: int) -> None:
    """Start a sender, and kill it when it gives a file its name for this time."""
    dying = (
        "import os, signal, sys\n"
        "left = [None] * int(sys.argv[1])\n"
        "def die(event, _):\n"
        "    if event == 'os.rename':\n"
        "        left.pop()\n"
        "        left or os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(die)\n"
        "import sst_telemetry.delivery\n"
        "sst_telemetry.delivery.remove_leftovers = lambda _: None\n"
        "from sst_telemetry.sender import main\n"
        "main('sst_core.sst:SST')\n"
    )
    # Nothing of an earlier failure puts it off: each is to be killed in the midst of its work.
    (machine.telemetry / "delivery.json").unlink(missing_ok=True)
    # -B: a module that is compiled for the first time is renamed into place too.
    ended = subprocess.run(
        [*PYTHON, "-B", "-c", dying, str(number)],
        env={**machine.environ, "SST_TELEMETRY_URL": url},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
