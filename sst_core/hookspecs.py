"""The hooks: the whole contract between the core and its plugins. `docs/hooks.md` is made of this file.

A plugin takes the arguments that it names and no others, so that arguments can be added without breaking it. An
argument of its own with a default is never passed, and `**kwargs` stays empty. Arguments are frozen data; of what
`sst.toml` says, each implementation is handed a copy of its own.

All hooks are called in the main thread of the process that runs the command, one after the other, while the command
waits. What a plugin prints in a notification or a question goes to stderr: stdout is the command's, and may be JSON.

Never passed to a notification: what the user typed, the environment, paths, and the text of exceptions. What a plugin
is not handed, it cannot leak by accident.

A hook or an argument that is to go is first marked with pluggy's `warn_on_impl` or `warn_on_impl_args`, with a
DeprecationWarning that says since when, what to use, and in which version it goes; it stays for one minor version at
least.
"""

from collections.abc import Mapping
from pathlib import Path
from types import CodeType
from typing import Any

import pluggy

from sst_core.errors import RefusedError
from sst_core.invocation import Command, Context, Outcome
from sst_core.project import Detected, Options, Project, ProviderResult

NAMESPACE = "sst"
"""The marker of the core's hooks, whatever the product is called: a plugin works in every product."""

hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)
"""Marks a hook's implementation: `@hookimpl`, or `@hookimpl(tryfirst=True)`, `trylast`, `optionalhook`, `specname`."""

CALLED_ONE_BY_ONE = ("on_command_invoked", "on_command_finished", "detect_provider")
"""Notifications and questions. Each implementation is called by itself: one that fails is named on stderr, and the next
is called. Wrappers are refused, since one could keep the others from being called."""


def wraps(implementation: pluggy.HookImpl) -> bool:
    """Whether it is called around others, in pluggy's new way or its old one."""
    return implementation.wrapper or implementation.hookwrapper


def refuse_what_can_not_be_called(implementation: pluggy.HookImpl, hook: str) -> None:
    """Raises :class:`RefusedError`."""
    if wraps(implementation) and hook in CALLED_ONE_BY_ONE:
        raise RefusedError(f"{hook} is called for each plugin by itself and can't be wrapped")
    code = getattr(implementation.function, "__code__", None)
    # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR: to call one of these runs nothing of it.
    if not wraps(implementation) and isinstance(code, CodeType) and code.co_flags & (0x20 | 0x80 | 0x200):
        raise RefusedError(f"{hook} is called and not awaited, so it can be neither async nor a generator")
    if isinstance(implementation.plugin, type) and isinstance(code, CodeType) and code.co_varnames[:1] == ("self",):
        raise RefusedError("its entry point names a class; it has to name an instance")


@hookspec
def on_command_invoked(context: Context, command: Command) -> None:
    """A command is about to run.

    When: its arguments have been parsed and its body has not begun. Not for a command line that doesn't parse, nor for
    `--help`, `--version` or shell completion, which load no plugin, nor for `sst plugins`, which loads the product's
    own alone. Nor for what a command runs of the program's others in its own process: that is a part of it.
    Order: what is marked `tryfirst`; then the plugins of `sst.telemetry` and those of `sst.plugins`, each from the last
    name to the first; then the product's own; then what is marked `trylast`.
    Given: `context`, the run; `command`, by the names it was registered under.
    Not given: what was typed, options and arguments and their values, the environment, the folder: a plugin that was
    never told of a secret can't record one. Nor a way to stop the command: this is a notification.
    Returns: nothing; what is returned is dropped.
    An exception: is one line on stderr that names the plugin, and nothing else: the next plugin is called and the
    command runs. `SystemExit` and `os._exit` are exceptions too; Ctrl-C is the user's.
    """


@hookspec
def on_command_finished(context: Context, command: Command, outcome: Outcome) -> None:
    """A command has ended, in whatever way.

    When: its body has returned or raised; once for each `on_command_invoked`, unless the process is killed.
    Order: that of `on_command_invoked`.
    Given: `context` and `command`, equal to those of `on_command_invoked`; `outcome`, the exit code, the time that the
    body took, and whether it ended well, in an error, by the user's no, or by Ctrl-C.
    Not given: the exception or its text, which may quote a path or a secret, and the output. The exit code is settled.
    Returns: nothing; what is returned is dropped.
    An exception: is one line on stderr that names the plugin, and nothing else: exit code and output stay as they are.
    """


