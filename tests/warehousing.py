"""The warehouses that there are, each as a place that a test may open and that nobody else uses."""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from clickhouse_servers import PASSWORD, Servers
from sst_collector.warehouse.clickhouse import warehouse as clickhouse_warehouse
from sst_collector.warehouse.clickhouse.address import PASSWORD_VARIABLE, parse_address
from sst_collector.warehouse.clickhouse.server import ServerError
from sst_collector.warehouse.clickhouse.warehouse import ClickhouseWarehouse
from sst_collector.warehouse.duckdb import warehouse as duckdb_warehouse
from sst_collector.warehouse.protocol import Warehouse
from sst_collector.weeks import Clock
from sst_core import SST, Catalogue

WEEK = "2026-W48"
SegmentOf = Callable[..., Path]
"""Makes a closed segment of these records, which arrived in `week`; `tail` is what comes after them."""

LATER = datetime(2027, 6, 1, tzinfo=UTC)
"""Nobody waits any more for a collector's runs of the weeks in the tests."""


class Place(Protocol):
    """Where a warehouse is. What is in it stays from one opening to the next."""

    name: str

    def opened(
        self, catalogue: Catalogue = SST.catalogue, collector: str = "a", clock: Clock = lambda: LATER
    ) -> AbstractContextManager[Warehouse]:
        """Open it, as the collector of this id."""


class DuckdbFile:
    """A file of DuckDB's: one collector has it for itself."""

    name = "duckdb"

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def opened(
        self, catalogue: Catalogue = SST.catalogue, collector: str = "a", clock: Clock = lambda: LATER
    ) -> Iterator[Warehouse]:
        with duckdb_warehouse.opened(self.path, catalogue) as warehouse:
            yield warehouse


class Clickhouse:
    """A database of servers that were started for the tests."""

    def __init__(self, name: str, servers: Servers, database: str) -> None:
        self.name = name
        self.servers = servers
        self.database = database

    @contextmanager
    def opened(
        self, catalogue: Catalogue = SST.catalogue, collector: str = "a", clock: Clock = lambda: LATER
    ) -> Iterator[ClickhouseWarehouse]:
        address = parse_address(self.servers.url(self.database), {PASSWORD_VARIABLE: PASSWORD})
        with clickhouse_warehouse.opened(address, catalogue, collector=collector, clock=clock) as warehouse:
            yield warehouse


class Chdb:
    """Today's ClickHouse, in this process: it has no server, and one session."""

    name = "chdb"

    def __init__(self, query: Callable[..., Any]) -> None:
        self._query = query
        self.database = f"t{secrets.token_hex(6)}"
        query(f"CREATE DATABASE {self.database}")

    def ask(self, statement: str, lines: bytes | None = None) -> list[tuple[Any, ...]]:
        """See :class:`sst_collector.warehouse.clickhouse.server.Server`."""
        asks = statement.lstrip().startswith("SELECT")
        statement = statement.strip().removesuffix(";") + ("" if lines is None else "\n" + lines.decode())
        self._query(f"USE {self.database}")
        try:
            answer = self._query(statement, "JSONCompact" if asks else "CSV")
        except RuntimeError as error:
            raise ServerError("chdb", int(re.findall(r"Code: (\d+)", str(error))[-1])) from None
        return [tuple(row) for row in json.loads(answer.bytes())["data"]] if asks else []

    @contextmanager
    def opened(
        self, catalogue: Catalogue = SST.catalogue, collector: str = "a", clock: Clock = lambda: LATER
    ) -> Iterator[ClickhouseWarehouse]:
        warehouse = ClickhouseWarehouse(
            self, catalogue, database=self.database, cluster=None, collector=collector, clock=clock
        )
        warehouse.migrate()
        yield warehouse


def runs(warehouse: Warehouse, week: str = WEEK) -> int:
    """How many runs of people it counts in a week."""
    return sum(cell.runs for cell in warehouse.cells(week) if cell.dimension == "command")
