"""What several of the collector's commands take, and what they say where its packages are not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sst_core import AdoptionError, Product, Session, SstError


def named_folder(text: str) -> Path:
    """The folder of that name. Raises :class:`typer.BadParameter` for none.

    `--data "$DATA"` without that variable would mean the folder that a script happens to run in.
    """
    if not text:
        raise typer.BadParameter("name a folder; . is the one that you are in")
    return Path(text)


def data_folder(text: str) -> Path:
    """The folder of that name, in which DuckDB can keep a file. Raises :class:`typer.BadParameter` for none."""
    folder = named_folder(text)
    if "?" in text:  # and it would write beside its file, to what the path is without them
        raise typer.BadParameter("name one without ?: DuckDB takes what is behind it for options of its own")
    return folder


Data = Annotated[
    Path,
    typer.Option(
        envvar="SST_COLLECTOR_DATA",
        parser=data_folder,
        metavar="FOLDER",
        help="The collector's folder, which holds everything. `serve` makes it if need be, for you alone.",
    ),
]
ProductTarget = Annotated[
    str | None,
    typer.Option(
        envvar="SST_COLLECTOR_PRODUCT",
        metavar="MODULE:NAME",
        help="The program whose collector this is, if it is another: what `adopt` returned, or its Product.",
    ),
]
Json = Annotated[bool, typer.Option("--json", envvar="SST_COLLECTOR_JSON", help="Print JSON, for scripts.")]


def served_product(session: Session, target: str | None) -> Product:
    """The product at `target`, or this program's own. Raises :class:`typer.BadParameter`."""
    if target is None:
        return session.context.product
    try:
        return Product.at(target)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is a program, and runs what it likes
        why = error if isinstance(error, ImportError | AttributeError | ValueError | AdoptionError) else repr(error)
        raise typer.BadParameter(f"{target} can't be imported: {why}", param_hint="--product") from None


@contextmanager
def explaining_what_is_missing(session: Session) -> Iterator[None]:
    """Say how to get the packages that only a collector needs. Raises :class:`SstError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise SstError(
            f"The collector needs packages that are not installed ({error.name}). "
            "Get them with the extra collector: "
            f"install {session.context.product.distribution} as you did, with [collector] behind it."
        ) from None
