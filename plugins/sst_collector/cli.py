"""`sst collector …`: the command line, and nothing that is heavy to import."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sst_collector.options import Data, Json, ProductTarget, explaining_what_is_missing, named_folder, served_product
from sst_collector.published_commands import export, stats
from sst_core import ExitCode, Session, is_terminal, output, output_result, say, waiting

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from sst_collector.doctor import Checked
    from sst_collector.warehouse.clickhouse.address import Address

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="""Take events in and publish what they say in aggregate.

    Example: {command} serve --data ./events
    """,
)

SECONDS_BETWEEN_LINES = 1.0
"""Of what a person is told while something is moved."""
SiteKeyFolder = Annotated[
    Path | None,
    typer.Option(
        envvar="SST_COLLECTOR_SITE_KEY",
        parser=named_folder,
        metavar="FOLDER",
        help="The folder of the weekly keys that hide the original client's permanent ids. Collectors of one site have "
        "to share it, on a disk whose file locks work across machines. By default it is in the data folder.",
    ),
]
_SHAPE = (
    "clickhouse://USER@HOST:PORT/DATABASE, more hosts after commas, and ?cluster=NAME if it is one. "
    "SST_COLLECTOR_WAREHOUSE_PASSWORD is the password."
)
WarehouseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="SST_COLLECTOR_WAREHOUSE",
        metavar="URL",
        help="The ClickHouse that keeps runs and published weeks, for this collector and others: "
        f"{_SHAPE} By default a file in the data folder keeps them.",
    ),
]
MoveTo = Annotated[
    str,
    typer.Option(
        envvar="SST_COLLECTOR_WAREHOUSE",
        metavar="URL",
        help=f"The ClickHouse to move to: {_SHAPE}",
    ),
]
SnapshotEvery = Annotated[
    int,
    typer.Option(
        envvar="SST_COLLECTOR_SNAPSHOT_EVERY",
        min=1,
        max=7 * 24 * 60 * 60,  # what comes out and what is deleted does so week by week
        metavar="SECONDS",
        help="Seconds until what was taken in becomes part of what is published.",
    ),
]


@app.command(short_help="Take events in, and publish numbers, until stopped.")
def serve(  # noqa: PLR0917 - Typer passes by name
    ctx: typer.Context,
    data: Data,
    host: Annotated[
        str, typer.Option(envvar="SST_COLLECTOR_HOST", metavar="ADDRESS", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            envvar="SST_COLLECTOR_PORT",
            min=0,
            max=65535,
            metavar="PORT",
            help="The port to listen on; 0 takes any free one.",
        ),
    ] = 8777,
    min_machines: Annotated[
        int,
        typer.Option(
            envvar="SST_COLLECTOR_MIN_MACHINES",
            min=1,
            metavar="N",
            help="Withhold numbers of fewer machines than this. 1 withholds nothing: for private use only.",
        ),
    ] = 10,
    snapshot_every: SnapshotEvery = 3600,
    product: ProductTarget = None,
    keep_days: Annotated[
        int,
        typer.Option(
            envvar="SST_COLLECTOR_KEEP_DAYS",
            min=31,
            max=36500,
            metavar="DAYS",
            help="Days after the end of a week at which its single runs are deleted. What was published of it stays. "
            "At least 31: so far back, a run that arrives twice is counted once.",
        ),
    ] = 90,
    rate: Annotated[
        int,
        typer.Option(
            envvar="SST_COLLECTOR_RATE",
            min=0,
            metavar="N",
            help="Requests a minute that one address may send before it is answered with 429; 0 for no limit. "
            "Each 20 runs in a request count as one more. Loopback addresses have none.",
        ),
    ] = 600,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            envvar="SST_COLLECTOR_TRUSTED_PROXY",
            metavar="ADDRESS",
            help="The address of a reverse proxy, or a network of such (10.0.0.0/8): --rate is then for the last "
            "address in its X-Forwarded-For. Can be given more than once.",
        ),
    ] = None,
    site_key: SiteKeyFolder = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            "--tls-cert",
            "--ssl-certfile",
            envvar="SST_COLLECTOR_TLS_CERT",
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="Serve HTTPS with this certificate and what is between it and its root, in PEM. Read at the start.",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            "--tls-key",
            "--ssl-keyfile",
            envvar="SST_COLLECTOR_TLS_KEY",
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="The certificate's key, in PEM and without a passphrase.",
        ),
    ] = None,
    admin_port: Annotated[
        int | None,
        typer.Option(
            envvar="SST_COLLECTOR_ADMIN_PORT",
            min=0,
            max=65535,
            metavar="PORT",
            help="Answer Prometheus at /metrics on this port of the loopback address. By default nowhere.",
        ),
    ] = None,
    warehouse: WarehouseUrl = None,
) -> None:
    """Take events in at /events and publish numbers at / and /stats.json, until stopped.

    Nothing is stored or logged about who sends them. Stop it with Ctrl-C or SIGTERM: what it acknowledged is kept.

    Example: {command} --data ./events --port 8777
    """
    host = host.removeprefix("[").removesuffix("]")  # as an address of IPv6 stands in a URL
    if not host:
        raise typer.BadParameter("name an address; 0.0.0.0 is every one of this machine", param_hint="--host")
    if min_machines == 1 and host not in ("127.0.0.1", "::1", "localhost"):
        say(f"Whoever reaches {host} will see numbers about single machines: --min-machines 1 is for private use.")
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("a certificate and its key go together", param_hint="--tls-cert and --tls-key")
    if port and port == admin_port:
        raise typer.BadParameter(f"{port} is the port of --port", param_hint="--admin-port")
    session: Session = ctx.obj
    served = served_product(session, product)
    with explaining_what_is_missing(session), waiting("Starting the collector."):
        from sst_collector.receiving.listening import Tls
        from sst_collector.server import Settings, serve_forever
    serve_forever(
        Settings(
            program=served.name,
            catalogue=served.catalogue,
            host=host,
            port=port,
            data=data,
            min_machines=min_machines,
            snapshot_every=snapshot_every,
            keep_days=keep_days,
            rate=rate,
            proxies=[_network(proxy) for proxy in trusted_proxy or ()],
            site_key=site_key,
            tls=Tls(tls_cert, tls_key) if tls_cert and tls_key else None,
            admin_port=admin_port,
            warehouse=_address(warehouse),
        )
    )


def _network(proxy: str) -> "IPv4Network | IPv6Network":
    from ipaddress import ip_network

    try:
        return ip_network(proxy, strict=False)
    except ValueError:
        raise typer.BadParameter(
            f"{proxy!r} is no address, such as 10.0.0.7, and no network, such as 10.0.0.0/8",
            param_hint="--trusted-proxy",
        ) from None


@app.command(short_help="Say what is wrong with a data folder, and what to do.")
def doctor(  # noqa: PLR0917 - Typer passes by name
    ctx: typer.Context,
    data: Data,
    site_key: SiteKeyFolder = None,
    snapshot_every: SnapshotEvery = 3600,
    warehouse: WarehouseUrl = None,
    as_json: Json = False,
) -> None:
    """Look at a collector's data folder and say what is wrong with it and what to do. Changes nothing.

    Give it --data, --site-key, --snapshot-every and --warehouse as `serve` is
    given them. Exits with 1 if anything is wrong.

    Example: {command} --data ./events
    """
    with explaining_what_is_missing(ctx.obj):
        from sst_collector.doctor import examine
    with waiting("Looking at the data folder and its warehouse."):
        checked = list(examine(data, site_key, snapshot_every, datetime.now(UTC), _address(warehouse)))
    if as_json:
        output(json.dumps([asdict(each) for each in checked], indent=2))
    else:
        _print_checked(checked)
    if any(each.advice is not None for each in checked):
        raise typer.Exit(ExitCode.FAILURE)


def _print_checked(checked: "list[Checked]") -> None:
    for each in checked:
        output(f"{'ok:' if each.advice is None else 'wrong:':6} {each.what}", fit=True)
        if each.advice is not None:
            output(f"       {each.advice}", fit=True)


@app.command(short_help="Take a data folder into ClickHouse.")
def move(
    ctx: typer.Context, data: Data, warehouse: MoveTo, product: ProductTarget = None, as_json: Json = False
) -> None:
    """Take the runs and the published weeks of a data folder to the ClickHouse of --warehouse.

    The collector has to be stopped. What is there is compared with what was here, and only then is the file put aside.
    If it is ended in between, run it again. Afterwards, start the collector with the same --warehouse.

    \b
    Example:
      {command} --data ./events \\
        --warehouse clickhouse://collector@10.0.0.5:8123/sst
    """
    from sst_collector.warehouse.clickhouse.address import parse_address

    address = parse_address(warehouse, os.environ)
    session: Session = ctx.obj
    with explaining_what_is_missing(session):
        from sst_collector.warehouse import moving
    moved = moving.move(data, address, served_product(session, product).catalogue, _teller())
    output_result(moved.as_json(), moved.as_text(), as_json=as_json)


def _teller() -> Callable[[str], None]:
    """How far it has come is for a terminal, once a second, and no part of what a script keeps."""
    told_at = -SECONDS_BETWEEN_LINES

    def tell(how_far: str) -> None:
        nonlocal told_at
        if is_terminal(sys.stderr) and time.monotonic() - told_at >= SECONDS_BETWEEN_LINES:
            told_at = time.monotonic()
            say(how_far)

    return tell


def _address(url: str | None) -> "Address | None":
    if url is None:
        return None
    from sst_collector.warehouse.clickhouse.address import parse_address

    return parse_address(url, os.environ)


app.command(short_help="Write what is published as a static site.")(export)
app.command()(stats)
