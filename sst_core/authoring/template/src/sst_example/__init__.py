"""The hooks. Imported in every command: import what is heavy where it is needed."""

import sys

from sst_core import Command, Outcome, hookimpl


@hookimpl
def on_command_finished(command: Command, outcome: Outcome) -> None:
    """Say how the command ended. To stderr: stdout is the command's."""
    words = f"{' '.join(command.path)} ended with {outcome.exit_code}"
    print(f"example: {words}", file=sys.stderr)
