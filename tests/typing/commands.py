"""Commands: a Typer app and a function, with what the core hands to their bodies."""

import typer

from sst_core import PluginError, Session, say

app = typer.Typer()


@app.command()
def hello(ctx: typer.Context, name: str = "you") -> None:
    """Greet somebody."""
    session: Session = ctx.obj
    if not session.consent.decide().enabled:
        say("Telemetry is off.")
    typer.echo(f"hello {name} from {session.context.product.name}")


def wave(name: str = "you") -> None:
    """Wave at somebody."""
    if not name:
        raise PluginError("Nobody is there to wave at.")
