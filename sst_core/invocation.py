"""What the core tells plugins about a run. Data only, and nothing a user typed: see :mod:`sst_core.hookspecs`."""

from enum import Enum
from typing import TYPE_CHECKING

from sst_core.product import Product
from sst_core.records import Record

if TYPE_CHECKING:
    from sst_core.consent import Consent
    from sst_core.plugins import Plugins


class Context(Record):
    """The run that a hook is called in."""

    product: Product
    """The program that runs: its name, its version, the prefix of its variables."""
    ci: str | None
    """The CI service that the run is in, from the catalogue's closed list; None outside CI."""


class Origin(Enum):
    """Who registered a command."""

    CORE = "core"
    """The product's own distribution."""
    PLUGIN = "plugin"


class Command(Record):
    """A command, by the names it was registered under, never by what was typed."""

    path: tuple[str, ...]
    """From the first word below the program: `("telemetry", "status")`."""
    origin: Origin
    """Who registered it."""


class Result(Enum):
    """How a command ended."""

    OK = "ok"
    ERROR = "error"
    ABORT = "abort"
    """The user said no at a prompt, or the prompt met the end of its input."""
    INTERRUPT = "interrupt"
    """Ctrl-C."""


class Outcome(Record):
    """The end of a command."""

    exit_code: int
    """What the process ends with."""
    duration: float
    """Seconds from after parsing to the end of the body."""
    result: Result
    """How it ended, in a word: an exit code alone doesn't tell a no from an error."""


class Session(Record):
    """What a command's body finds in `typer.Context.obj`."""

    context: Context
    plugins: "Plugins"
    consent: "Consent"
