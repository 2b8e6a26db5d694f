"""The hooks: the whole contract between the core and its plugins.

All hooks are called in the main thread of the process that runs the command. Arguments are frozen data. A plugin takes
the arguments that it names and no others, so that arguments can be added without breaking it. What a plugin has to say
goes to stderr: stdout is the command's, and may be JSON.

Never passed to a notification: what the user typed, the environment, paths, and the text of exceptions. What a plugin
is not handed, it cannot leak by accident.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pluggy

from sst_core.invocation import Command, Context, Outcome
from sst_core.project import Detected, Options, Project, ProviderResult

NAMESPACE = "sst"
"""The marker of the core's hooks, whatever the product is called: a plugin works in every product."""

hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)

OBSERVERS = ("on_command_invoked", "on_command_finished")
"""Notifications. Each implementation is called by itself: one that fails is named on stderr, and the next is called.
Wrappers are refused, since one could keep the others from being called."""


@hookspec
def on_command_invoked(context: Context, command: Command) -> None:
    """A command's arguments have been parsed and its body is about to run.

    Not called for a command line that doesn't parse, for `--help`, `--version` or shell completion. The last plugin
    registered is called first. An exception changes nothing but a line on stderr.
    """


@hookspec
def on_command_finished(context: Context, command: Command, outcome: Outcome) -> None:
    """The body has ended. Called once for each `on_command_invoked`, unless the process is killed.

    The last plugin registered is called first. An exception changes nothing but a line on stderr.
    """


@hookspec
def detect_provider(context: Context, root: Path, settings: Mapping[str, Any]) -> Detected | None:
    """Whether this plugin builds and deploys the project in `root`; None if it doesn't.

    `settings` is the project's parsed `sst.toml`, empty if it has none. Every plugin is asked, and every answer counts:
    two claims are an error that names both. An exception is the command's own failure.
    """


@hookspec(firstresult=True)
def build(context: Context, project: Project, options: Options) -> ProviderResult | None:
    """Build `project`; None for a project that is another provider's. An exception is the command's own failure."""


@hookspec(firstresult=True)
def start(context: Context, project: Project, options: Options) -> ProviderResult | None:
    """Run `project` locally until it is stopped; None for another provider's. An exception is the command's failure."""


@hookspec(firstresult=True)
def deploy(context: Context, project: Project, options: Options) -> ProviderResult | None:
    """Deploy `project`; None for another provider's. An exception is the command's own failure."""


@hookspec(firstresult=True)
def remove(context: Context, project: Project, options: Options) -> ProviderResult | None:
    """Remove what `deploy` made; None for another provider's. An exception is the command's own failure."""


@hookspec(firstresult=True)
def diff(context: Context, project: Project, options: Options) -> ProviderResult | None:
    """Show what `deploy` would change; None for another provider's. An exception is the command's own failure."""
