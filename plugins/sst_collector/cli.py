"""`sst collector …`: the command line, and nothing that is heavy to import."""

from pathlib import Path
from typing import Annotated

import typer

from sst_core import Session, SstError, say

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="""Take events in and publish what they say in aggregate.

    Example: sst collector serve --data ./events
    """,
)


@app.callback()
def collector() -> None:
    """Keeps `serve` a subcommand, although it is the only one."""


@app.command()
def serve(  # noqa: PLR0917 - Typer passes by name
    ctx: typer.Context,
    data: Annotated[Path, typer.Option(help="The folder that holds everything. Made if need be, for you alone.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes any free one.")] = 8777,
    min_machines: Annotated[
        int,
        typer.Option(
            min=1, help="Withhold numbers of fewer machines than this. 1 withholds nothing: for private use only."
        ),
    ] = 10,
    snapshot_every: Annotated[
        int, typer.Option(min=1, help="Seconds until what was taken in becomes part of what is published.")
    ] = 3600,
) -> None:
    """Take events in at /events and publish numbers at /stats.json, until stopped.

    Nothing is stored or logged about who sends them. Stop it with Ctrl-C or SIGTERM: what it acknowledged is kept.

    Example: sst collector serve --data ./events --port 8777
    """
    if not host:
        raise typer.BadParameter("name an address; 0.0.0.0 is every one of this machine", param_hint="--host")
    if min_machines == 1 and host not in ("127.0.0.1", "::1", "localhost"):
        say(f"Whoever reaches {host} will see numbers about single machines: --min-machines 1 is for private use.")
    session: Session = ctx.obj
    product = session.context.product
    try:
        from sst_collector.server import Settings, serve_forever
    except ModuleNotFoundError as error:
        raise SstError(
            f"The collector needs packages that are not installed ({error.name}). "
            f"Run: pip install '{product.distribution}[collector]'"
        ) from None
    serve_forever(
        Settings(
            catalogue=product.catalogue,
            host=host,
            port=port,
            data=data,
            min_machines=min_machines,
            snapshot_every=snapshot_every,
        )
    )
