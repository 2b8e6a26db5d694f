"""The embedded warehouse: DuckDB, in one file. Its SQL is in `warehouse/sql/`.

Runs are kept in partitions, one table for each week in which they arrived, so that a load looks for a session only in
the few weeks in which it can be, and old weeks go as a whole.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from sst_collector.dimensions import dimensions
from sst_collector.warehouse.duckdb import file as duckdb_file
from sst_collector.warehouse.protocol import DEDUPLICATED_WEEKS, Cell, PublishedWeek, WarehouseError
from sst_collector.warehouse.sql_files import migrations, statements
from sst_collector.warehouse.unsaid import asking_for, cells_of, statement_for
from sst_collector.weeks import shifted
from sst_core import Bucket, Catalogue, Choice, Flag, Kind, RandomId, Version


@contextmanager
def opened(path: Path, catalogue: Catalogue) -> Iterator["DuckdbWarehouse"]:
    """The warehouse in the file at `path`, made if there never was one. Raises :class:`WarehouseError`, from the body
    too."""
    duckdb_file.refuse_if_gone(path)
    spilled = duckdb_file.spilled(path)
    try:
        with ExitStack() as closed, duckdb.connect(path, config=duckdb_file.CONFIGURATION) as connection:
            duckdb_file.drop_left(spilled)  # whoever had the file open is gone
            warehouse = DuckdbWarehouse(connection, catalogue, path)
            warehouse.migrate()
            duckdb_file.mark(path)
            closed.callback(_write_anew_if_due, warehouse, path)  # whatever the body raises
            yield warehouse
    except duckdb.Error as error:
        raise duckdb_file.in_our_words(path, error) from error


def _write_anew_if_due(warehouse: "DuckdbWarehouse", path: Path) -> None:
    if warehouse.is_in_place and (warehouse.has_expired or duckdb_file.is_due(path)):
        duckdb_file.write_anew(path)


class DuckdbWarehouse:
    """See :class:`sst_collector.warehouse.protocol.Warehouse`. For one thread; :func:`opened` translates its errors."""

    has_expired: bool = False
    """Whether anything was dropped."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, path: Path) -> None:
        self._queries = statements("duckdb")
        self._connection = connection
        self._path = path
        self._file = _identity(path)
        self._types = {field.key: _sql_type(field.kind) for field in catalogue}
        self._columns = ", ".join(f'"{key}"' for key in self._types)
        self._catalogue = catalogue

    @property
    def is_in_place(self) -> bool:
        """Whether the file is still the one that was opened."""
        return _identity(self._path) == self._file

    def migrate(self) -> None:
        """Bring the file's schema up to date: each migration once, then a column for each new field."""
        self._run("create_migrations")
        applied = self._run("applied_migrations")
        for name, text in migrations("duckdb"):
            if (name,) not in applied:
                with self._transaction():
                    self._connection.execute(text)
                    self._run("record_migration", name)
        for week in self._partitions():
            for key, sql_type in self._types.items():
                self._run("add_column", week=week, column=f'"{key}" {sql_type}')
        self._gather_partitions()

    def load(self, segment: Path) -> None:
        if self._run("loaded_segment", segment.name):
            return
        staged = {"week": "VARCHAR", "rejected": "BIGINT", "forget": "UUID", **self._types}
        last_published = self.last_published_week()
        first_open = shifted(last_published, 1) if last_published else ""
        with self._transaction():
            self._run("stage_segment", str(segment), columns=", ".join(f"\"{key}\": '{staged[key]}'" for key in staged))
            for (week,) in self._run("arrived_weeks", first_open):
                self._load_runs(week, first_open)
            if self._run("asked_to_be_forgotten") != [(0,)]:
                deleted = [self._run("forget_machines", week=week) for week in self._partitions()]
                if any(count != [(0,)] for count in deleted):
                    duckdb_file.mark_stale(self._path)
            self._run("load_segment", segment.name)

    def checkpoint(self) -> None:
        self._run("checkpoint")
        if not self.is_in_place:
            raise WarehouseError(f"the warehouse {self._path} was deleted or replaced while it was in use")

    def expire(self, before: str) -> None:
        for week in [week for week in self._partitions() if week < before]:
            if self._run("is_published", week) != [(0,)] or not self._has_runs(week):
                with self._transaction():
                    self._run("drop_partition", week=week)
                    self._gather_partitions()
                    duckdb_file.mark_stale(self._path)
                self.has_expired = True

    def unpublished_weeks(self, before: str) -> Sequence[str]:
        return [
            week
            for week in self._partitions()
            if week < before and self._run("is_published", week) == [(0,)] and self._has_runs(week)
        ]

    def cells(self, week: str, min_machines: int = 1) -> Sequence[Cell]:
        if week not in self._partitions():
            return []
        self._run("take_every_processor")  # once a week, when it is over
        try:
            return [
                cell
                for dimension in dimensions(self._catalogue)
                for cell in cells_of(dimension, self._counted(week, dimension, min_machines), self._catalogue)
            ]
        finally:
            self._run("take_one_processor")

    def publish(self, published: PublishedWeek) -> None:
        with self._transaction():
            self._run("publish_week", published.week, published.withheld, published.rejected)
            for cell in published.cells:
                self._run("publish_cell", published.week, cell.dimension, cell.value, cell.runs, cell.machines)

    def last_published_week(self) -> str:
        ((last,),) = self._run("last_published_week")
        return last or ""

    def last_kept_week(self, after: str) -> str:
        ((last,),) = self._run("last_kept_week", after)
        return last or ""

    def published_weeks(self, since: str) -> Sequence[PublishedWeek]:
        return [
            PublishedWeek(week, tuple(Cell(*row) for row in self._run("published_cells", week)), withheld, rejected)
            for week, withheld, rejected in self._run("published_weeks", since)
        ]

    def rejected_lines(self) -> int:
        ((count,),) = self._run("rejected_lines")
        return int(count)

    def kept_weeks(self) -> Sequence[str]:
        """The weeks whose runs are kept, in order."""
        return [week for week in self._partitions() if self._has_runs(week)]

    def kept_runs(self, week: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """The runs of `week`, each in the catalogue's order, `size` at a time and always the same ones together."""
        columns = ", ".join(
            f"""replace(CAST("{key}" AS VARCHAR), '-', '')""" if sql_type == "UUID" else f'"{key}"'
            for key, sql_type in self._types.items()
        )
        rows = self._connection.cursor().execute(self._queries["kept_runs"].substitute(week=week, columns=columns))
        while batch := rows.fetchmany(size):
            yield batch

    def unknown_fields(self) -> Sequence[str]:
        """The fields that kept runs have a value of and the catalogue does not have: it is another program's."""
        return [
            column
            for week in self._partitions()
            for (column,) in self._run("kept_columns", week=week)
            if column not in self._types and self._run("values_of_column", week=week, column=column) != [(0,)]
        ]

    def segments(self) -> Sequence[tuple[str, int]]:
        """The names of the segments that were loaded, and the rejected lines of each."""
        return [(name, rejected) for name, rejected in self._run("segments")]

    def _counted(self, week: str, dimension: str, min_machines: int) -> list[tuple[Any, ...]]:
        asked = asking_for(dimension, self._catalogue, min_machines)
        return self._run(statement_for(dimension), **_runs_of(week), **asked, text="VARCHAR")

    def _load_runs(self, week: str, first_open: str) -> None:
        if week not in self._partitions():
            self._run("create_partition", week=week, columns=", ".join(f'"{k}" {t}' for k, t in self._types.items()))
            self._gather_partitions()
        recent = [other for other in self._partitions() if other > shifted(week, -DEDUPLICATED_WEEKS)]
        sessions = " UNION ALL ".join(self._queries["sessions"].substitute(week=other) for other in recent)
        self._run("load_runs", first_open, week=week, columns=self._columns, sessions=sessions)

    def _partitions(self) -> list[str]:
        return [week for (week,) in self._run("partitions")]

    def _has_runs(self, week: str) -> bool:
        return self._run("has_runs", **_runs_of(week)) != [(0,)]

    def _gather_partitions(self) -> None:
        nothing = ", ".join(f'NULL::{sql_type} AS "{key}"' for key, sql_type in self._types.items())
        views = [self._queries["no_partition_in_view"].substitute(columns=nothing)]
        for week in self._partitions():
            views.append(self._queries["partition_in_view"].substitute(week=week, columns=self._columns))
        self._run("gather_partitions", partitions=" UNION ALL ".join(views))

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


def _runs_of(week: str) -> dict[str, str]:
    # A partition holds what counts and nothing else.
    return {"runs": f'"runs {week}"', "counted": "true", "count": "count(*)"}


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


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
