"""`sst collector move`: a data folder's warehouse becomes the ClickHouse that collectors share."""

from collections.abc import Callable
from pathlib import Path

from sst_collector import clickhouse_warehouse, duckdb_warehouse
from sst_collector.clickhouse_address import Address
from sst_collector.data_folder import DataFolder, claimed
from sst_collector.duckdb_file import is_moved, mark_moved
from sst_collector.journal import sync_folder
from sst_collector.transfer import transfer
from sst_collector.warehouses import identity
from sst_collector.weeks import utc_now
from sst_core import Catalogue, ConfigurationError


def move(data: Path, address: Address, catalogue: Catalogue, say: Callable[[str], None]) -> str:
    """Transfer, put the file aside and say what was moved. Raises :class:`SstError`; then the file is where it was."""
    folder = DataFolder(data)
    if not folder.lock.is_file():
        raise ConfigurationError(f"{data} was not made by a collector. Name the one that `serve` is given with --data.")
    with claimed(data):
        if not folder.warehouse.exists():
            if is_moved(folder.warehouse):
                return f"What was in {folder.warehouse} has been moved. Start the collector with --warehouse."
            raise ConfigurationError(f"There is no warehouse in {data}: there is nothing to move.")
        with (
            duckdb_warehouse.opened(folder.warehouse, catalogue) as source,
            clickhouse_warehouse.opened(address, catalogue, collector=identity(folder), clock=utc_now) as target,
        ):
            moved = transfer(source, target, say)
        # In this order: one that is only noted to be moved is still there, and is moved once more.
        mark_moved(folder.warehouse)
        folder.warehouse.rename(folder.moved)
        sync_folder(data)
    return (
        f"{moved.runs} runs and {moved.published} published weeks are in both, and the numbers are the same:\n"
        f"sha256 of what is published: {moved.checksum}\n"
        f"The file is {folder.moved} now, with every single run: delete it once the collector runs with --warehouse."
    )
