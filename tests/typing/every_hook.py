"""A plugin as a module of functions: every notification and question, with all its arguments and with fewer."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

from sst_core import Command, Context, Detected, Origin, Outcome, Product, Result, hookimpl


@hookimpl
def on_command_invoked(context: Context, command: Command) -> None:
    assert_type(context.product, Product)
    assert_type(context.ci, str | None)
    assert_type(command.path, tuple[str, ...])
    assert_type(command.origin, Origin)
    print(context.product.variable("NO_PLUGINS"), *command.path, file=sys.stderr)


@hookimpl(trylast=True)
def on_command_finished(outcome: Outcome, command: Command) -> None:
    assert_type(outcome.exit_code, int)
    assert_type(outcome.duration, float)
    if outcome.result is Result.OK:
        print(command.path[0], f"{outcome.duration:.1f} s", file=sys.stderr)


@hookimpl
def detect_provider(root: Path, settings: Mapping[str, Any]) -> Detected | None:
    return Detected("hello", "it says so") if "hello" in settings or (root / "hello.toml").exists() else None


@hookimpl(optionalhook=True)
def on_command_considered() -> None:
    """Of a core that is not there yet."""


@hookimpl(specname="build")
def builds_nothing() -> None:
    """A method may have a name of its own."""
