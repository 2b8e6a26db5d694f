"""Which warehouse it is: the file in the data folder, unless an address says otherwise."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from secrets import token_hex

from sst_collector.data_folder import DataFolder
from sst_collector.warehouse.clickhouse.address import Address
from sst_collector.warehouse.duckdb import warehouse as duckdb_warehouse
from sst_collector.warehouse.duckdb.file import is_moved
from sst_collector.warehouse.protocol import Warehouse, WarehouseError
from sst_collector.weeks import Clock
from sst_core import Catalogue, ConfigurationError, read_own, write_private

OpenWarehouse = Callable[[], AbstractContextManager[Warehouse]]


def opener(folder: DataFolder, address: Address | None, catalogue: Catalogue, clock: Clock) -> OpenWarehouse:
    """What opens the warehouse. Raises :class:`ConfigurationError` where runs would be left behind, here or there."""
    if address is None:
        if is_moved(folder.warehouse):
            raise ConfigurationError(
                f"What was in {folder.warehouse} was moved to another warehouse. "
                "Start with --warehouse and the address that it was moved to."
            )
        return lambda: duckdb_warehouse.opened(folder.warehouse, catalogue)
    if folder.warehouse.exists():
        raise ConfigurationError(
            f"{folder.warehouse} holds runs and published weeks that the other warehouse doesn't have. "
            "Take them along first: sst collector move."
        )
    return _in_turn(address, catalogue, identity(folder), clock)


def _in_turn(address: Address, catalogue: Catalogue, collector: str, clock: Clock) -> OpenWarehouse:
    from sst_collector.warehouse.clickhouse import warehouse as clickhouse_warehouse

    @contextmanager
    def opened() -> Iterator[Warehouse]:
        nonlocal address
        try:
            with clickhouse_warehouse.opened(address, catalogue, collector=collector, clock=clock) as warehouse:
                yield warehouse
        except WarehouseError:
            # A server that answers may still lack a table, or ZooKeeper: the next round begins with another.
            address = address.turned()
            raise

    return opened


def identity(folder: DataFolder) -> str:
    """The id by which other collectors know this one. Raises OSError."""
    known = read_own(folder.identity)
    if known is None:
        known = token_hex(16).encode()
        write_private(folder.identity, known)
    return known.decode()
