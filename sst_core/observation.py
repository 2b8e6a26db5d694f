"""One observed command: consent is asked, plugins are loaded and told, the body runs, plugins are told again."""

import time
from collections.abc import Callable
from typing import TypeVar

import typer

from sst_core.errors import ExitCode, SstError
from sst_core.invocation import Command, Origin, Outcome, Result, Session

T = TypeVar("T")


def observed(session: Session, command: Command, body: Callable[[], T]) -> T:
    """Run `body` as `command`. Returns and raises what the body does, whatever the plugins do.

    What a command runs of the program's others in this process is a part of it: nobody is told of that, and nothing is
    recorded. The user ran one command, with one end.
    """
    if session.plugins.are_told_of_a_command:
        return body()
    if _looks_at_plugins(session, command) or _is_of_telemetry(session, command):
        session.plugins.switches.say_what_names_nothing()  # no other command has to know all that is installed
    collecting = _consent_to(session, command)
    session.plugins.load(collecting=collecting, only_own=_looks_at_plugins(session, command))
    begun = time.monotonic()
    exit_code, result = int(ExitCode.OK), Result.OK
    try:
        session.plugins.on_command_invoked(session.context, command)
        begun = time.monotonic()
        return body()
    except BaseException as error:
        exit_code, result = ending(error)
        raise
    finally:
        outcome = Outcome(exit_code=exit_code, duration=time.monotonic() - begun, result=result)
        session.plugins.on_command_finished(session.context, command, outcome)


def ending(error: BaseException) -> tuple[int, Result]:
    """The exit code that `error` ends the process with, and what that means."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPT, Result.INTERRUPT
    if isinstance(error, typer.Abort | EOFError):
        return ExitCode.FAILURE, Result.ABORT
    code = _exit_code(error)
    if code == ExitCode.INTERRUPT:
        return code, Result.INTERRUPT
    return code, Result.OK if code == 0 else Result.ERROR


def _exit_code(error: BaseException) -> int:
    if isinstance(error, SystemExit):  # sys.exit(None), sys.exit(3), sys.exit("what went wrong")
        return error.code if isinstance(error.code, int) else ExitCode.OK if error.code is None else ExitCode.FAILURE
    if isinstance(error, SstError | typer.Exit | typer.TyperException):
        return error.exit_code
    return ExitCode.FAILURE


def _looks_at_plugins(session: Session, command: Command) -> bool:
    """Whether this is the command that says what is wrong with plugins: none of them may be in its way."""
    return command.origin is Origin.CORE and command.path[0] == session.context.product.plugins_command


def _is_of_telemetry(session: Session, command: Command) -> bool:
    return command.path[0] == session.context.product.telemetry_command


def _consent_to(session: Session, command: Command) -> bool:
    decision = session.consent.decide()
    if not decision.notice_is_due:
        return decision.enabled
    if _is_of_telemetry(session, command):
        return False  # telemetry's own commands say all of this themselves, and are never recorded
    from sst_core.notice import show_notice  # most runs have nothing to show

    return show_notice(session.consent, decision)
