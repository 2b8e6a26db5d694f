"""Frozen, slotted dataclasses that are made without generating code.

`@dataclass(frozen=True, slots=True)` compiles half a dozen functions for each class, 0.3 to 0.6 ms each time the module
is imported; the two dozen that lie on every command's way were 20 ms of it. A :class:`Record` has one written-out
method for each of those functions. To whoever asks it is a dataclass: `dataclasses.replace`, `fields` and `asdict`
work.
"""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, dataclass_transform

if TYPE_CHECKING:
    from dataclasses import Field

_set = object.__setattr__


class _DataclassFields:
    """What the `dataclasses` module looks for, made when it does."""

    def __get__(self, _: object, owner: "type[Record]") -> "dict[str, Field[Any]]":
        from dataclasses import field, fields, make_dataclass

        described = [
            (name, Any, field(default=owner._defaults[name]) if name in owner._defaults else field())
            for name in owner.__slots__
        ]
        twin = make_dataclass(owner.__name__, described, kw_only=True)
        return {found.name: found for found in fields(twin)}


class _Slotted(type):
    """Turns a class body's annotations into slots, and their values into defaults."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, kw_only: bool = False
    ) -> "_Slotted":
        names = tuple(_annotated(namespace)) if bases else ()
        namespace["_defaults"] = {name: namespace.pop(name) for name in names if name in namespace}
        namespace["_kw_only"] = kw_only
        namespace["__slots__"] = namespace["__match_args__"] = names
        return super().__new__(cls, name, bases, namespace)


@dataclass_transform(frozen_default=True)
class Record(metaclass=_Slotted):
    """The base of frozen data. Its fields are the annotated names of the class body; `kw_only=True` goes beside it."""

    _defaults: ClassVar[Mapping[str, Any]]
    _kw_only: ClassVar[bool]
    if TYPE_CHECKING:
        __slots__: ClassVar[tuple[str, ...]]
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    else:
        __dataclass_fields__ = _DataclassFields()

    def __init__(self, *values: Any, **named: Any) -> None:
        names = self.__slots__
        if len(values) > (0 if self._kw_only else len(names)):
            raise TypeError(f"{type(self).__name__} takes its values by name")
        given = {**dict(zip(names, values, strict=False)), **named}
        if len(given) < len(values) + len(named):
            raise TypeError(f"{type(self).__name__} got a value twice")
        complete = {**self._defaults, **given}
        if complete.keys() != set(names):
            wrong = ", ".join(sorted(complete.keys() ^ set(names)))
            raise TypeError(f"{type(self).__name__} is not made of: {wrong}")
        for name, value in complete.items():
            _set(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        _refuse(name)

    def __delattr__(self, name: str) -> NoReturn:
        _refuse(name)

    def __eq__(self, other: object) -> bool:
        return _values(self) == _values(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(_values(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"

    def __getstate__(self) -> tuple[object, ...]:
        return _values(self)

    def __setstate__(self, values: tuple[object, ...]) -> None:
        for name, value in zip(self.__slots__, values, strict=True):
            _set(self, name, value)


def _values(record: Any) -> tuple[object, ...]:
    return tuple(getattr(record, name) for name in record.__slots__)


def _refuse(name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _annotated(namespace: dict[str, Any]) -> Mapping[str, Any]:
    if sys.version_info >= (3, 14):  # where a class body holds a function that computes its annotations
        from annotationlib import Format, call_annotate_function, get_annotate_from_class_namespace

        annotate = get_annotate_from_class_namespace(namespace)
        return call_annotate_function(annotate, Format.FORWARDREF) if annotate else {}
    annotations: Mapping[str, Any] = namespace.get("__annotations__", {})
    return annotations
