"""The core of a Typer program with pluggy hooks. What is exported here is the whole public API.

A plugin is one file and two lines of TOML:

    # hello.py
    import sys

    from sst_core import hookimpl

    @hookimpl
    def on_command_finished(command, outcome):
        print(" ".join(command.path), outcome.result.value, file=sys.stderr)

    # pyproject.toml
    [project.entry-points."sst.plugins"]
    hello = "hello"

Another Typer program adopts all of this, under its own name, in two:

    from sst_core import adopt
    main = adopt(app, "acme")

Names are loaded when they are first used: importing this package costs nothing that isn't needed.
"""

import sys

__version__ = "0.1.0"

TYPE_CHECKING = False
"""True to type checkers, like `typing.TYPE_CHECKING`. `typing` is not imported here: it is slow, and Ctrl-C during it
would print a traceback."""

if TYPE_CHECKING:
    from sst_core.adoption import Adopted, adopt
    from sst_core.catalogue import (
        EVENT_NAME,
        Bucket,
        Catalogue,
        CatalogueError,
        Choice,
        Field,
        Flag,
        Kind,
        Moment,
        RandomId,
        Run,
        Section,
        Value,
        Version,
    )
    from sst_core.configuration import read_toml
    from sst_core.consent import Consent, Decision, Source
    from sst_core.declaration import CollectingPlugin, Declaration, DeclaredValue, declaration_of
    from sst_core.destination import Destination, find_destination
    from sst_core.environment import ci_name, is_set
    from sst_core.errors import (
        AdoptionError,
        ConfigurationError,
        ExitCode,
        NoProviderError,
        PluginError,
        SstError,
        reason_of,
    )
    from sst_core.files import read_own, sync_path, write_private
    from sst_core.hookspecs import hookimpl
    from sst_core.invocation import Command, Context, Origin, Outcome, Result, Session
    from sst_core.locations import Locations
    from sst_core.locks import held, held_if_free
    from sst_core.notice import notice_text
    from sst_core.processes import ToolNotFoundError, read_tool, run_tool
    from sst_core.product import Product
    from sst_core.project import Change, Detected, Options, Project, ProviderResult, Stack
    from sst_core.sst import SST
    from sst_core.stages import name_of, stage_of
    from sst_core.terminal import can_ask, is_terminal, output, output_result, printable, say
    from sst_core.timeline import timed, waiting
    from sst_core.tools import find_tool
    from sst_core.weeks import utc_now, week_of

_HOME = {
    "Adopted": "adoption",
    "AdoptionError": "errors",
    "Bucket": "catalogue",
    "Catalogue": "catalogue",
    "CatalogueError": "catalogue",
    "Change": "project",
    "Choice": "catalogue",
    "CollectingPlugin": "declaration",
    "Command": "invocation",
    "ConfigurationError": "errors",
    "Consent": "consent",
    "Context": "invocation",
    "Decision": "consent",
    "Declaration": "declaration",
    "DeclaredValue": "declaration",
    "Destination": "destination",
    "Detected": "project",
    "EVENT_NAME": "catalogue",
    "ExitCode": "errors",
    "Field": "catalogue",
    "Flag": "catalogue",
    "Kind": "catalogue",
    "Locations": "locations",
    "Moment": "catalogue",
    "NoProviderError": "errors",
    "Options": "project",
    "Origin": "invocation",
    "Outcome": "invocation",
    "PluginError": "errors",
    "Product": "product",
    "Project": "project",
    "ProviderResult": "project",
    "RandomId": "catalogue",
    "Result": "invocation",
    "Run": "catalogue",
    "SST": "sst",
    "Section": "catalogue",
    "Session": "invocation",
    "Source": "consent",
    "SstError": "errors",
    "Stack": "project",
    "ToolNotFoundError": "processes",
    "Value": "catalogue",
    "Version": "catalogue",
    "adopt": "adoption",
    "can_ask": "terminal",
    "ci_name": "environment",
    "declaration_of": "declaration",
    "find_destination": "destination",
    "find_tool": "tools",
    "held": "locks",
    "held_if_free": "locks",
    "hookimpl": "hookspecs",
    "is_set": "environment",
    "is_terminal": "terminal",
    "name_of": "stages",
    "notice_text": "notice",
    "output": "terminal",
    "output_result": "terminal",
    "printable": "terminal",
    "read_own": "files",
    "read_toml": "configuration",
    "read_tool": "processes",
    "reason_of": "errors",
    "run_tool": "processes",
    "say": "terminal",
    "stage_of": "stages",
    "sync_path": "files",
    "timed": "timeline",
    "utc_now": "weeks",
    "waiting": "timeline",
    "week_of": "weeks",
    "write_private": "files",
}

__all__ = [
    "EVENT_NAME",
    "SST",
    "Adopted",
    "AdoptionError",
    "Bucket",
    "Catalogue",
    "CatalogueError",
    "Change",
    "Choice",
    "CollectingPlugin",
    "Command",
    "ConfigurationError",
    "Consent",
    "Context",
    "Decision",
    "Declaration",
    "DeclaredValue",
    "Destination",
    "Detected",
    "ExitCode",
    "Field",
    "Flag",
    "Kind",
    "Locations",
    "Moment",
    "NoProviderError",
    "Options",
    "Origin",
    "Outcome",
    "PluginError",
    "Product",
    "Project",
    "ProviderResult",
    "RandomId",
    "Result",
    "Run",
    "Section",
    "Session",
    "Source",
    "SstError",
    "Stack",
    "ToolNotFoundError",
    "Value",
    "Version",
    "adopt",
    "can_ask",
    "ci_name",
    "declaration_of",
    "find_destination",
    "find_tool",
    "held",
    "held_if_free",
    "hookimpl",
    "is_set",
    "is_terminal",
    "name_of",
    "notice_text",
    "output",
    "output_result",
    "printable",
    "read_own",
    "read_toml",
    "read_tool",
    "reason_of",
    "run_tool",
    "say",
    "stage_of",
    "sync_path",
    "timed",
    "utc_now",
    "waiting",
    "week_of",
    "write_private",
]


if not TYPE_CHECKING:  # a checker would take every name for exported

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
