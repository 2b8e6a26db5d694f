"""A plugin that collects: in the group `sst.telemetry`, so that it is loaded only while the user consents."""

import json
import os
from pathlib import Path

from sst_core import Command, Context, Locations, Outcome, hookimpl, is_set, read_own, write_private


class Events:
    """Writes one line a run into a file of the user's."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @hookimpl
    def on_command_finished(self, context: Context, command: Command, outcome: Outcome) -> None:
        if is_set(os.environ.get(context.product.variable("EVENTS_OFF"))):
            return
        folder = self._folder or Locations.of(context.product, os.environ).telemetry
        name = command.path[0] if command.path[0] in context.product.command_help else "plugin"
        event = json.dumps({"command": name, "result": outcome.result.value})
        file = folder / "events.jsonl"
        write_private(file, (read_own(file) or b"") + f"{event}\n".encode())


plugin = Events()