@hookspec
def detect_provider(context: Context, root: Path, settings: Mapping[str, Any]) -> Detected | None:
    """Whether this plugin builds and deploys a project.

    When: in `build`, `start`, `deploy`, `remove` and `diff`, after `on_command_invoked` and before their hook.
    Order: that of `on_command_invoked`; every plugin is asked.
    Given: `context`, the run; `root`, the project's folder, absolute; `settings`, its parsed `sst.toml`, empty if there
    is none.
    Not given: what stands after `--`: whose project it is does not depend on it.
    Returns: `Detected`, a claim and what it rests on, or None. Two claims are an error that names both, unless
    `provider = "…"` in `sst.toml` says which.
    An exception: is one line on stderr that names the plugin, which then claims nothing. An `SstError` is what the
    plugin has to tell the user, and where no plugin claims the project it is the command's own failure.
    """


@hookspec(firstresult=True)
def build(context: Context, project: Project, options: Options) -> ProviderResult | None:
    """Build a project.

    When: in `build`, after `detect_provider` found whose project it is.
    Order: the plugin that claimed the project is called, and nobody else's implementation; of several of its own, up to
    the first answer that is not None. Wrappers are allowed, whoever's, and are called in the order of
    `on_command_invoked` around it.
    Given: `context`, the run; `project`, its folder, settings and provider; `options`, what stands after `--` and what
    was said of stage, region and profile, on the command line, in the environment or in `sst.toml`.
    Not given: the environment: it is the process's own, and a tool inherits it. stdout is the provider's here.
    Returns: `ProviderResult`, the tool's exit code, which becomes the command's; or None for what it can't do.
    An exception: is the command's own failure: an `SstError` in its own words and with its own exit code, `SystemExit`
    with its code, any other with exit code 1. `typer.Abort`, as a prompt raises it, is the user's no, with exit code 1.
    A wrapper's own is the command's failure too, with the name of its plugin.
    """


@hookspec(firstresult=True)
def start(context: Context, project: Project, options: Options) -> ProviderResult | None:
    """Run a project locally, until it is stopped.

    When: in `start`, after `detect_provider` found whose project it is.
    Order: as `build`.
    Given: `context`, `project` and `options`, as `build`.
    Not given: as `build`.
    Returns: as `build`. It returns when what it ran has ended.
    An exception: as `build`. Ctrl-C reaches the tool as well, which has the terminal.
    """


@hookspec(firstresult=True)
def deploy(context: Context, project: Project, options: Options) -> ProviderResult | None:
    """Deploy a project.

    When: in `deploy`, after `detect_provider` found whose project it is.
    Order: as `build`.
    Given: `context`, `project` and `options`, as `build`. With `options.json`, stdout is the core's: what a tool prints
    there goes to stderr (`run_tool(…, to_stderr=True)`).
    Not given: as `build`, and no credentials: the tool finds its own.
    Returns: as `build`; where `options.json` or `options.outputs_file` asks for it, also the stacks that are there now,
    with their outputs. The core prints and writes them.
    An exception: as `build`.
    """


@hookspec(firstresult=True)
def remove(context: Context, project: Project, options: Options) -> ProviderResult | None:
    """Remove what `deploy` made.

    When: in `remove`, after `detect_provider` found whose project it is.
    Order: as `build`.
    Given: `context`, `project` and `options`, as `deploy`.
    Not given: as `build`. The core asks the user nothing: whether to ask is the tool's.
    Returns: as `build`.
    An exception: as `build`.
    """


@hookspec(firstresult=True)
def diff(context: Context, project: Project, options: Options) -> ProviderResult | None:
    """Show what `deploy` would change.

    When: in `diff`, after `detect_provider` found whose project it is.
    Order: as `build`.
    Given: `context`, `project` and `options`, as `deploy`.
    Not given: as `build`.
    Returns: as `build`; where `options.json` asks for it, also the stacks with their changes.
    An exception: as `build`.
    """
