"""`sst collector export` and `stats`: what is published, as files and on a terminal.

Both read the published snapshot, a file that is replaced whole: the server may run, and its database is not opened.
"""

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sst_collector.data_folder import DataFolder
from sst_collector.options import Data, Json, ProductTarget, explaining_what_is_missing, named_folder, served_product
from sst_core import Session, SstError, output

if TYPE_CHECKING:
    from sst_collector.publishing.page import Page
    from sst_collector.publishing.site import Site
    from sst_collector.publishing.snapshot import Snapshot, Total


class Window(StrEnum):
    """The windows, by their days."""

    MONTH = "30"
    QUARTER = "90"
    YEAR = "365"


def export(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(parser=named_folder, metavar="DIR", help="Where the site goes. Made if need be.")
    ],
    data: Data,
    product: ProductTarget = None,
    as_json: Json = False,
) -> None:
    """Write what is published as a static site: pages, CSV and JSON, and a manifest of digests.

    The same snapshot gives the same bytes. A folder that holds something else is left alone.

    Example: {command} ./public --data ./events
    """
    with explaining_what_is_missing(ctx.obj):
        from sst_collector.publishing.exporting import MANIFEST, write_site

        site = _published(ctx.obj, data, product)
    if Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(data)):
        raise typer.BadParameter(f"{folder} is in the collector's own folder; name another", param_hint="DIR")
    try:
        write_site(site, folder)
    except OSError as error:
        raise SstError(f"The site can't be written to {folder}: {error.strerror}. Name another folder.") from None
    index = str(folder / "index.html")
    output(json.dumps({"index": index, "manifest": str(folder / MANIFEST)}, indent=2) if as_json else index)


def stats(
    ctx: typer.Context,
    data: Data,
    window: Annotated[
        Window,
        typer.Option(envvar="SST_COLLECTOR_WINDOW", metavar="DAYS", help="How far to look back: 30, 90 or 365 days."),
    ] = Window.MONTH,
    as_json: Annotated[
        bool, typer.Option("--json", envvar="SST_COLLECTOR_JSON", help="Everything, as in /stats.json.")
    ] = False,
    product: ProductTarget = None,
) -> None:
    """Print what is published.

    Example: {command} --data ./events --window 90
    """
    with explaining_what_is_missing(ctx.obj):
        from sst_collector.publishing.page import page
        from sst_collector.publishing.snapshot import Snapshot

        content = _published(ctx.obj, data, product)["stats.json"].content
        snapshot = Snapshot.from_json(content)
        shown = page(snapshot, served_product(ctx.obj, product).catalogue, window.value)
    if as_json:
        text = content.decode()
    else:
        text = _as_text(snapshot, window.value) if shown.weeks else _when_numbers_come(snapshot, shown)
    output(text, fit=not as_json)


def _published(session: Session, data: Path, target: str | None) -> "Site":
    from sst_collector.publishing.site import site

    product = served_product(session, target)
    path = DataFolder(data).snapshot
    try:
        return site(path.read_bytes(), product.catalogue, product.name)
    except FileNotFoundError:
        of = f" --product {target}" if target else ""  # it is this program that has the command, and not that one
        raise SstError(
            f"Nothing was published in {data} yet. Name a collector's folder with --data, or start one on it: "
            f"{session.context.product.name} collector serve --data {data}{of}"
        ) from None
    except OSError as error:
        raise SstError(f"{path} can't be read: {error.strerror}.") from None
    except ValueError:
        raise SstError(
            f"{path} is not a snapshot of this version. A collector that serves {data} writes it anew."
        ) from None


def _when_numbers_come(snapshot: "Snapshot", page: "Page") -> str:
    """What the web page says where it has no week to show."""
    when = (
        "What is sent shows here with the next snapshot."
        if page.min_machines == 1
        else f"Numbers come out a week at a time, when the week is over. This one, {page.open_week}, is over on "
        f"{page.closes} at 00:00 UTC; what at least {page.min_machines} machines did in it shows here soon after."
    )
    what = f"Nothing of the last {page.days} days is published." if snapshot.weeks else "Nothing is published yet."
    return f"{what}\n{when}\nCells withheld: {snapshot.withheld}. Lines rejected: {snapshot.rejected}."


def _as_text(snapshot: "Snapshot", window: str) -> str:
    lines = [
        f"{window} days, as of {snapshot.snapshot}: {snapshot.withheld} cells of the last year withheld, "
        f"{snapshot.rejected} lines rejected ever."
    ]
    for dimension, totals in snapshot.windows[window].items():
        lines += ["", f"{dimension:<24}{'runs':>12}{'machines':>12}"]
        lines += [f"  {total.value:<22}{total.runs:>12,}{_machines(total):>12}".rstrip() for total in totals] or [
            "  nothing that can be published"
        ]
    return "\n".join(lines)


def _machines(total: "Total") -> str:
    return "" if total.machines is None else f"{total.machines:,}"
