"""A probe in a process: what it imported, and every socket, process, thread and write, as Python's audit sees them."""

import ast
from pathlib import Path

from sst_core.records import Record
from sst_core.testing import auditing
from sst_core.testing.machine import Machine


class Probed(Record):
    """What one process did."""

    events: tuple[tuple[str, str], ...]
    """Each audit event and what it was about."""
    modules: frozenset[str]

    def imported(self, *packages: str) -> set[str]:
        """Which of these top-level packages were imported."""
        return {package for package in packages if package in self.modules}


class Probe(Record):
    """The probe, installed on a machine: what a plugin adds to a command can be counted."""

    log: Path

    @classmethod
    def on(cls, machine: Machine) -> "Probe":
        """Install it, after the plugins."""
        log = machine.root / "probed"
        audit(machine)
        machine.environ["PROBE_LOG"] = str(log)
        return cls(log)

    def read(self) -> Probed:
        """What was seen since this was last asked."""
        lines = [ast.literal_eval(line) for line in self.log.read_text().splitlines()]
        self.log.unlink()
        *events, (kind, modules) = lines
        assert kind == "modules", "the process did not end by itself"
        return Probed(tuple(events), frozenset(modules.split()))


def audit(machine: Machine) -> None:
    """Have every Python on the machine write down what it does, where the environment names a log for it.

    The detached sender takes no such name along, and is left alone.
    """
    folder = machine.root / "probe"
    folder.mkdir(exist_ok=True)
    # Python imports this at its start, from PYTHONPATH; as text, since importing it from here would bring our package.
    code = Path(auditing.__file__).read_text(encoding="utf-8")
    (folder / "sitecustomize.py").write_text(f"{code}\n\nwrite_down()\n", encoding="utf-8")
    machine.put_on_path(folder, first=True)
    # Python's own cache of what it compiled is no work of the program's.
    machine.environ["PYTHONDONTWRITEBYTECODE"] = "1"
