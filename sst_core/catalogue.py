"""What may be recorded: the kinds of value there are, the fields made of them, and the envelope that carries them.

Consent is consent *to a catalogue*, so the catalogue belongs to the core. The client's encoder, the collector's
decoder, the notice, the docs and the dashboards are all derived from one :class:`Catalogue`. Free text cannot be
represented: every kind below is closed, bucketed, shaped or random.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Protocol

from sst_core.errors import SstError
from sst_core.records import Record

EVENT_NAME = "CLI_COMMAND"
"""The only event there is: one run, one event."""

PLUGIN_COMMAND = "plugin"
"""What a command that is not in the catalogue is recorded as."""

_HEX = frozenset("0123456789abcdef")
_DIGITS = frozenset("0123456789")

Value = str | int | bool | None
"""What a field, or a value that a plugin declares, may be."""


class CatalogueError(SstError):
    """A value, or a whole envelope, that the catalogue does not allow. The message never repeats the value."""


class Kind(Protocol):
    """A closed sort of value."""

    def accepts(self, value: object) -> bool:
        """Whether `value` is of this kind. Never raises."""

    def describe(self) -> str:
        """The allowed values, in words, for the notice, the docs and `telemetry catalog`."""


class Flag(Record):
    """True or false."""

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)

    def describe(self) -> str:
        return "true or false"


class Choice(Record):
    """One of a closed set of words."""

    values: tuple[str, ...]
    otherwise: str | None = None
    """The member that stands for everything outside."""

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value in self.values

    def nearest(self, *names: str) -> str | None:
        """The first of `names` that is a member, or the member that stands for everything else."""
        return next((name for name in names if name in self.values), self.otherwise)

    def describe(self) -> str:
        return "one of " + ", ".join(self.values)


class Bucket(Record):
    """A number rounded down to one of a few bounds, in ascending order."""

    bounds: tuple[int, ...]

    def accepts(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value in self.bounds

    def of(self, number: int) -> int:
        """The largest bound not above `number`; the smallest bound for anything below it."""
        return max((bound for bound in self.bounds if bound <= number), default=self.bounds[0])

    def describe(self) -> str:
        return "rounded down to one of " + ", ".join(map(str, self.bounds))


class Version(Record):
    """A version shaped `n.n` or `n.n.n`: `parts` numbers of at most `MAX_DIGITS` digits."""

    parts: int

    MAX_DIGITS = 4

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        numbers = value.split(".")
        return len(numbers) == self.parts and all(
            0 < len(number) <= self.MAX_DIGITS and _DIGITS.issuperset(number) for number in numbers
        )

    def describe(self) -> str:
        return "a version shaped " + ".".join("n" * self.parts)


class RandomId(Record):
    """`BYTES` random bytes in lower-case hexadecimal."""

    BYTES = 16

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and len(value) == 2 * self.BYTES and _HEX.issuperset(value)

    def describe(self) -> str:
        return f"{2 * self.BYTES} random hexadecimal digits"


class Section(Enum):
    """Where in the envelope a field stands."""

    CONTEXT = "context"
    ENVIRONMENT = "environment"
    PROPERTIES = "properties"


class Moment(Enum):
    """When a field's value is taken: in the command's own run, or later by the sender."""

    RUN = "run"
    SENDING = "sending"


class Run(Record):
    """What a field's value may be taken from, beside the machine itself: nothing that a user typed."""

    version: str
    """The product's."""
    command: str
    """A registered name, or empty for a command that a plugin registered."""
    ci: str | None
    """The CI service, from the closed list; None outside CI."""


class Field(Record, kw_only=True):
    """One thing that is recorded, and why that is allowed."""

    key: str
    """The name on the wire."""
    section: Section
    moment: Moment
    kind: Kind
    measure: Callable[[Run], object] | None
    """How the value is taken. None for the one that the sender makes from the machine's secret."""
    optional: bool = False
    """Whether the value may be null. What was recorded before the field came has none, so a field that is added to a
    released catalogue has to be optional."""
    dimension: str | None = None
    """The dashboards' name for it; None for what is never published."""
    label: str
    """What it is, in a few words, for the notice."""
    purpose: str
    """Why it is collected, in a sentence for the user."""
    sentence: str | None
    """The words of the public telemetry page that allow it, or None for a disclosed exception."""
    exception: str | None = None
    """Why it has to exist although no sentence of the page names it: the two ids only."""
    revision: int = 1
    """Raised when the field comes to hold more than users have agreed to: they see the notice again."""
    reviewer: str
    reviewed: str
    """The ISO date of the last review."""
    expires: str
    """The ISO date from which the audit fails until the field has been reviewed again."""

    @property
    def notice_item(self) -> str:
        """What the user agrees to when the notice names this field."""
        return f"{self.key}/{self.revision}"

    def describe(self) -> str:
        """The allowed values, in words."""
        return f"{self.kind.describe()}{', or null' if self.optional else ''}"

    def check(self, value: object) -> Value:
        """`value`, if the catalogue allows it here; :class:`CatalogueError` otherwise."""
        if value is None and self.optional:
            return None
        if not self.kind.accepts(value):
            raise CatalogueError(f"{self.key}: not {self.kind.describe()}")
        assert value is None or isinstance(value, str | int | bool)
        return value


class Catalogue(Record):
    """All that is recorded. Iterates over its fields."""

    fields: tuple[Field, ...]

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __getitem__(self, key: str) -> Field:
        """The field of that key. Raises KeyError."""
        return {field.key: field for field in self.fields}[key]

    def taken_at(self, moment: Moment) -> tuple[Field, ...]:
        """The fields whose values are taken at `moment`."""
        return tuple(field for field in self.fields if field.moment is moment)

    def measure(self, moment: Moment, run: Run) -> dict[str, object]:
        """Take the values of all fields that are measured at `moment`."""
        return {field.key: field.measure(run) for field in self.taken_at(moment) if field.measure is not None}

    def check(self, values: Mapping[str, object], moment: Moment) -> dict[str, Value]:
        """`values` if they are exactly the fields of `moment`, each allowed; :class:`CatalogueError` otherwise."""
        return _checked(self.taken_at(moment), values)

    def envelope(self, values: Mapping[str, object]) -> dict[str, object]:
        """The envelope of one run, from a flat mapping of every field's key to its value.

        Raises :class:`CatalogueError` for a missing or unknown key or a value that is not allowed.
        """
        checked = _checked(self.fields, values)
        sections: dict[Section, dict[str, Value]] = {section: {} for section in Section}
        for field in self.fields:
            sections[field.section][field.key] = checked[field.key]
        return {
            "context": sections[Section.CONTEXT],
            "environment": sections[Section.ENVIRONMENT],
            "events": [{"name": EVENT_NAME, "properties": sections[Section.PROPERTIES]}],
        }


def _checked(fields: tuple[Field, ...], values: Mapping[str, object]) -> dict[str, Value]:
    missing = [field.key for field in fields if field.key not in values and not field.optional]
    if missing:
        raise CatalogueError(f"missing: {', '.join(missing)}")
    if values.keys() - {field.key for field in fields}:
        raise CatalogueError("a field the catalogue does not have")
    return {field.key: field.check(values.get(field.key)) for field in fields}
