"""A plugin that collects: one event a command, in a file, until `sst otlp send` takes them to an OTLP endpoint.

It is in the group `sst.telemetry`, so it is imported only while the user consents to what `telemetry.toml` declares.
"""

import os
from contextlib import suppress

from sst_core import Bucket, Choice, Command, Context, Locations, Origin, Outcome, declaration_of, hookimpl
from sst_otlp.events import append, events_file


class Otlp:
    """Writes one line a command, and never waits for anything."""

    @hookimpl
    def on_command_finished(self, context: Context, command: Command, outcome: Outcome) -> None:
        """Keep how the command ended."""
        product = context.product
        if command.path[0] == product.telemetry_command:
            return  # looking at telemetry is not recorded
        declared = declaration_of(__name__, product)
        names, durations = declared["command"], declared["seconds"]
        assert isinstance(names, Choice)
        assert isinstance(durations, Bucket)
        own = command.path[0] if command.origin is Origin.CORE else ""
        event = {
            "command": names.nearest(own),  # a name that is not in the product's list is `plugin`
            "result": outcome.result.value,
            "seconds": durations.of(int(outcome.duration)),
        }
        # `check` lets nothing through that was not declared. A full disk is not the user's problem.
        with suppress(OSError):
            append(events_file(Locations.of(product, os.environ)), declared.check(event))


plugin = Otlp()
