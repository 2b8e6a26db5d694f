"""`sst otlp …`: look at the file, and send it. Nothing is sent but by this command, which a timer may run."""

import os

import typer

from sst_core import Session, SstError, output
from sst_otlp.events import events_file, taken

app = typer.Typer(help="What the sst-otlp plugin keeps, and sending it.", rich_markup_mode=None)


@app.command()
def file(ctx: typer.Context) -> None:
    """Say where the events are kept."""
    session: Session = ctx.obj
    output(str(events_file(session.consent.locations)))


@app.command()
def send(ctx: typer.Context) -> None:
    """Send what waits to the endpoint that OTEL_EXPORTER_OTLP_ENDPOINT names, and wait for it."""
    from sst_otlp.otlp import endpoint, export, headers

    session: Session = ctx.obj
    url = endpoint(os.environ)
    _demand_consent(session)
    # Under the lock that `disable` takes: when that returns, no request starts. It ends who says here that it sends.
    with session.consent.changing() as lock:
        os.write(lock, str(os.getpid()).encode())
        _demand_consent(session)
        with taken(events_file(session.consent.locations)) as events:
            refused = export(url, session.context.product.name, events, headers(os.environ)) if events else 0
    output(f"Sent: {len(events) - refused}." + (f" Refused: {refused}." if refused else ""))


def _demand_consent(session: Session) -> None:
    if not session.consent.decide().enabled:
        raise SstError("Telemetry is off, so nothing is sent.")
