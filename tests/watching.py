"""A plugin that writes down everything the core tells it, and commands that end in every way there is."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import Machine

_WATCHER = """
import dataclasses, enum, json, os
from sst_core import hookimpl

def plain(value):
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value if isinstance(value, str | int | float | None) else [plain(each) for each in value]

def note(hook, **told):
    with open(os.environ["WATCHED"], "a") as file:
        file.write(json.dumps({"hook": hook, **told}) + "\\n")

@hookimpl
def on_command_invoked(context, command):
    note("invoked", ci=context.ci, product=context.product.name, command=plain(command))

@hookimpl
def on_command_finished(context, command, outcome):
    note("finished", command=plain(command), outcome=plain(outcome))
"""


@dataclass(frozen=True, slots=True)
class Watcher:
    """The plugin, installed on a machine."""

    log: Path

    @classmethod
    def on(cls, machine: Machine) -> "Watcher":
        """Install it."""
        log = machine.home.parent / "watched"
        machine.install("watcher", _WATCHER, {"sst.plugins": {"watcher": "watcher"}})
        machine.environ["WATCHED"] = str(log)
        return cls(log)

    def told(self) -> list[dict[str, Any]]:
        """What it was told, in order."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def ending(self) -> tuple[tuple[str, ...], int, str]:
        """The path, exit code and result of the one command that was run."""
        invoked, finished = self.told()
        assert (invoked["hook"], finished["hook"]) == ("invoked", "finished")
        assert invoked["command"] == finished["command"]
        outcome = finished["outcome"]
        assert outcome["duration"] >= 0
        return tuple(finished["command"]["path"]), outcome["exit_code"], outcome["result"]
