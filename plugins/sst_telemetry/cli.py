"""`sst telemetry …`: see and control what is recorded. Works with no terminal, and offline."""

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from sst_core import Consent, ExitCode, Session, SstError, is_terminal, output, output_result, reason_of, say
from sst_telemetry import control
from sst_telemetry import forget as forgetting
from sst_telemetry.catalogue_view import catalogue_as_json, catalogue_as_text
from sst_telemetry.status import read_status
from sst_telemetry.view import preview_of, previewable, view_of

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["--help", "-h"]},  # an adopted program's own commands may have no -h
)

Project = Annotated[
    bool, typer.Option("--project", help="For everybody: in the project's {program}.toml, to be committed.")
]
REQUESTS_SECONDS = 60.0
"""What `flush`, `forget` and `reset` take at most, whatever the network does."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def _complete_command(ctx: typer.Context, incomplete: str) -> list[str]:
    """From names alone, so that no plugin is imported; and from those that the program lists: others can't be typed."""
    listed = getattr(ctx.find_root().command, "commands", ())
    return [name for name in previewable(ctx.obj) if name in listed and name.startswith(incomplete)]


Preview = Annotated[
    str | None,
    typer.Option(metavar="COMMAND", help="Show what this command would send.", autocompletion=_complete_command),
]


@app.callback(invoke_without_command=True)
def telemetry(ctx: typer.Context, as_json: Json = False) -> None:
    """See and control what is recorded. Without a command: the status.

    Example: {command}
    """
    if ctx.invoked_subcommand is None:
        _print_status(ctx.obj, as_json)
    elif as_json:
        raise typer.BadParameter("put it after the command", param_hint="--json")


