"""The warehouse of many machines: ClickHouse, one server or shards with replicas. Its SQL is in `warehouse/sql/`.

It has no transactions, and several collectors write at once. So nothing that is written means anything by itself:

- The runs of a segment count once its slices are named in `segments`, which is one insert and the last one.
- A run that was written again, by whomever, is folded when it is read: a session counts in the first of six weeks.
- A week is published once: collectors write candidates down, and the server lets one of them have the week's name.
  A candidate lists the slices that it counted; what is in none counts in the next week that is published.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import Any

from sst_collector.dimensions import dimensions
from sst_collector.journal.reading import reader, records
from sst_collector.warehouse.clickhouse.address import Address
from sst_collector.warehouse.clickhouse.database import Database, quoted
from sst_collector.warehouse.clickhouse.rows import Arrived, columns, line, number_of, types_of, writer_of
from sst_collector.warehouse.clickhouse.server import Server, ServerError, connected
from sst_collector.warehouse.protocol import DEDUPLICATED_WEEKS, Cell, PublishedWeek, WarehouseError
from sst_collector.warehouse.sql_files import migrations
from sst_collector.warehouse.unsaid import asking_for, cells_of, statement_for
from sst_collector.weeks import Clock, monday_of, shifted
from sst_core import Catalogue

AWAITED = timedelta(days=1)
"""How long a closed week waits for a collector that has not said yet that it has loaded all of it."""
BATCH = 100_000
"""Runs in one insert."""
FEW = 10_000
"""Sessions that a statement may list."""
FORGETTING_EVERY = timedelta(days=1)
"""How often rows of forgotten machines are looked for and deleted, by whichever collector: to look reads the ids of all
runs, to delete writes anew what they are in, and anyone may ask at any time. They are not counted meanwhile."""
FORGETTING_SECONDS = 60.0
"""How long a round waits for rows to be deleted: they are not counted any more, and the next round looks again."""

_NOT_THERE_YET = {60, 999}
"""No such table, no such node in ZooKeeper: nobody has proposed a candidate."""


@contextmanager
def opened(address: Address, catalogue: Catalogue, *, collector: str, clock: Clock) -> Iterator["ClickhouseWarehouse"]:
    """The warehouse at `address`, its tables made if need be. Raises :class:`WarehouseError`, from the body too."""
    with connected(address) as server:
        warehouse = ClickhouseWarehouse(
            server, catalogue, database=address.database, cluster=address.cluster, collector=collector, clock=clock
        )
        warehouse.migrate()
        yield warehouse


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """The runs of one week in one segment: those of a segment count together or not yet."""

    week: str
    segment: int


@dataclass(frozen=True, slots=True)
class _Reading:
    """What says which runs of a week count: for the shared statements, and what that was made of."""

    names: Mapping[str, str]
    conditions: Mapping[str, str]
    repeated: Sequence[tuple[str, int]]


class ClickhouseWarehouse:
    """See :class:`sst_collector.warehouse.protocol.Warehouse`. `collector` is the id of who uses it."""

    def __init__(
        self, server: Server, catalogue: Catalogue, *, database: str, cluster: str | None, collector: str, clock: Clock
    ) -> None:
        self._database = Database(server, database, cluster)
        self._collector = collector
        self._clock = clock
        self._reader = reader(catalogue)
        self._types = types_of(catalogue)
        self._catalogue = catalogue
        self._slices: dict[str, Collection[Slice]] = {}
        """What was counted last, by week: it is what a publication says that it counted."""
        self._empty: list[Slice] = []
        """Of closed weeks in which nothing counts. The next publication takes them along, or they would one day count:
        when the weeks are gone that they repeat."""

    def migrate(self) -> None:
        """Bring the schema up to date: each migration once, then a column for each new field."""
        of_the_catalogue = ", ".join(f'"{key}" {sql_type}' for key, sql_type in self._types.items())
        if not self._database.columns_of("migrations"):
            self._database.change("create_migrations")
        applied = self._database.run("applied_migrations")
        for name, text in migrations("clickhouse"):
            if (name,) not in applied:
                for statement in self._database.filled_in(text, columns=of_the_catalogue).split(";\n"):
                    if statement.strip():
                        self._database.change_to(statement)
                self._database.run("record_migration", name)
        there = self._database.columns_of(self._database.names["here"])
        for key, sql_type in self._types.items():
            if key not in there:
                self._database.change("add_column", column=f'"{key}" {sql_type}')
        if self._database.cluster and not self._types.keys() <= self._database.columns_of("runs"):
            # It holds nothing, and can't be altered.
            self._database.change("ungather_shards")
            self._database.change_to(self._database.names["gather_shards"])

    def load(self, segment: Path) -> None:
        if self._database.run("loaded_segment", segment.name):
            return
        number = number_of(segment.name)
        arrived = Arrived(self._types)
        lines = arrived.lines(records(segment, self._reader), number, self._first_open())
        while batch := list(islice(lines, BATCH)):
            self._database.insert("insert_runs", batch, columns=columns(self._types))
        self._database.insert("insert_forgotten", [line(week, machine) for machine, week in arrived.forgotten.items()])
        slices = sorted(arrived.weeks) or [""]
        self._database.insert("insert_slices", [line(segment.name, number, week, arrived.rejected) for week in slices])

    def take_over(self, name: str, week: str, runs: Sequence[Sequence[Any]], rejected: int = 0) -> None:
        """Take in another warehouse's `runs` of `week`, each in the catalogue's order, under the name of a segment."""
        if self._database.run("loaded_segment", name):
            return
        number = number_of(name)
        write = writer_of(self._types)
        lines = [write(f"{week}\t{number}\t", tuple(run)) for run in runs]
        self._database.insert("insert_runs", lines, columns=columns(self._types))
        self._database.insert("insert_slices", [line(name, number, week, rejected)])

    def checkpoint(self) -> None:
        """Nothing is left to do: what an insert has answered for is on the servers' disks."""

    def expire(self, before: str) -> None:
        self._database.catch_up()  # or what this server lacks is taken for what nobody needs
        is_looked_through = self._delete_forgotten()
        to_count = self._to_count()
        for week in self._partitions("runs"):
            # A week's runs are looked through for sessions that came again in the weeks after it, until those are out.
            needed = any(week <= effective <= shifted(week, DEDUPLICATED_WEEKS - 1) for effective in to_count)
            waiting = any(part.week == week for parts in to_count.values() for part in parts)
            if week < before and not needed and not waiting:
                self._database.change("drop_partition", week=week)
        kept = min([before, *self._partitions("runs")])
        for week in self._partitions("forgotten") if is_looked_through else ():
            # A run of before is still in the journal of a collector that was away since, if anywhere.
            if shifted(week, 1) < kept:
                self._database.run("drop_forgotten", week=week)

    def unpublished_weeks(self, before: str) -> Sequence[str]:
        self._database.catch_up()
        reached = dict(self._database.run("collectors"))
        if reached.get(self._collector, "") < before:
            self._database.run("collector_reached", self._collector, before)
            reached[self._collector] = before
        closed = sorted(week for week in self._to_count() if week < before)
        # In order, and none before an earlier one: what is late then counts in the first that is not out.
        weeks = []
        for week in closed:
            if self._is_awaited(week, reached):
                break
            if self._has_runs(week):
                weeks.append(week)
            else:
                self._empty += self._slices[week]
        return weeks

    def cells(self, week: str, min_machines: int = 1) -> Sequence[Cell]:
        while True:
            self._database.catch_up()
            reading = self._reading(week)
            total = self._total(reading)
            self._database.catch_up()  # whom the total may lack already, no dimension has either
            cells = [
                cell
                for dimension in dimensions(self._catalogue)
                for cell in cells_of(dimension, self._counted(reading, dimension, min_machines), self._catalogue)
            ]
            self._database.catch_up()
            # A retry that was given up may still have written something meanwhile, and a machine may have been
            # forgotten: dimensions with it and without it would tell, by their difference, what it ran.
            if self._is_repeated_as_before(reading) and self._total(reading) == total:
                return cells

    def _is_repeated_as_before(self, reading: "_Reading") -> bool:
        return len(reading.repeated) == FEW or self._repeated(reading.conditions) == reading.repeated

    def _total(self, reading: "_Reading") -> list[tuple[Any, ...]]:
        """All runs of a reading's week. Nothing but forgetting changes it, and that makes it smaller."""
        return self._database.counting("counted_runs", **reading.names)

    def _counted(self, reading: "_Reading", dimension: str, min_machines: int) -> list[tuple[Any, ...]]:
        asked = asking_for(dimension, self._catalogue, min_machines)
        return self._database.counting(statement_for(dimension), **reading.names, **asked)

    def publish(self, published: PublishedWeek) -> None:
        week, candidate = published.week, token_hex(16)
        slices = self._slices.pop(week, None)
        if slices is None:
            slices = self._to_count().get(week, ())
        taken = sorted({*slices, *(part for part in self._empty if part.week < week)})
        self._database.insert(
            "insert_candidate_slices", [line(candidate, week, part.segment, part.week) for part in taken]
        )
        cells = [(cell.dimension, cell.value, cell.runs, cell.machines) for cell in published.cells]
        self._database.insert("insert_candidate_cells", [line(candidate, week, *cell) for cell in cells])
        self._database.insert("insert_candidate", [line(candidate, week, published.withheld, published.rejected)])
        on_cluster = "_on_cluster" if self._database.cluster else ""
        failure = None
        try:
            self._database.run(f"propose{on_cluster}", week=week, candidate=candidate)
        except WarehouseError as error:  # most often: somebody else was first
            failure = error
        decided = self._proposed(f"proposed{on_cluster}", week)
        if decided is None:
            raise failure or WarehouseError(f"the warehouse didn't decide who publishes {week}")
        self._database.run("decide", week, decided)

    def last_published_week(self) -> str:
        ((last,),) = self._database.run("last_published_week")
        return last or ""

    def last_kept_week(self, after: str) -> str:
        ((last,),) = self._database.run("last_kept_week", after)
        return last or ""

    def published_weeks(self, since: str) -> Sequence[PublishedWeek]:
        self._database.catch_up()
        return [
            PublishedWeek(
                week, tuple(Cell(*row) for row in self._database.run("published_cells", week)), withheld, rejected
            )
            for week, withheld, rejected in self._database.run("published_weeks", since)
        ]

    def rejected_lines(self) -> int:
        ((count,),) = self._database.run("rejected_lines")
        return int(count)

    def _to_count(self) -> Mapping[str, Collection[Slice]]:
        """The slices that no published week has counted, by the week in which they will be."""
        first_open = self._first_open()
        slices: defaultdict[str, list[Slice]] = defaultdict(list)
        for segment, week in self._database.run("slices_to_count"):
            slices[max(week, first_open)].append(Slice(week, segment))
        return slices

    def _reading(self, week: str) -> "_Reading":
        """Which runs of `week` count now."""
        since = shifted(week, 1 - DEDUPLICATED_WEEKS)
        slices: defaultdict[str, list[Slice]] = defaultdict(list)
        for published, segment, source in self._database.run("slices_counted", since):
            slices[published].append(Slice(source, segment))
        for other, parts in self._to_count().items():
            slices[other] += parts
        self._slices[week] = slices[week]
        conditions = {
            "is_current": self._database.is_current(),
            "in_week": _is_in(slices[week]),
            "before": _is_in(part for other, parts in slices.items() if since <= other < week for part in parts),
        }
        repeated = self._repeated(conditions)
        once, count = self._once(repeated, conditions)
        counted = self._database.filled("counted", **conditions, once=once, new=self._new(conditions))
        return _Reading({"runs": "runs", "counted": counted, "count": count}, conditions, repeated)

    def _repeated(self, conditions: Mapping[str, str]) -> Sequence[tuple[str, int]]:
        """The sessions that have several rows, with the first segment of each: most often none or a few."""
        return sorted(self._database.counting("repeated", **conditions, few=str(FEW)))

    def _once(self, repeated: Sequence[tuple[str, int]], conditions: Mapping[str, str]) -> tuple[str, str]:
        """The condition that a session counts by one of its segments, and how runs are then counted."""
        if not repeated:
            return "1 = 1", "count(*)"
        if len(repeated) == FEW:
            once = self._database.filled("once_of_many", **conditions)
            return once, 'count(DISTINCT "sessionId")'
        sessions = ", ".join(quoted(session) for session, _ in repeated)
        firsts = ", ".join(f"({quoted(session)}, {segment})" for session, segment in repeated)
        once = self._database.filled("once_of_few", sessions=sessions, firsts=firsts)
        return once, self._database.filled("count_of_few", sessions=sessions)

    def _new(self, conditions: Mapping[str, str]) -> str:
        """The condition that a session did not count in a week before."""
        if not (before := self._database.counting("counted_before", **conditions, few=str(FEW))):
            return "1 = 1"
        if len(before) == FEW:
            return self._database.filled("new_of_many", **conditions)
        sessions = ", ".join(quoted(session) for (session,) in before)
        return self._database.filled("new_of_few", sessions=sessions)

    def _has_runs(self, week: str) -> bool:
        return self._database.counting("has_runs", **self._reading(week).names) != [(0,)]

    def _is_awaited(self, week: str, reached: Mapping[str, str]) -> bool:
        """Whether a collector that was there in `week` may still have runs of it, and there is time."""
        ended = datetime.combine(monday_of(shifted(week, 1)), time_of_day(), UTC)
        return week in reached.values() and self._clock() < ended + AWAITED

    def _first_open(self) -> str:
        last_published = self.last_published_week()
        return shifted(last_published, 1) if last_published else ""

    def _proposed(self, query: str, week: str) -> str | None:
        try:
            found = self._database.run(query, week=week)
        except ServerError as error:
            if error.code in _NOT_THERE_YET:
                return None
            raise
        return str(found[0][0]) if found and found[0][0] else None

    def _delete_forgotten(self) -> bool:
        """Once a day. Whether all that is kept was looked through now, and no row of a forgotten machine is left."""
        now = self._clock()
        lately = (_to_the_second(now - FORGETTING_EVERY), _to_the_second(now))
        if self._database.run("anyone_forgotten") == [(0,)] or self._database.run("deletions", *lately) != [(0,)]:
            return False
        is_current = self._database.is_current()
        while machines := self._database.counting("to_be_deleted", is_current=is_current):
            listed = ", ".join(f"'{machine}'" for (machine,) in machines)
            self._database.change("delete_machines", machines=listed)
            deadline = time.monotonic() + FORGETTING_SECONDS
            while set(self._database.counting("to_be_deleted", is_current=is_current)) & set(machines):
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)
        self._database.run("note_deletions", _to_the_second(now))
        return True

    def _partitions(self, table: str) -> list[str]:
        table = self._database.names["here"] if table == "runs" else table
        there = self._database.run("partitions", self._database.name, table)
        return [week for (week,) in there if week]


def _to_the_second(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _is_in(slices: Iterable[Slice]) -> str:
    by_week: defaultdict[str, list[str]] = defaultdict(list)
    for part in sorted(set(slices)):
        by_week[part.week].append(str(part.segment))
    any_of = (f"week = '{week}' AND segment IN ({', '.join(segments)})" for week, segments in by_week.items())
    return f"({' OR '.join(any_of) or '1 = 0'})"
