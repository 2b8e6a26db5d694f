"""`sst collector move`: a data folder's warehouse becomes the ClickHouse that collectors share."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from sst_collector.data_folder import DataFolder, claimed
from sst_collector.warehouse.clickhouse import warehouse as clickhouse_warehouse
from sst_collector.warehouse.clickhouse.address import Address
from sst_collector.warehouse.clock_ahead import refuse_if_ahead
from sst_collector.warehouse.duckdb import warehouse as duckdb_warehouse
from sst_collector.warehouse.duckdb.file import is_moved, mark_moved
from sst_collector.warehouse.opening import identity
from sst_collector.warehouse.transfer import Transferred, transfer
from sst_core import Catalogue, ConfigurationError, SstError, sync_path, utc_now, waiting


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of it."""

    file: Path
    """What the data folder's warehouse is called now, until somebody deletes it."""
    transferred: Transferred | None
    """None if it had been moved before."""

    def as_json(self) -> Mapping[str, object]:
        """For scripts: without numbers, if it had been moved before."""
        numbers = self.transferred and asdict(self.transferred)
        return {"file": str(self.file), **(numbers or {"runs": None, "published": None, "checksum": None})}

    def as_text(self) -> str:
        """For people."""
        if self.transferred is None:
            return f"What was in {self.file} has been moved. Start the collector with --warehouse."
        runs, published = self.transferred.runs, self.transferred.published
        return (
            f"{runs} runs and {published} published weeks are in both, and the numbers are the same:\n"
            f"sha256 of what is published: {self.transferred.checksum}\n"
            f"The file is {self.file} now, with every single run: delete it once the collector runs with --warehouse."
        )


def move(data: Path, address: Address, catalogue: Catalogue, say: Callable[[str], None]) -> Moved:
    """Transfer, and put the file aside. Raises :class:`SstError`; then the file is where it was."""
    folder = DataFolder(data)
    if not folder.lock.is_file() and not folder.lock_is_lost:
        raise ConfigurationError(f"{data} was not made by a collector. Name the one that `serve` is given with --data.")
    with claimed(data):
        if not folder.warehouse.exists():
            if is_moved(folder.warehouse):
                return Moved(folder.moved, None)
            raise SstError(f"There is no warehouse in {data}: there is nothing to move.")
        with ExitStack() as stack:
            with waiting("Opening both warehouses."):
                source = stack.enter_context(duckdb_warehouse.opened(folder.warehouse, catalogue))
                # In the file it can be repaired, and in the other not.
                refuse_if_ahead(source, utc_now())
                target = stack.enter_context(
                    clickhouse_warehouse.opened(address, catalogue, collector=identity(folder), clock=utc_now)
                )
            transferred = transfer(source, target, say)
        # In this order: one that is only noted to be moved is still there, and is moved once more.
        mark_moved(folder.warehouse)
        folder.warehouse.rename(folder.moved)
        sync_path(data)
    return Moved(folder.moved, transferred)
