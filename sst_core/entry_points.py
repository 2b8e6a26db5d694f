"""What is installed: the entry points of the product's three groups, read once and imported by nobody here."""

from collections.abc import Iterator
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING

from sst_core.errors import ConfigurationError, RefusedError, is_interrupt
from sst_core.installation import Point, entry_points, normalized
from sst_core.product import Product
from sst_core.records import Record
from sst_core.terminal import printable

if TYPE_CHECKING:
    from importlib.metadata import Distribution, PackageMetadata

    from sst_core.catalogue import Catalogue
    from sst_core.declaration import Declaration


class Entry(Record):
    """One installed command or plugin."""

    point: Point
    first_party: bool

    @property
    def name(self) -> str:
        """The entry's name, by which a plugin is switched off."""
        return self.point.name

    @property
    def module(self) -> str:
        """The module that is imported when it is loaded."""
        return self.point.value.partition("[")[0].partition(":")[0].strip()

    @property
    def distribution(self) -> str:
        """The name of the distribution that brought it. Reads a file: only for messages and lists."""
        return self._text("Name") or printable(self.point.distribution_name)

    @property
    def version(self) -> str:
        """The version of that distribution. Reads a file too."""
        return self._text("Version") or "unknown"

    @property
    def summary(self) -> str:
        """What that distribution says of itself in a line. Reads a file too."""
        return self._text("Summary")

    @property
    def sends_to(self) -> str:
        """Where a collecting plugin says it sends: the address labelled `Telemetry` in its metadata. Reads a file."""
        metadata = self._metadata()
        for url in (metadata.get_all("Project-URL") if metadata else None) or []:
            label, _, address = str(url).partition(",")
            if label.strip().lower() == "telemetry":
                return printable(address.strip())
        return "an address that it does not tell"

    @property
    def requirements(self) -> tuple[str, ...]:
        """What that distribution requires, each as its metadata says it: `sst>=0.2`. Reads a file too."""
        metadata = self._metadata()
        return tuple(map(str, (metadata.get_all("Requires-Dist") if metadata else None) or ()))

    def __str__(self) -> str:
        return f"'{printable(self.name)}' ({self.distribution} {self.version})"

    def load(self) -> object:
        """Import it. Raises :class:`RefusedError` whatever the import raises, but for an interrupt."""
        attributes = self.point.value.partition("[")[0].partition(":")[2]
        try:
            return reduce(getattr, filter(None, attributes.strip().split(".")), import_module(self.module))
        except BaseException as error:
            if is_interrupt(error):
                raise
            from sst_core.refusals import why_not_imported  # nothing to say of most

            raise RefusedError(why_not_imported(self, error)) from error

    def declared(self, catalogue: "Catalogue") -> "Declaration | ConfigurationError | None":
        """What it says that it collects, or why that can't be read; None if it says nothing."""
        from sst_core.declaration import read_declaration  # most users have no plugin that could say it

        try:
            return read_declaration(self.module, catalogue)
        except ConfigurationError as error:
            return error

    def _text(self, field: str) -> str:
        metadata = self._metadata()
        return printable(str(metadata[field])) if metadata and field in metadata else ""

    def _metadata(self) -> "PackageMetadata | None":
        try:
            return self.point.distribution().metadata
        except (OSError, ValueError):  # not there any more, or not text: nothing is known of it then
            return None


class Installed(Record):
    """Everything that is installed for one product."""

    commands: tuple[Entry, ...]
    plugins: tuple[Entry, ...]
    telemetry: tuple[Entry, ...]
    """The group that consent gates."""


def installed(product: Product) -> Installed:
    """Read the entry points, the product's own first, then by name; an entry found twice counts once."""
    kinds = ("commands", "plugins", "telemetry")
    own = normalized(product.distribution)
    points = [*entry_points(frozenset(map(product.group, kinds))), *_built_in(product, own)]

    def group(kind: str) -> Iterator[Entry]:
        # The product's own last, so that it stays its own when somebody repeats it.
        ordered = sorted(points, key=lambda point: point.distribution_name == own)
        found = {(point.name, point.value): point for point in ordered if point.group == product.group(kind)}
        return (Entry(point, point.distribution_name == own) for point in found.values())

    commands, plugins, telemetry = (tuple(sorted(group(kind), key=_order)) for kind in kinds)
    return Installed(commands, plugins, telemetry)


def _built_in(product: Product, own: str) -> Iterator[Point]:
    for kind, name, value in product.built_in:
        yield Point(product.group(kind), name, value, own, lambda: _distribution_of(product))


def _distribution_of(product: Product) -> "Distribution":
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution(product.distribution)
    except PackageNotFoundError:  # a program that nobody has packaged
        raise FileNotFoundError(product.distribution) from None


def _order(entry: Entry) -> tuple[bool, str, str]:
    return (not entry.first_party, entry.name, entry.point.value)
