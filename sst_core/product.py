"""What is particular to one command-line program. The core is written against this, and knows no name of its own."""

from collections.abc import Mapping
from functools import reduce
from importlib import import_module

from sst_core.catalogue import Catalogue
from sst_core.errors import AdoptionError
from sst_core.records import Record


class Product(Record, kw_only=True):
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
    """Where :meth:`at` finds this object, as `module:attribute`: the detached sender is a process of its own."""
    null_plugin: str
    """The class, as `module:Class`, that stands in for each collecting plugin while consent is off."""
    telemetry_command: str = "telemetry"
    """The command through which users see and control telemetry: never recorded, and it shows no notice of its own."""
    plugins_command: str | None = None
    """The command that lists and examines plugins, for which only the product's own are loaded; None: there is none."""
    default_collector: str | None = None
    """Where events go when the user names no collector; None: they stay on the machine."""
    built_in: tuple[tuple[str, str, str], ...] = ()
    """Entry points that the product has without its distribution saying so, each as kind, name and value."""

    def variable(self, suffix: str) -> str:
        """The name of an environment variable: `variable("NO_PLUGINS")` is `SST_NO_PLUGINS`."""
        return f"{self.env_prefix}_{suffix}"

    def group(self, kind: str) -> str:
        """The name of an entry-point group: `group("plugins")` is `sst.plugins`."""
        return f"{self.name}.{kind}"

    @property
    def settings_name(self) -> str:
        """What a project's file is called: `sst.toml`."""
        return f"{self.name}.toml"

    @property
    def telemetry(self) -> str:
        """How a user calls the command about telemetry: `sst telemetry`."""
        return f"{self.name} {self.telemetry_command}"

    @staticmethod
    def at(target: str) -> "Product":
        """The product at `module:attribute`, or the one of the adopted program there. Imports the module.

        Raises :class:`AdoptionError` where there is none, and whatever the import raises.
        """
        global _looking  # noqa: PLW0603 - of this process: a program that is imported to be looked at doesn't run
        module, _, attributes = target.partition(":")
        _looking = True
        try:
            found = reduce(getattr, filter(None, attributes.split(".")), import_module(module))
        finally:
            _looking = False
        product = getattr(found, "product", found)
        if not isinstance(product, Product):
            raise AdoptionError(f"{target} is no product, and no program that adopt() returned.")
        return product


_looking = False


def is_being_looked_at() -> bool:
    """Whether a program is being imported for its product's sake, so that it must not run."""
    return _looking
