"""Which plugins a user's variables switch off, and the words for it; nothing is imported to know."""

import re
from collections.abc import Mapping

from sst_core.entry_points import Entry, Installed
from sst_core.environment import is_set, slips_of
from sst_core.installation import normalized
from sst_core.product import Product
from sst_core.terminal import printable, say


class Switches:
    """`SST_NO_PLUGINS` leaves only the product's own; `SST_DISABLE_PLUGINS=a,b` leaves out entries, distributions."""

    def __init__(self, product: Product, installed: Installed, environ: Mapping[str, str]) -> None:
        self._product = product
        self._installed = installed
        self._only_own = is_set(environ.get(product.variable("NO_PLUGINS")))
        names = environ.get(product.variable("DISABLE_PLUGINS"), "").split(",")
        self._disabled = {normalized(name.strip()): name.strip() for name in names if name.strip()}

    @property
    def why_own_telemetry_is_off(self) -> str:
        """How the product's own collecting plugin is switched off, by its name or by one that may be meant for it, in a
        few words; empty where it is not."""
        for entry in (entry for entry in self._installed.telemetry if entry.first_party):
            if self.is_off(entry):
                return "the telemetry plugin is switched off"
            typed = self._meant_for(entry)
            if typed:
                return f"{printable(typed)!r} is nothing installed, and {entry.name} may be meant"
        return ""

    @property
    def switched_off(self) -> tuple[Entry, ...]:
        """The plugins that a variable switches off, but for those that collect."""
        return tuple(entry for entry in self._installed.plugins if self.is_off(entry))

    def is_off(self, entry: Entry) -> bool:
        """Whether a variable switches `entry` off. The product's own commands never are: `telemetry disable` stays."""
        if self._is_own_command(entry):
            return False
        if entry.first_party:
            return normalized(entry.name) in self._disabled
        return self._only_own or self._is_named(entry)

    def why_off(self, entry: Entry) -> str:
        """Which variable switches it off, in a few words; empty if none does."""
        if not self.is_off(entry):
            return ""
        variable = "DISABLE_PLUGINS" if self._is_named(entry) else "NO_PLUGINS"
        return f"{self._product.variable(variable)} switches it off"

    def why_command_off(self, name: str) -> str:
        """The same of the command of that name."""
        return next(filter(None, (self.why_off(entry) for entry in self._installed.commands if entry.name == name)), "")

    def how_to_switch_off(self, entry: Entry) -> str:
        """How to switch it off, in a few words; empty for the product's own commands, which can't be."""
        if self._is_own_command(entry):
            return ""
        distributions = {each.point.distribution_name for each in self._all if each.name == entry.name}
        # Where two have one name, or the name is nothing for a shell, it takes the distribution's.
        by_name = len(distributions) == 1 and re.fullmatch(r"[\w.-]+", entry.name)
        name = entry.name if by_name else entry.distribution
        return f"{self._product.variable('DISABLE_PLUGINS')}={name} switches it off"

    def say_what_names_nothing(self) -> None:
        """Warn about names in `SST_DISABLE_PLUGINS` that match nothing installed: a typo would leave the plugin on."""
        unknown = [printable(typed) for typed in self._unknown.values()]
        if unknown:
            variable = self._product.variable("DISABLE_PLUGINS")
            line = f"{variable} names nothing that is installed: {', '.join(unknown)}"
            say(f"{self._product.name}: {line}", fit=True)

    @property
    def _unknown(self) -> Mapping[str, str]:
        """What names nothing that is installed, normalized, with what was typed."""
        if not self._disabled:
            return {}
        known = {name for each in self._all for name in (normalized(each.name), each.point.distribution_name)}
        return {name: typed for name, typed in self._disabled.items() if name not in known}

    def _meant_for(self, entry: Entry) -> str | None:
        """What was typed that may be meant for it."""
        name, unknown = normalized(entry.name), self._unknown
        near = unknown and ([each for each in unknown if name in each] or slips_of(name, unknown))
        return unknown[near[0]] if near else None

    @property
    def _all(self) -> tuple[Entry, ...]:
        return (*self._installed.commands, *self._installed.plugins, *self._installed.telemetry)

    def _is_own_command(self, entry: Entry) -> bool:
        return entry.first_party and entry in self._installed.commands

    def _is_named(self, entry: Entry) -> bool:
        return normalized(entry.name) in self._disabled or entry.point.distribution_name in self._disabled
