"""What is installed: the entry points of the product's three groups, read once and imported by nobody here."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points

from sst_core.errors import PluginError
from sst_core.product import Product


@dataclass(frozen=True, slots=True)
class Entry:
    """One installed command or plugin."""

    point: EntryPoint
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
        for url in (self.point.dist.metadata.get_all("Project-URL") or []) if self.point.dist else []:
            label, _, address = str(url).partition(",")
            if label.strip().lower() == "telemetry":
                # It is printed: a stranger's metadata must not steer the terminal.
                return "".join(letter for letter in address.strip() if letter.isprintable())
        return "an address that it does not tell"

    def __str__(self) -> str:
        return f"'{self.name}' ({self.distribution} {self.version})"

    def _said(self, field: str) -> str:
        if self.point.dist is None or field not in self.point.dist.metadata:
            return ""
        return str(self.point.dist.metadata[field])

    def load(self) -> object:
        """Import it. Raises :class:`PluginError` whatever the import raises, but for KeyboardInterrupt."""
        try:
            return self.point.load()
        except KeyboardInterrupt:
            raise
        except ModuleNotFoundError as error:
            if self.point.extras:
                extras = ",".join(self.point.extras)
                raise PluginError(
                    f"{self.name} needs packages that are not installed ({error.name}). "
                    f"Run: pip install '{self.distribution}[{extras}]'"
                ) from error
            raise PluginError(f"plugin {self} can't be imported: {type(error).__name__}: {error}") from error
        except BaseException as error:
            raise PluginError(f"plugin {self} can't be imported: {type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class Installed:
    """Everything that is installed for one product."""

    commands: tuple[Entry, ...]
    plugins: tuple[Entry, ...]
    collectors: tuple[Entry, ...]
    """The group that consent gates."""


def installed(product: Product) -> Installed:
    """Read the entry points, the product's own first, then by name; an entry found twice counts once."""
    every = entry_points()
    try:
        own = {(point.group, point.name, point.value) for point in distribution(product.distribution).entry_points}
    except PackageNotFoundError:
        own = set()

    def group(kind: str) -> tuple[Entry, ...]:
        points = {(point.name, point.value): point for point in every.select(group=product.group(kind))}.values()
        entries = [Entry(point, (point.group, point.name, point.value) in own) for point in points]
        return tuple(sorted(entries, key=lambda entry: (not entry.first_party, entry.name, entry.point.value)))

    return Installed(commands=group("commands"), plugins=group("plugins"), collectors=group("telemetry"))