@app.command(short_help="Say whether telemetry is on, and what decides it.")
def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Say whether telemetry is on, everything that decides it, and what is queued.

    Example: {command} --json
    """
    _print_status(ctx.obj, as_json)


@app.command()
def enable(ctx: typer.Context, project: Project = False, as_json: Json = False) -> None:
    """Switch telemetry on for you. Nothing overrides another off: what still holds is named.

    \b
    Examples:
      {command}
      {command} --project
    """
    consent = ctx.obj.consent
    _print_switched(control.choose_for_project(consent, True) if project else control.enable(consent), as_json)


@app.command()
def disable(ctx: typer.Context, project: Project = False, as_json: Json = False) -> None:
    """Switch telemetry off for you, and delete what was recorded.

    No id stays either, but those that `forget` has still to ask for.

    \b
    Examples:
      {command}
      {command} --project
    """
    consent = ctx.obj.consent
    _print_switched(control.choose_for_project(consent, False) if project else control.disable(consent), as_json)


@app.command(short_help="Show what is queued, and what was sent last.")
def show(ctx: typer.Context, preview: Preview = None, as_json: Json = False) -> None:
    """Show what is queued and the last batch that was sent, byte for byte.

    \b
    Examples:
      {command}
      {command} --preview build
    """
    if preview is not None:
        _print_preview(ctx.obj, preview, as_json)
        return
    view = view_of(ctx.obj.consent)
    output_result(view.as_json(), view.as_text(), as_json=as_json)


@app.command(short_help="Show everything that may be recorded, and why.")
def catalog(ctx: typer.Context, as_json: Json = False) -> None:
    """Show everything that may be recorded: its values, why it is collected, and what allows it.

    Example: {command}
    """
    everything = ctx.obj.context.product.catalogue, ctx.obj.consent.collecting_plugins
    output_result(catalogue_as_json(*everything), catalogue_as_text(*everything), as_json=as_json)


@app.command()
def purge(ctx: typer.Context, as_json: Json = False) -> None:
    """Delete what is queued and the last batch, unsent. Telemetry stays as it is.

    Example: {command}
    """
    purged = control.purge(ctx.obj.consent)
    output_result({"purged": purged}, f"Deleted from the queue: {purged}.", as_json=as_json)


@app.command()
def forget(ctx: typer.Context, as_json: Json = False) -> None:
    """Ask the collector to delete what it still keeps of this machine. Exits with 0 when nothing is left to ask.

    Example: {command}
    """
    _print_forgotten(_bounded(forgetting.forget, ctx.obj.consent), as_json)


@app.command()
def reset(ctx: typer.Context, as_json: Json = False) -> None:
    """Forget, and be another machine to the collector from now on.

    Example: {command}
    """
    _print_forgotten(_bounded(forgetting.reset, ctx.obj.consent), as_json)


@app.command()
def flush(ctx: typer.Context, as_json: Json = False) -> None:
    """Send what is queued now, and wait for it. Exits with 0 when nothing is left.

    Example: {command}
    """
    from sst_telemetry.delivery import Delivery

    try:
        delivery = Delivery(ctx.obj.consent)
        with _at_most(REQUESTS_SECONDS, "Sending what is queued", delivery.is_due):
            report = delivery.run(now_please=True)
    except OSError as error:
        raise SstError(f"What is queued can't be sent: {reason_of(error)}.") from None
    words = "Nothing is left to send."
    if report.left:
        words = f"{'1 run is' if report.left == 1 else f'{report.left} runs are'} left: {report.reason}"
    elif report.of_others:
        others = "1 run is" if report.of_others == 1 else f"{report.of_others} runs are"
        purge = f"`{ctx.obj.consent.product.telemetry} purge`"
        words += f" {others} another version's, and kept for that, 30 days at most; {purge} deletes what is queued."
    values = {"left": report.left, "reason": report.reason, "of_other_versions": report.of_others}
    _print_result(values, words, as_json, failed=report.left > 0)


def _bounded(ask: Callable[[Consent], forgetting.Forgotten], consent: Consent) -> forgetting.Forgotten:
    try:
        with _at_most(REQUESTS_SECONDS, "Asking the collector", lambda: forgetting.is_due(consent)):
            return ask(consent)
    except OSError as error:
        raise SstError(f"The collector could not be asked: {reason_of(error)}. `forget` asks again.") from None


@contextmanager
def _at_most(seconds: float, what: str, is_due: Callable[[], bool]) -> Iterator[None]:
    """Have whatever takes longer fail with TimeoutError, as a network's timeout does. A person is told how long where a
    request is due."""
    if is_terminal(sys.stderr) and is_due():
        say(f"{what}, for {seconds:.0f} seconds at most.")

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("it took too long")

    if sys.platform == "win32" or not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again each second: one request may take it for its own failure
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _print_preview(session: Session, name: str, as_json: bool) -> None:
    if name == session.context.product.telemetry_command:
        raise typer.BadParameter("telemetry's own commands are never recorded", param_hint="--preview")
    if name not in previewable(session):
        raise typer.BadParameter("there is no such command, so nothing would be sent", param_hint="--preview")
    line = preview_of(session, name)
    if not as_json:
        output(f"`{session.context.product.name} {name}` would send, with ids made up for this:", fit=True)
    output(line)


def _print_forgotten(forgotten: forgetting.Forgotten, as_json: bool) -> None:
    _print_result(forgotten.as_json(), forgotten.what, as_json, failed=forgotten.pending > 0)


def _print_result(values: Mapping[str, object], words: str, as_json: bool, *, failed: bool) -> None:
    """Print what became of a request. A failure is an error in these words; with JSON, the JSON and its exit code."""
    if failed and not as_json:
        raise SstError(words)
    output_result(values, words, as_json=as_json)
    if failed:
        raise typer.Exit(ExitCode.FAILURE)


def _print_status(session: Session, as_json: bool) -> None:
    found = read_status(session.consent)
    output_result(found.as_json(), found.as_text(), as_json=as_json)


def _print_switched(switched: control.Switched, as_json: bool) -> None:
    output_result(switched.as_json(), switched.as_text(), as_json=as_json)
