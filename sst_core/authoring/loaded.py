"""The process that a plugin is loaded in, to see what it does. Run as a module, and it ends without looking back.

    python -P -m sst_core.authoring.loaded PRODUCT KIND NAME VALUE REPORT

PRODUCT is the product's target and REPORT a file: a line of JSON is added to it at each step, so that whoever reads it
knows how far a process came that ended or hung.
"""

import json
import os
import sys
import threading
import time
import traceback
import warnings
from inspect import unwrap
from pathlib import Path

from pluggy import PluginValidationError

from sst_core.commands import imported_command
from sst_core.entry_points import Entry, Installed, installed
from sst_core.errors import PluginError
from sst_core.plugins import Plugins
from sst_core.product import Product
from sst_core.refusals import misfit


def main(target: str, kind: str, name: str, value: str, report: str) -> None:
    """Load the one entry point, and write down how it went."""
    product = Product.at(target)
    entry = _entry(product, kind, name, value)
    plugins = _manager_for(product, kind, entry)
    imported = False
    try:
        _write(report, step="importing")
        _import(entry, report)
        imported = True
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", DeprecationWarning)
            if kind == "commands":
                imported_command(entry)
            else:
                plugins.load(collecting=True)
        _write(
            report,
            step="taken",
            hooks=list(plugins.hooks_of(name)),
            deprecated=[str(warning.message) for warning in warned],
        )
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
        described = _described(error, f"plugin {entry} failed in loading: ", plugins)
        _write(report, step="refused", imported=imported, **described)


def _entry(product: Product, kind: str, name: str, value: str) -> Entry:
    found = installed(product)
    entries = {"commands": found.commands, "plugins": found.plugins, "telemetry": found.telemetry}[kind]
    return next(entry for entry in entries if (entry.name, entry.point.value) == (name, value))


def _manager_for(product: Product, kind: str, entry: Entry) -> Plugins:
    """A manager that knows this plugin alone, and raises what is wrong with it."""
    nothing: tuple[Entry, ...] = ()
    alone = {kind: (entry,)}
    found = Installed(nothing, alone.get("plugins", nothing), alone.get("telemetry", nothing))
    plugins = Plugins(product, found, {product.variable("STRICT_PLUGINS"): "1"})
    plugins.hooks_of(entry.name)  # which imports all that it takes to register one: that is not the plugin's doing
    return plugins


def _import(entry: Entry, report: str) -> None:
    before, begun = set(sys.modules), time.process_time()
    try:
        entry.load()
    finally:
        spent = time.process_time() - begun
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        _write(
            report,
            step="imported",
            milliseconds=round(spent * 1000, 1),
            modules=len(set(sys.modules) - before),
            threads=threading.active_count() - 1,
            printed=[os.fstat(1).st_size, os.fstat(2).st_size],
        )


def _described(error: BaseException, prefix: str, plugins: Plugins) -> dict[str, object]:
    cause = error.__cause__ or error
    frames = traceback.extract_tb(cause.__traceback__)
    ours = f"{Path(__file__).parents[1]}{os.sep}"
    theirs = [frame for frame in frames if not frame.filename.startswith((ours, "<frozen"))]
    if isinstance(cause, SyntaxError):
        where = f"{cause.filename}, line {cause.lineno}"
    elif isinstance(cause, PluginValidationError):  # whose frames are pluggy's, and nothing to mend
        where = _misfit(plugins, cause.plugin)
    else:
        where = f"{theirs[-1].filename}, line {theirs[-1].lineno}" if theirs else ""
    own = isinstance(cause, PluginError | PluginValidationError)
    kind = "" if own else type(cause).__name__
    words = str(error).removeprefix(prefix)
    # The core's own words say more of an import, and of a hook: the nearest there is. Of the rest, the exception does.
    if isinstance(cause, ImportError | AttributeError) and not words.startswith(kind):
        why = words
    else:
        why = ": ".join(filter(None, (kind, words if own else str(cause))))
    return {
        "kind": kind,
        "why": why,
        "where": where,
        "missing": getattr(cause, "name", None) if isinstance(cause, ImportError) else None,
    }


def _misfit(plugins: Plugins, plugin: object) -> str:
    """Where the hook implementation is that fits no hook."""
    _, implementation = misfit(plugins._manager, plugin)
    code = getattr(unwrap(implementation), "__code__", None) if implementation else None
    return f"{code.co_filename}, line {code.co_firstlineno}" if code else ""


def _write(report: str, **told: object) -> None:
    with Path(report).open("a", encoding="utf-8") as file:
        file.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
    # Nothing that the plugin left running is waited for, and nothing that it registered to be called at exit is.
    os._exit(0)
