"""The errors a user can meet, and the exit codes they end with.

A message says what happened, where, and what to do next, in that order.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Every exit code the core itself ends with: the table in `docs/commands.md` is made of them.

    A tool that a provider runs passes its own through, and a signal that ended it becomes 128 + its number.
    """

    OK = 0
    """Done."""
    FAILURE = 1
    """It failed; the reason is on stderr."""
    USAGE = 2
    """The command line or a configuration file is wrong; nothing was done."""
    NOT_FOUND = 127
    """The program that should do the work can't be run."""
    INTERRUPT = 130
    """Ctrl-C."""


class SstError(Exception):
    """Anything that went wrong and that a user can be told in words.

    ```text
    SstError
    ├── ConfigurationError
    │   ├── ForeignFileError      files
    │   └── AddressError          sst_telemetry.post
    ├── NoProviderError
    ├── ToolNotFoundError         processes
    ├── AdoptionError
    ├── PluginError
    │   └── RefusedError
    ├── CatalogueError            catalogue
    ├── NotPossibleError          authoring.package
    └── WarehouseError            sst_collector.warehouse.protocol
        ├── ClockAheadError       sst_collector.warehouse.clock_ahead
        └── ServerError           sst_collector.warehouse.clickhouse.server
    ```

    Where a module stands beside it, it is that part's own.
    """

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

    Names in it are a stranger's, and what shows it writes out what could steer the terminal.
    """


def described(error: BaseException) -> str:
    """`type: text` of anybody's exception: making the text of one may raise another."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - it is anybody's code
        text = "<exception str() failed>"  # Python's own words for it
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def reason_of(error: OSError) -> str:
    """What the system refused, and where, in its own words: `str` puts a number before them, which tells nobody."""
    return str(error).removeprefix(f"[Errno {error.errno}] ")


def is_interrupt(error: BaseException) -> bool:
    """Whether `error` is the user's Ctrl-C, alone or in a group of what several tasks raised."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(KeyboardInterrupt) is not None
    return isinstance(error, KeyboardInterrupt)
