"""`sst telemetry …`: see and control what is recorded. Works with no terminal, and offline."""

import json as json_format
from typing import Annotated

import typer

from sst_core import Session, SstError
from sst_telemetry import control
from sst_telemetry.status import read_status
from sst_telemetry.view import view_of

app = typer.Typer(
    help="See and control what is recorded.",
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.callback(invoke_without_command=True)
def telemetry(ctx: typer.Context, json: Json = False) -> None:
    """See and control what is recorded. Without a command: the status.

    Example: sst telemetry
    """
    if ctx.invoked_subcommand is None:
        _print_status(ctx.obj, json)


@app.command()
def status(ctx: typer.Context, json: Json = False) -> None:
    """Say whether telemetry is on, everything that decides it, and what is queued.

    Example: sst telemetry status --json
    """
    _print_status(ctx.obj, json)


@app.command()
def enable(ctx: typer.Context, json: Json = False) -> None:
    """Switch telemetry on for you. Nothing overrides another off: what still holds is named.

    Example: sst telemetry enable
    """
    _print_change(control.enable(ctx.obj.consent), json)


@app.command()
def disable(ctx: typer.Context, json: Json = False) -> None:
    """Switch telemetry off for you, and delete what was recorded and every id.

    Example: sst telemetry disable
    """
    _print_change(control.disable(ctx.obj.consent), json)


@app.command()
def show(ctx: typer.Context, json: Json = False) -> None:
    """Show what is queued and the last batch that was sent, byte for byte.

    Example: sst telemetry show
    """
    view = view_of(ctx.obj.consent)
    typer.echo(json_format.dumps(view.as_json(), indent=2) if json else view.as_text())


@app.command()
def flush(ctx: typer.Context, json: Json = False) -> None:
    """Send what is queued now, and wait for it. Exits with 0 when nothing is left.

    Example: sst telemetry flush
    """
    from sst_telemetry.delivery import Delivery

    try:
        report = Delivery(ctx.obj.context.product, ctx.obj.consent.environ).run(now_please=True)
    except OSError as error:
        raise SstError(f"What is queued can't be sent: {error}.") from None
    if json:
        typer.echo(json_format.dumps({"left": report.left, "reason": report.reason}))
    else:
        typer.echo(f"{report.left} left: {report.reason}" if report.left else "Nothing is left to send.")
    raise typer.Exit(1 if report.left else 0)


def _print_status(session: Session, json: bool) -> None:
    found = read_status(session.consent)
    typer.echo(json_format.dumps(found.as_json(), indent=2) if json else found.as_text())


def _print_change(change: control.Change, json: bool) -> None:
    typer.echo(json_format.dumps(change.as_json()) if json else change.as_text())
