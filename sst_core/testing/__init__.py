"""What a plugin is tested with: a machine of its own for each test, what the hooks were told, and what was left behind.

Say so in `conftest.py`, and its fixtures are there; nothing of it is loaded into anybody else's pytest:

    pytest_plugins = ["sst_core.testing"]

| fixture | what it is |
|---|---|
| `machine` | A :class:`Machine`: its own HOME, configuration, consent, environment and working directory, all empty. |
| `watcher` | A :class:`Watcher`, a plugin on that machine: what each hook was called with. |
| `no_leaks` | Fails the test when a run on the machine leaks: see :mod:`sst_core.testing.leaks` for what that is. |

    def test_it_says_how_a_command_ended(machine, watcher, no_leaks):
        machine.plug(Path("hello.py"))
        machine.project('build = ["true"]')

        run = machine.sst("build")               # a process; `machine.in_process("build")` is quicker

        assert run.stderr == "build ok\\n"
        assert watcher.finished[0].outcome.exit_code == 0

Nobody has agreed to anything on a new machine, so nothing is recorded there: `machine.sst("telemetry", "enable")` is
the user's yes. Needs the extra `testing`; the classes work without pytest.

PYTEST_DONT_REWRITE: a `conftest.py` may import this before pytest does.
"""

from sst_core.testing.machine import PROGRAM, Machine
from sst_core.testing.probing import Probe, Probed
from sst_core.testing.terminal import PATIENCE, Screen, Terminal
from sst_core.testing.watching import Asked, Call, Finished, Invoked, Provided, Watcher

pytest_plugins = ("sst_core.testing.fixtures",)

__all__ = [
    "PATIENCE",
    "PROGRAM",
    "Asked",
    "Call",
    "Finished",
    "Invoked",
    "Machine",
    "Probe",
    "Probed",
    "Provided",
    "Screen",
    "Terminal",
    "Watcher",
]
