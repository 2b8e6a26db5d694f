"""What a collecting plugin declares: closed values of its own, as data beside its code, read without importing it.

    # telemetry.toml, in the plugin's package
    to = "the OTLP endpoint that you set"

    [values.result]
    label = "how it ended"
    purpose = "Shows which commands fail."
    choice = ["ok", "error"]

A value is one of `choice = ["word", …]`, `bucket = [0, 1, 10]`, `flag = true`, `version = 3` (that many numbers), or
`field = "command"`: what that field of the product's own catalogue allows. Nothing else can be declared, so free text
can't. The core shows what is declared and asks for consent to it; it neither records nor sends it.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sst_core.catalogue import Bucket, Catalogue, CatalogueError, Choice, Flag, Kind, Value, Version
from sst_core.configuration import parse_toml
from sst_core.errors import ConfigurationError
from sst_core.product import Product
from sst_core.records import Record

FILE = "telemetry.toml"
MAX_BYTES = 64 * 1024
MAX_VALUES = 32
MAX_WORDS = 100
"""In a choice. A list of everybody's names would be free text by another name."""
MAX_TEXT = 100
"""Characters of what is said about a value."""

_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


class DeclaredValue(Record, kw_only=True):
    """One value that a plugin may take."""

    key: str
    """In the plugin's namespace: `sst_otlp.result`."""
    label: str
    """What it is, in a few words, for the notice."""
    purpose: str
    """Why it is collected, in a sentence for the user."""
    kind: Kind

    @property
    def notice_item(self) -> str:
        """What the user agrees to. A value that comes to hold more is asked for anew."""
        return f"value {self.key}: {self.kind.describe()}"


class Declaration(Record):
    """All that a plugin declares."""

    namespace: str
    """The name of its top-level package, which nobody else's has."""
    sends_to: str | None
    """In words, where an address is not known beforehand."""
    values: tuple[DeclaredValue, ...]

    def __getitem__(self, name: str) -> Kind:
        """What the value of that name, without the namespace, may be. Raises :class:`CatalogueError`."""
        return self._value(name).kind

    def check(self, values: Mapping[str, object]) -> dict[str, Value]:
        """`values`, by names without the namespace, as they may be recorded: by their full keys, each allowed.

        Raises :class:`CatalogueError` for a value that is not declared, or not so.
        """
        return {self._value(name).key: self._checked(name, value) for name, value in values.items()}

    def _checked(self, name: str, value: object) -> Value:
        declared = self._value(name)
        if not declared.kind.accepts(value):
            raise CatalogueError(f"{declared.key}: not {declared.kind.describe()}")
        assert isinstance(value, str | int | bool)
        return value

    def _value(self, name: str) -> DeclaredValue:
        key = f"{self.namespace}.{name}"
        found = next((value for value in self.values if value.key == key), None)
        if found is None:
            raise CatalogueError(f"{self.namespace} declares no value of that name")
        return found


class CollectingPlugin(Record):
    """A plugin, not the product's own, that collects something, by its distribution."""

    distribution: str
    sends_to: str
    """As it declares, or as its metadata says; in words where it says nothing."""
    values: tuple[DeclaredValue, ...] = ()
    """What it declares to collect. It need not declare anything, and what it collects is then not known."""

    @property
    def notice_item(self) -> str:
        """What the user agrees to: this plugin, sending there. A new address is asked for anew."""
        return f"plugin {self.distribution} to {self.sends_to}"

    @property
    def notice_items(self) -> tuple[str, ...]:
        """The plugin, and each value that it declares."""
        return (self.notice_item, *map(self._value_item, self.values))

    def unseen_values(self, unseen: Collection[str]) -> tuple[DeclaredValue, ...]:
        """The values that the user has not been told of."""
        return tuple(value for value in self.values if self._value_item(value) in unseen)

    def _value_item(self, value: DeclaredValue) -> str:
        """This plugin, sending that there: of what goes to one address, nothing is said by what goes to another."""
        return f"{self.notice_item}, {value.notice_item}"


def declaration_of(module: str, product: Product) -> Declaration:
    """What the package of `module` declares, for its own use: `declaration_of(__name__, context.product)`.

    Raises :class:`ConfigurationError` if that can't be read, or if it declares nothing.
    """
    found = read_declaration(module, product.catalogue)
    if found is None:
        raise ConfigurationError(f"{module} has no {FILE} beside it.")
    return found


