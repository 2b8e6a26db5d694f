"""The embedded warehouse: DuckDB, in one file. Its SQL is in `sql/`, where numbered files are migrations."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import duckdb

from sst_collector.warehouse import CI_DIMENSION, Cell, PublishedWeek, WarehouseError
from sst_collector.weeks import shifted
from sst_core import Bucket, Catalogue, Choice, Flag, Kind, RandomId, Version

# Nothing is fetched from anywhere, and the loader leaves memory to the server beside it.
_CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "memory_limit": "512MB",
}


@contextmanager
def opened(path: Path, catalogue: Catalogue) -> Iterator["DuckdbWarehouse"]:
    """The warehouse in the file at `path`, made if need be. Raises :class:`WarehouseError`, from the body too."""
    try:
        with duckdb.connect(path, config=_CONFIGURATION) as connection:
            warehouse = DuckdbWarehouse(connection, catalogue)
            warehouse.migrate()
            yield warehouse
    except duckdb.Error as error:
        # Errors of other kinds may quote a row, and nothing of a row is ever logged.
        detail = f": {error}" if isinstance(error, duckdb.OperationalError) else ""
        raise WarehouseError(f"the warehouse {path} failed: {type(error).__name__}{detail}") from error


class DuckdbWarehouse:
    """See :class:`sst_collector.warehouse.Warehouse`. For one thread; :func:`opened` translates its errors."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
        sql = files(__package__) / "sql"
        parts = re.split(r"^-- name: (\w+)\n", (sql / "queries.sql").read_text(), flags=re.MULTILINE)[1:]
        self._queries = dict(zip(parts[::2], map(Template, parts[1::2]), strict=True))
        self._migrations = sorted((file.name, file) for file in sql.iterdir() if file.name[0].isdigit())
        self._connection = connection
        self._types = {field.key: _sql_type(field.kind) for field in catalogue}
        self._dimensions = {field.dimension: field.key for field in catalogue if field.dimension is not None}

    def migrate(self) -> None:
        """Bring the file's schema up to date: each migration once, then a column for each new field."""
        self._run("create_migrations")
        applied = self._run("applied_migrations")
        for name, file in self._migrations:
            if (name,) not in applied:
                with self._transaction():
                    self._connection.execute(file.read_text())
                    self._run("record_migration", name)
        for key, sql_type in self._types.items():
            self._run("add_column", column=f'"{key}" {sql_type}')

    def load(self, segment: Path) -> None:
        if self._run("loaded_segment", segment.name):
            return
        staged = {"week": "VARCHAR", "rejected": "BIGINT", "forget": "UUID", **self._types}
        ((last_published,),) = self._run("last_published_week")
        first_open = shifted(last_published, 1) if last_published else ""
        with self._transaction():
            self._run("stage_segment", str(segment), columns=", ".join(f"\"{key}\": '{staged[key]}'" for key in staged))
            self._run("load_runs", first_open, columns=", ".join(f'"{key}"' for key in self._types))
            self._run("forget_machines")
            self._run("load_segment", segment.name)

    def checkpoint(self) -> None:
        self._run("checkpoint")

    def unpublished_weeks(self, before: str) -> Sequence[str]:
        return [week for (week,) in self._run("unpublished_weeks", before)]

    def cells(self, week: str) -> Sequence[Cell]:
        return [
            Cell(dimension, *row)
            for dimension, key in self._dimensions.items()
            for row in (
                self._run("ci_cells", week)
                if dimension == CI_DIMENSION
                else self._run("cells", week, column=f'"{key}"')
            )
        ]

    def publish(self, published: PublishedWeek) -> None:
        with self._transaction():
            self._run("publish_week", published.week, published.withheld)
            for cell in published.cells:
                self._run("publish_cell", published.week, cell.dimension, cell.value, cell.runs, cell.machines)

    def published_weeks(self, since: str) -> Sequence[PublishedWeek]:
        return [
            PublishedWeek(week, tuple(Cell(*row) for row in self._run("published_cells", week)), withheld)
            for week, withheld in self._run("published_weeks", since)
        ]

    def rejected_lines(self) -> int:
        ((count,),) = self._run("rejected_lines")
        return int(count)

    def _run(self, query: str, *values: object, **names: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(self._queries[query].substitute(names), values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()


def _sql_type(kind: Kind) -> str:
    match kind:
        case Flag():
            return "BOOLEAN"
        case Bucket():
            return "INTEGER"
        case Choice() | Version():
            return "VARCHAR"
        case RandomId():
            return "UUID"  # half of what the digits take
        case _:
            raise TypeError(f"the warehouse can't hold a {type(kind).__name__} yet")
