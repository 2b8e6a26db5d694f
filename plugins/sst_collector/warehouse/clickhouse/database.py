"""A warehouse's database on ClickHouse: statements by name, changes on every server, and replicas that are behind."""

import re
import time
from collections.abc import Sequence
from string import Template
from typing import Any

from sst_collector.warehouse.clickhouse.names import names_at
from sst_collector.warehouse.clickhouse.server import UNFINISHED, Server, ServerError
from sst_collector.warehouse.protocol import WarehouseError
from sst_collector.warehouse.sql_files import statements

BEHIND_SECONDS = 30.0
"""How long a replica may take to catch up before a round is given up."""
SKEW_SECONDS = 5
"""How far the servers' clocks may be apart. What is written meanwhile may hold a reader up for so long."""
_BEHIND = 395


class Database:
    """One, on one server or on the replicas of `cluster`."""

    def __init__(self, server: Server, name: str, cluster: str | None) -> None:
        self._server = server
        self._queries = statements("clickhouse")
        self.name = name
        self.cluster = cluster
        self.names = names_at(server, name, cluster)
        """What the statements call tables and what stands behind them."""

    def columns_of(self, table: str) -> set[str]:
        """Its columns; none if there is no such table."""
        return {column for (column,) in self.run("columns", self.name, table)}

    def catch_up(self) -> None:
        """Wait until this server has what was written to the others before. Raises if it takes too long."""
        if not self.cluster or not (marks := self.run("marks_here", self.name)):
            return
        lags = self._behind(marks)
        deadline = time.monotonic() + BEHIND_SECONDS
        while self.run("behind", **lags):
            if time.monotonic() > deadline:
                raise WarehouseError("the warehouse has a replica that is behind: numbers wait until it has caught up")
            time.sleep(0.05)

    def is_current(self) -> str:
        """A condition that raises on a replica that lacks something of what is in the warehouse now."""
        if not self.cluster:
            return "1 = 1"
        marks = self.run("marks", self.name)
        return self.filled("is_current", **self._behind(marks))

    def counting(self, query: str, **names: str) -> list[tuple[Any, ...]]:
        """Run a statement that raises where a replica is behind, until it doesn't."""
        deadline = time.monotonic() + BEHIND_SECONDS
        while True:
            try:
                return self.run(query, **names)
            except ServerError as error:
                if error.code != _BEHIND or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def insert(self, query: str, lines: Sequence[str], **names: str) -> None:
        """Insert lines, if there are any."""
        if lines:
            self._server.ask(self.filled(query, **names), "".join(lines).encode())

    def change(self, query: str, **names: str) -> None:
        """Carry out the statement of that name as :meth:`change_to` does."""
        self.change_to(self.filled(query, **names))

    def change_to(self, statement: str) -> None:
        """Carry out what concerns every server; those that are away do it when they are back."""
        try:
            self._server.ask(statement)
        except ServerError as error:
            if error.code != UNFINISHED:
                raise

    def run(self, query: str, *values: str, **names: str) -> list[tuple[Any, ...]]:
        """What the statement of that name answers, with `values` in the places of its `?`."""
        given = iter(values)
        statement = re.sub(r"\?", lambda _: quoted(next(given)), self._queries[query].template) if values else None
        return self._server.ask(self.filled_in(statement, **names) if statement else self.filled(query, **names))

    def filled(self, query: str, **names: str) -> str:
        """The text of the statement, or the fragment, of that name."""
        return self.filled_in(self._queries[query].template, **names)

    def filled_in(self, statement: str, **names: str) -> str:
        """`statement` with what this database calls its tables, and with `names`."""
        return Template(statement).substitute(self.names, text="Nullable(String)", **names)

    def _behind(self, marks: Sequence[tuple[str, int]]) -> dict[str, str]:
        ((now,),) = self.run("seconds")
        paths, numbers = zip(*marks, strict=True)
        return {
            "lags": self.filled(
                "lags",
                paths=", ".join(map(quoted, paths)),
                marks=", ".join(f"toInt64({number})" for number in numbers),
            ),
            "waits": self.filled("waits", until=str(now + SKEW_SECONDS)),
        }


def quoted(value: str) -> str:
    """A text as ClickHouse reads it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