def read_declaration(module: str, catalogue: Catalogue) -> Declaration | None:
    """What the package of `module` declares; None if it has no such file. Imports nothing of it.

    Raises :class:`ConfigurationError` for a file that is not as it has to be.
    """
    namespace = module.partition(".")[0]
    for file in _candidates(module):
        try:
            content = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ConfigurationError(f"its {FILE} can't be read: {error.strerror}") from None
        return _parsed(namespace, content, catalogue)
    return None


def _candidates(module: str) -> Iterator[Path]:
    """Where the file may be: in the package that `module` is or is in, or in one above that."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)  # of a top-level name: it asks the finders, and imports nothing
    except (ImportError, ValueError):
        return
    for folder in (spec.submodule_search_locations if spec else None) or ():
        for depth in range(len(rest), -1, -1):
            yield Path(folder, *rest[:depth], FILE)


def _parsed(namespace: str, content: bytes, catalogue: Catalogue) -> Declaration:
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"its {FILE} is larger than {MAX_BYTES} bytes")
    try:
        table = parse_toml(content.decode())
    except ValueError:
        raise ConfigurationError(f"its {FILE} is not valid TOML") from None
    values = table.get("values")
    _demand(set(table) <= {"to", "values"}, "has a key other than `to` and `values`")
    _demand(isinstance(values, dict) and 0 < len(values) <= MAX_VALUES, f"has to have 1 to {MAX_VALUES} [values.…]")
    sends_to = table.get("to")
    _demand(sends_to is None or _is_text(sends_to), "has a `to` that is no short text")
    assert isinstance(values, dict)
    return Declaration(namespace, sends_to, tuple(_value(namespace, *item, catalogue) for item in values.items()))


def _value(namespace: str, name: str, table: object, catalogue: Catalogue) -> DeclaredValue:
    _demand(_KEY.fullmatch(name) is not None, "names a value with more than a-z, 0-9 and _")
    where = f"has a value `{name}`"
    _demand(isinstance(table, dict), f"{where} that is no table")
    assert isinstance(table, dict)
    kinds = set(table) - {"label", "purpose"}
    _demand(len(kinds) == 1 and kinds <= set(_KINDS), f"{where} that is not exactly one of {', '.join(sorted(_KINDS))}")
    _demand(_is_text(table.get("label")) and _is_text(table.get("purpose")), f"{where} without a label and a purpose")
    (kind,) = kinds
    found = _KINDS[kind](table[kind], catalogue)
    _demand(found is not None, f"{where} whose {kind} is not allowed")
    assert found is not None
    return DeclaredValue(key=f"{namespace}.{name}", label=table["label"], purpose=table["purpose"], kind=found)


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ConfigurationError(f"its {FILE} {otherwise}")


def _is_text(value: object) -> bool:
    """Short and printable: a stranger's words, that stand in the user's terminal."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()


def _choice(words: Any, _: Catalogue) -> Kind | None:
    if not isinstance(words, list) or not 0 < len(words) <= MAX_WORDS:
        return None
    sound = all(isinstance(word, str) and _WORD.fullmatch(word) for word in words) and len(set(words)) == len(words)
    return Choice(tuple(words)) if sound else None


def _bucket(bounds: Any, _: Catalogue) -> Kind | None:
    if not isinstance(bounds, list) or not 0 < len(bounds) <= MAX_VALUES:
        return None
    sound = all(type(bound) is int and abs(bound) < 10**9 for bound in bounds)
    return Bucket(tuple(bounds)) if sound and bounds == sorted(set(bounds)) else None


def _flag(value: Any, _: Catalogue) -> Kind | None:
    return Flag() if value is True else None


def _version(parts: Any, _: Catalogue) -> Kind | None:
    return Version(parts) if type(parts) is int and parts in (1, 2, 3) else None


def _field(key: Any, catalogue: Catalogue) -> Kind | None:
    """Not the ids: they say who, and a plugin of somebody else's has no use for that."""
    found = next((field for field in catalogue if field.key == key), None)
    return found.kind if found is not None and found.sentence is not None else None


_KINDS: Mapping[str, Callable[[Any, Catalogue], Kind | None]] = {
    "bucket": _bucket,
    "choice": _choice,
    "field": _field,
    "flag": _flag,
    "version": _version,
}
