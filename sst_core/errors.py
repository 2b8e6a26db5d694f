"""The errors a user can meet, and the exit codes they end with.

    SstError                 exit 1   anything that went wrong
    ├── ConfigurationError   exit 2   a file that decides something can't be read, parsed or trusted
    ├── NoProviderError      exit 2   nothing here says how to build, or two plugins say so
    ├── AdoptionError        exit 2   a program that adopts the core can't: its author is told why
    ├── PluginError          exit 1   a plugin that a command needs does not work
    ├── ToolNotFoundError    exit 127 the tool that should do the work is not installed (sst_core.processes)
    └── CatalogueError       exit 1   a value that may not be recorded (sst_core.catalogue)

A message says what happened, where, and what to do next, in that order.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Every exit code the core itself ends with. A tool that a provider runs passes its own through."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    """The command line or a configuration file is wrong; nothing was done."""
    NOT_FOUND = 127
    """The tool that should do the work is not installed."""
    INTERRUPT = 130
    """Ctrl-C."""


class SstError(Exception):
    """Anything that went wrong and that a user can be told in words."""

    exit_code: int = ExitCode.FAILURE


class ConfigurationError(SstError):
    """A configuration file that can't be read, parsed or trusted."""

    exit_code = ExitCode.USAGE


class NoProviderError(SstError):
    """No provider, or more than one, claims the project."""

    exit_code = ExitCode.USAGE


class AdoptionError(SstError):
    """A Typer program can't adopt the core as its author wrote it."""

    exit_code = ExitCode.USAGE


class PluginError(SstError):
    """A plugin that a command needs can't be loaded, or failed in it."""


class RefusedError(PluginError):
    """A plugin that the core does not take. Its text is the core's own and quotes no exception's: it can be shown.

    Names in it are a stranger's, and what shows it takes away what could steer the terminal.
    """
