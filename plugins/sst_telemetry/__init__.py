"""The telemetry plugin: an ordinary plugin, in the group that consent gates. Off means that this is never imported.

    command ──record──> queue/ ──sender (a process of its own)──> collector
                          │                  │
                          └──────show────────┘

On a command's way lie `record`, `queue` and `spawn`, and nothing else of this package.
"""

import os

from sst_core import Command, Context, hookimpl, is_set


class Telemetry:
    """Records at the beginning of a command, so that one which is killed counts too; has it sent after its end."""

    _run: str | None = None
    """Where it was queued."""

    @hookimpl
    def on_command_invoked(self, context: Context, command: Command) -> None:
        """Put this run into the queue."""
        if _is_own(context, command):
            return
        from sst_telemetry.record import record

        self._run = record(context, command)

    @hookimpl
    def on_command_finished(self, context: Context, command: Command) -> None:
        """Start the sender if it is time. Printing instead of recording is no time."""
        if _is_own(context, command) or is_set(os.environ.get(context.product.variable("TELEMETRY_DEBUG"))):
            return
        from sst_telemetry.spawn import start_sender_if_due

        start_sender_if_due(context, self._run)


def _is_own(context: Context, command: Command) -> bool:
    """Looking at telemetry is never recorded, and starts nothing."""
    return command.path[0] == context.product.telemetry_command


plugin = Telemetry()
