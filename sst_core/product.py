"""What is particular to one command-line program. The core is written against this, and knows no name of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from sst_core.catalogue import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One Typer program that adopts the core."""

    name: str
    """The program's name: on the command line, in entry-point groups, and of its folders."""
    version: str
    """Shaped n.n.n, as recorded."""
    distribution: str
    """The distribution whose commands and plugins are first-party."""
    env_prefix: str
    """The prefix of its environment variables, without the underscore: `SST`."""
    catalogue: Catalogue
    summary: str
    """What the program is, for `--help`."""
    command_help: Mapping[str, str]
    """One line for each first-party command: `--help` imports none of them, and an entry point carries no text."""
    target: str
    """Where this object can be imported from, as `module:attribute`: the detached sender is a process of its own."""
    null_plugin: str
    """The class, as `module:Class`, that stands in for each collecting plugin while consent is off."""
    telemetry_command: str = "telemetry"
    """The command through which users see and control telemetry: never recorded, and it shows no notice of its own."""
    default_collector: str | None = None
    """Where events go when the user names no collector; None: they stay on the machine."""

    def variable(self, suffix: str) -> str:
        """The name of an environment variable: `variable("NO_PLUGINS")` is `SST_NO_PLUGINS`."""
        return f"{self.env_prefix}_{suffix}"

    def group(self, kind: str) -> str:
        """The name of an entry-point group: `group("plugins")` is `sst.plugins`."""
        return f"{self.name}.{kind}"
