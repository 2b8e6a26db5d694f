"""`sst example …`: imported when it is run, and not before."""

from typing import Annotated

import typer

app = typer.Typer(help="What example does.", rich_markup_mode=None)

Name = Annotated[str, typer.Option(help="Whom to greet.")]


@app.callback()
def commands() -> None:
    """What example does."""


@app.command()
def greet(name: Name = "world") -> None:
    """Greet somebody."""
    typer.echo(f"Hello, {name}!")
