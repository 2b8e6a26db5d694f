"""What is installed: the entry points of the product's three groups, read once and imported by nobody here."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING

from sst_core.errors import PluginError
from sst_core.installation import Point, entry_points, normalized
from sst_core.product import Product

if TYPE_CHECKING:
    from importlib.metadata import PackageMetadata


@dataclass(frozen=True, slots=True)
class Entry:
    """One installed command or plugin."""

    point: Point
    first_party: bool

    @property
    def name(self) -> str:
        """The entry's name, by which a plugin is switched off."""
        return self.point.name

    @property
    def distribution(self) -> str:
        """The name of the distribution that brought it. Reads a file: only for messages and lists."""
        return self._said("Name") or "unknown"

    @property
    def version(self) -> str:
        """The version of that distribution. Reads a file too."""
        return self._said("Version") or "unknown"

    @property
    def summary(self) -> str:
        """What that distribution says of itself in a line. Reads a file too."""
        return self._said("Summary")

    @property
    def sends_to(self) -> str:
        """Where a collecting plugin says it sends: the address labelled `Telemetry` in its metadata. Reads a file."""
        metadata = self._metadata()
        for url in (metadata.get_all("Project-URL") if metadata else None) or []:
            label, _, address = str(url).partition(",")
            if label.strip().lower() == "telemetry":
                return _printable(address.strip())
        return "an address that it does not tell"

    def __str__(self) -> str:
        return f"'{self.name}' ({self.distribution} {self.version})"

    def load(self) -> object:
        """Import it. Raises :class:`PluginError` whatever the import raises, but for KeyboardInterrupt."""
        target, _, extras = self.point.value.partition("[")
        module, _, attributes = target.partition(":")
        try:
            return reduce(getattr, filter(None, attributes.strip().split(".")), import_module(module.strip()))
        except KeyboardInterrupt:
            raise
        except ModuleNotFoundError as error:
            if extras:
                raise PluginError(
                    f"{self.name} needs packages that are not installed ({error.name}). "
                    f"Run: pip install '{self.distribution}[{extras}'"
                ) from error
            raise PluginError(f"plugin {self} can't be imported: {type(error).__name__}: {error}") from error
        except BaseException as error:
            raise PluginError(f"plugin {self} can't be imported: {type(error).__name__}") from error

    def _said(self, field: str) -> str:
        metadata = self._metadata()
        return _printable(str(metadata[field])) if metadata and field in metadata else ""

    def _metadata(self) -> "PackageMetadata | None":
        try:
            return self.point.distribution().metadata
        except (OSError, ValueError):  # not there any more, or not text: nothing is known of it then
            return None


@dataclass(frozen=True, slots=True)
class Installed:
    """Everything that is installed for one product."""

    commands: tuple[Entry, ...]
    plugins: tuple[Entry, ...]
    collectors: tuple[Entry, ...]
    """The group that consent gates."""


def installed(product: Product) -> Installed:
    """Read the entry points, the product's own first, then by name; an entry found twice counts once."""
    kinds = ("commands", "plugins", "telemetry")
    points = entry_points(frozenset(map(product.group, kinds)))
    own = normalized(product.distribution)

    def group(kind: str) -> Iterator[Entry]:
        # The product's own last, so that it stays its own when somebody repeats it.
        ordered = sorted(points, key=lambda point: point.distribution_name == own)
        found = {(point.name, point.value): point for point in ordered if point.group == product.group(kind)}
        return (Entry(point, point.distribution_name == own) for point in found.values())

    commands, plugins, collectors = (tuple(sorted(group(kind), key=_order)) for kind in kinds)
    return Installed(commands, plugins, collectors)


def _order(entry: Entry) -> tuple[bool, str, str]:
    return (not entry.first_party, entry.name, entry.point.value)


def _printable(text: str) -> str:
    """Without what could steer the terminal: this is a stranger's text, and it is printed."""
    return "".join(letter for letter in text if letter.isprintable())
