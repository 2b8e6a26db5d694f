"""The program from the outside: open a session, hand the command line to the table, end with the right exit code."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import EPIPE
from typing import Annotated, NoReturn

import typer
from typer.main import get_command

from sst_core.commands import CommandTable
from sst_core.consent import Consent
from sst_core.entry_points import Entry, installed
from sst_core.environment import ci_name, is_set
from sst_core.errors import ExitCode, SstError, described, is_interrupt, reason_of
from sst_core.invocation import Context, Session
from sst_core.locations import working_folder
from sst_core.plugins import Plugins
from sst_core.product import Product
from sst_core.startup import uncollected
from sst_core.terminal import open_stderr, output, printable, printable_lines, say, unwritten

EXIT_CODES = "Exit codes: 0 done, 1 it failed, 2 the command line or a file is wrong, 127 no such tool, 130 Ctrl-C."
"""In short, for `--help`; :class:`ExitCode` says it in full."""


def run(product: Product, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `arguments`, by default the process's own, and exit."""
    open_stderr()
    try:
        _run(product, arguments)
    except SystemExit as end:
        why = unwritten(sys.stdout)
        if why is not None and not end.code:  # who ended otherwise has said so
            _say_unwritten(product, why)
            sys.exit(ExitCode.FAILURE)
        raise
    finally:
        unwritten(sys.stderr)
        if arguments is None:
            _have_threads_interruptible(product)


def _run(product: Product, arguments: Sequence[str] | None) -> NoReturn:
    table: CommandTable | None = None
    try:
        with ending_in_words(product, lambda: _whose_command(table)):
            with uncollected():
                table = command_table(product)
            table.main(args=arguments, prog_name=product.name, obj=table.session)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPT)
    except BrokenPipeError:  # where Typer looks for none: completing
        sys.exit(ExitCode.FAILURE)
    sys.exit(ExitCode.OK)


def _whose_command(table: CommandTable | None) -> tuple[Session, Entry] | None:
    return None if table is None or table.running is None else (table.session, table.running)


@contextmanager
def ending_in_words(product: Product, running: Callable[[], tuple[Session, Entry] | None]) -> Iterator[None]:
    """End the process with an exit code and a line, whatever is raised inside: a traceback is printed only where
    debugging is on. Typer's own exceptions go through to Typer. `running` returns whose command it was."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.TyperException, EOFError, SystemExit):
        raise
    except SstError as error:
        say(f"{product.name}: error: {printable_lines(str(error))}", fit=True)
        if error.__cause__ is not None and _debugging(product):
            say("".join(traceback.format_exception(error.__cause__)).rstrip())
        sys.exit(error.exit_code)
    except BaseException as error:  # the last door
        if is_interrupt(error):
            raise KeyboardInterrupt from error
        mistake = error.__context__ if isinstance(error.__context__, typer.TyperException) else None
        if isinstance(error, OSError) and error.errno == EPIPE and mistake is None:
            raise  # Typer knows how to end for who reads no more
        is_told = _report_crash(product, error, running())
        # Where nothing can be said, it was Typer's own words for the mistake that couldn't: it is one all the same.
        sys.exit(ExitCode.FAILURE if is_told or mistake is None else mistake.exit_code)


def command_table(product: Product) -> CommandTable:
    """The program's top level, filled with what is installed."""
    first = next(iter(product.command_help), "--version")
    app = typer.Typer(
        name=product.name,
        cls=CommandTable,
        help=f"{product.summary}\n\n\b\nExamples:\n  {product.name} {first}\n  {product.telemetry}",
        epilog=f"`{product.name} COMMAND --help` says more of each. {EXIT_CODES}",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["--help", "-h"], "color": _color(os.environ)},
    )
    app.callback()(_root_options(product))
    table = get_command(app)
    assert isinstance(table, CommandTable)
    for option in table.params:
        if option.name == "install_completion":
            setattr(option, "help", "Install completion for the current shell: bash, zsh or fish.")  # noqa: B010
    table.fill(open_session(product))
    return table


def open_session(product: Product) -> Session:
    """Read the environment and what is installed, once, for this run."""
    plugins = Plugins(product, installed(product), os.environ)
    ci = ci_name(os.environ)
    folder = working_folder()
    consent = Consent(
        product=product,
        environ=os.environ,
        folder=folder,
        ci=ci,
        folder_is_gone=folder is None,
        switched_off=plugins.switches.why_own_telemetry_is_off,
        collecting_plugins=plugins.collecting_plugins,
    )
    return Session(context=Context(product=product, ci=ci), plugins=plugins, consent=consent)


def _color(environ: Mapping[str, str]) -> bool | None:
    """False where no colour is wanted, on a terminal either (https://no-color.org); None for Typer to find out."""
    return False if environ.get("NO_COLOR") or environ.get("TERM") == "dumb" else None


def _root_options(product: Product) -> Callable[[bool], None]:
    def show_version(wanted: bool) -> None:
        if wanted:
            output(f"{product.name} {product.version}")
            raise typer.Exit

    def root(
        version: Annotated[
            bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None:
        """Only the options of the program itself."""

    return root


def _report_crash(product: Product, error: BaseException, running: tuple[Session, Entry] | None) -> bool:
    """Say what went wrong, and return whether it could be said."""
    what = printable_lines(described(error))
    more = f"{product.variable('DEBUG_PLUGINS')}=1 shows where."
    if isinstance(error, OSError) and (why := _refused_by_stdout(error)) is not None:
        is_told = _say_unwritten(product, why)
    elif running is not None and not running[1].first_party:
        session, entry = running
        off = session.plugins.switches.how_to_switch_off(entry)
        is_told = say(f"{product.name}: error: the command of plugin {entry} failed: {what}. {more} {off}.", fit=True)
    elif isinstance(error, OSError):
        is_told = say(f"{product.name}: error: {reason_of(error)}. {more}", fit=True)
    else:
        is_told = say(f"{product.name}: error: {what}. This is a bug, not something you did. {more}", fit=True)
    if _debugging(product):
        say("".join(traceback.format_exception(error)).rstrip())
    return is_told


def _refused_by_stdout(error: OSError) -> OSError | None:
    """Why stdout takes nothing, if that is what went wrong."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    # An unbuffered one has forgotten what it refused, and flushing it fails no second time. A pipe is stderr's here.
    is_ours = frame.f_code is output.__code__
    is_printed = is_ours or (frame.f_code is typer.echo.__code__ and frame.f_locals.get("file") in (None, sys.stdout))
    return unwritten(sys.stdout) or (error if is_printed and error.errno != EPIPE else None)


def _say_unwritten(product: Product, why: OSError) -> bool:
    if why.errno == EPIPE:  # who reads no more wants no word of it
        return True
    reason = why.strerror or described(why)
    return say(f"{product.name}: error: What was asked for can't be written to stdout: {reason}.", fit=True)


def _have_threads_interruptible(product: Product) -> None:
    """Python waits for threads at its end, also for one that a plugin left behind. There Ctrl-C has to end it too."""
    left = [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
    if not left or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    names = ", ".join(printable(thread.name) for thread in left)

    def end(*_: object) -> NoReturn:
        say(f"{product.name}: interrupted while it waited for threads that were left running: {names}", fit=True)
        os._exit(ExitCode.INTERRUPT)

    signal.signal(signal.SIGINT, end)


def _debugging(product: Product) -> bool:
    return is_set(os.environ.get(product.variable("DEBUG_PLUGINS")))
