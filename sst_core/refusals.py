"""Why a plugin was not taken, in the core's own words. Imported only when one was not.

The text of a stranger's exception may hold anything, so it is never repeated: what is said is the exception's type and
what Python itself filled in, the name of a module, an attribute, a file's name and line.
"""

import inspect
import re
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from sst_core import __all__ as exported
from sst_core import __version__
from sst_core.entry_points import Entry
from sst_core.installation import normalized
from sst_core.product import Product
from sst_core.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pluggy

CORE = "sst_core"
_DISTRIBUTION = "sst"
NAMES_NOTHING = "its entry point names"
"""How the words begin where it names what isn't there."""


def why_not_imported(entry: Entry, error: BaseException) -> str:
    """What went wrong when `entry` was imported."""
    if isinstance(error, ImportError):
        words = _of_the_core(error) or _missing(entry, error)
    elif isinstance(error, AttributeError) and isinstance(error.obj, ModuleType) and error.obj.__name__ == entry.module:
        words = f"{NAMES_NOTHING} '{error.name}', which is not in {entry.module}"
    elif isinstance(error, SyntaxError):
        words = f"{type(error).__name__} in {Path(error.filename or 'its code').name}, line {error.lineno}"
    else:
        words = ""
    return printable(words or type(error).__name__)


def why_misfit(manager: "pluggy.PluginManager", plugin: object) -> str:
    """Which hook implementation of `plugin` fits none of `manager`'s specifications, and which it may have meant."""
    return misfit(manager, plugin)[0]


def misfit(manager: "pluggy.PluginManager", plugin: object) -> "tuple[str, Callable[..., object] | None]":
    """The same, and the implementation itself where it is known."""
    for hook, optional, function in _implementations(manager, plugin):
        caller = getattr(manager.hook, hook, None)
        spec = caller.spec if caller else None
        if spec is not None:
            for argument in _arguments(function):
                if argument not in spec.argnames:
                    return printable(f"{hook} has no argument {argument}{_instead(argument, spec.argnames)}"), function
        elif not optional:
            return printable(f"there is no hook {hook}{_instead(hook, _hooks(manager))}"), function
    return "it does not fit the hooks", None


def what_is_too_old(entry: Entry, product: Product) -> str:
    """The requirement of `entry`'s distribution that the core or the product is too old for; empty if there is none."""
    versions = {_DISTRIBUTION: __version__, normalized(product.distribution): product.version}
    for requirement in entry.requirements:
        words = re.match(r"\s*([\w.-]+)", requirement)
        version = versions.get(normalized(words[1])) if words else None
        for least in re.findall(r"(?:>=|~=|==|>)\s*(\d{1,9}(?:\.\d{1,9})*)", requirement.partition(";")[0]):
            if version is not None and _numbers(version) < _numbers(least):
                return printable(f"it requires {requirement.partition(';')[0].strip()}, and this is {version}")
    return ""


def _of_the_core(error: ImportError) -> str:
    """Of a name that the core does not have: it may be a slip, or of another version."""
    if not error.name or error.name.partition(".")[0] != CORE:
        return ""
    if isinstance(error, ModuleNotFoundError):
        return f"{CORE} {__version__} has no module {error.name}"
    # Python says it in a word of its own since 3.12, and in its text before.
    found = re.match(r"cannot import name '(\w+)'", str(error))
    name = getattr(error, "name_from", None) or (found[1] if found else "such name")
    near = get_close_matches(name, exported, n=1)
    return f"{CORE} {__version__} has no {name}" + (f"; did you mean {near[0]}?" if near else "")


def _missing(entry: Entry, error: ImportError) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    if f"{entry.module}.".startswith(f"{error.name}."):
        return f"{NAMES_NOTHING} the module {entry.module}, and there is no {error.name}"
    extras = re.search(r"\[.*\]", entry.point.value)
    how = f": pip install '{entry.distribution}{extras[0]}'" if extras else ""
    return f"it needs the module {error.name}, which is not installed{how}"


def _implementations(
    manager: "pluggy.PluginManager", plugin: object
) -> "Iterator[tuple[str, bool, Callable[..., object]]]":
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is not None:
            yield options["specname"] or attribute, options["optionalhook"], getattr(plugin, attribute)


def _hooks(manager: "pluggy.PluginManager") -> list[str]:
    return [name for name, caller in vars(manager.hook).items() if getattr(caller, "spec", None) is not None]


def _arguments(function: "Callable[..., object]") -> list[str]:
    """Those that have to be passed."""
    found = inspect.signature(function).parameters.values()
    return [each.name for each in found if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]


def _instead(name: str, known: "Sequence[str]") -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there is {', '.join(known)}"


def _numbers(version: str) -> tuple[int, ...]:
    """`0.2.0` as numbers, without the zeros at its end: 0.2 is no older."""
    return tuple(int(number) for number in re.sub(r"(\.0+)+$", "", version).split(".") if number.isdecimal())
