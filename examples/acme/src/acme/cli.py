"""An ordinary Typer program: groups, nested groups, options, prompts, rich help. The last two lines adopt the core."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from acme import __version__

app = typer.Typer(rich_markup_mode="rich", help="Keep a list of [bold]things to buy[/bold]. :shopping_cart:")
items = typer.Typer(help="The things on the list.")
tags = typer.Typer(help="What kind of thing it is.")
report = typer.Typer(help="What the list comes to.", invoke_without_command=True)
items.add_typer(tags, name="tags")
app.add_typer(items, name="items")
app.add_typer(report, name="report")


@dataclass
class State:
    """What every command is handed."""

    file: Path
    verbose: bool

    def read(self) -> dict[str, list[str]]:
        """Each thing and its tags."""
        things: dict[str, list[str]] = json.loads(self.file.read_text()) if self.file.exists() else {}
        return things

    def write(self, things: dict[str, list[str]]) -> None:
        """Keep them."""
        if self.verbose:
            typer.echo(f"writing {self.file}", err=True)
        self.file.write_text(json.dumps(things))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"acme {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    ctx: typer.Context,
    file: Annotated[Path, typer.Option(envvar="ACME_FILE", help="Where the list is kept.")] = Path("list.json"),
    verbose: Annotated[bool, typer.Option("--verbose", "-v")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,  # noqa: ARG001
) -> None:
    """Keep a list of [bold]things to buy[/bold]. :shopping_cart:"""
    ctx.obj = State(file, verbose)


@items.command()
def add(ctx: typer.Context, thing: str) -> None:
    """Put a thing on the list."""
    ctx.obj.write({**ctx.obj.read(), thing: []})


@items.command("list")
def list_items(ctx: typer.Context) -> None:
    """Show the list."""
    typer.echo("\n".join(ctx.obj.read()))


@tags.command("add")
def add_tag(ctx: typer.Context, thing: str, tag: str) -> None:
    """Tag a thing."""
    things = ctx.obj.read()
    if thing not in things:
        raise typer.BadParameter(f"{thing} is not on the list")
    ctx.obj.write({**things, thing: [*things[thing], tag]})


@report.callback()
def summary(ctx: typer.Context) -> None:
    """How long the list is."""
    if ctx.invoked_subcommand is None:
        typer.echo(f"{len(ctx.obj.read())} things")


@report.command()
def by_tag(ctx: typer.Context) -> None:
    """The things of each tag."""
    for thing, tagged in ctx.obj.read().items():
        typer.echo(f"{thing}: {', '.join(tagged)}")


@app.command()
def clear(ctx: typer.Context, yes: Annotated[bool, typer.Option("--yes", prompt="Throw the list away?")]) -> None:
    """Throw the list away."""
    if not yes:
        raise typer.Exit(3)
    ctx.obj.file.unlink()


from sst_core import adopt  # noqa: E402 - here, to show all that it takes

main = adopt(app, "acme", collector="https://telemetry.acme.example/events")
