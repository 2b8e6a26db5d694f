"""The null plugin: stands where a collecting plugin would, while consent is off. The same hooks, and nothing done."""

from sst_core import hookimpl


class NullPlugin:
    """One for each plugin that it replaces."""

    @hookimpl
    def on_command_invoked(self) -> None:
        """Nothing."""

    @hookimpl
    def on_command_finished(self) -> None:
        """Nothing."""
