"""Transfer: what a file of DuckDB's holds, taken to a ClickHouse, and looked at there before the file is put aside.

It may be ended at any moment and begun again: what is taken over has a name that its content makes, a name is taken
over once, and a week is published once.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b, sha256

import msgspec

from sst_collector.warehouse.clickhouse.warehouse import BATCH, ClickhouseWarehouse
from sst_collector.warehouse.duckdb.warehouse import DuckdbWarehouse
from sst_collector.warehouse.protocol import PublishedWeek, Warehouse, WarehouseError


@dataclass(frozen=True, slots=True)
class Transferred:
    """What is in both now."""

    runs: int
    published: int
    """Weeks."""
    checksum: str
    """SHA-256 of the published numbers."""


def transfer(source: DuckdbWarehouse, target: ClickhouseWarehouse, say: Callable[[str], None]) -> Transferred:
    """Take everything over and compare. Raises :class:`WarehouseError`, also where the two differ in the end."""
    if unknown := source.unknown_fields():
        raise WarehouseError(
            f"the file holds runs with a {unknown[0]}, which this program does not record, and nothing is left behind "
            "unseen. Name the program whose collector it was with --product"
        )
    published = source.published_weeks(since="")
    there = {week.week: week for week in target.published_weeks(since="")}
    if strange := [week for week in there if there[week] not in published]:
        raise WarehouseError(
            f"the warehouse has published {strange[0]} already, and not as the file did: two histories can't be one. "
            "Name an empty database"
        )
    runs = _take_runs(source, target, say)
    for week in published:
        if week.week not in there:
            target.publish(week)
    for number, (name, rejected) in enumerate(source.segments(), 1):
        target.take_over(name, "", (), rejected)
        say(f"{number} segments so far")
    _compare(source, target, say)
    return Transferred(runs, len(published), checksum(target.published_weeks(since="")))


def checksum(published: Iterable[PublishedWeek]) -> str:
    """The same for the same published numbers, whichever warehouse tells them."""
    weeks = [
        (week.week, week.withheld, week.rejected, sorted(week.cells, key=lambda cell: (cell.dimension, cell.value)))
        for week in published
    ]
    return sha256(msgspec.json.encode(weeks)).hexdigest()


def _take_runs(source: DuckdbWarehouse, target: ClickhouseWarehouse, say: Callable[[str], None]) -> int:
    total = 0
    for week in source.kept_weeks():
        for batch in source.kept_runs(week, BATCH):
            digest = blake2b(repr(batch).encode(), digest_size=16).hexdigest()
            target.take_over(f"{week} {digest}", week, batch)
            total += len(batch)
            say(f"{week}: {total} runs so far")
    return total


def _compare(source: DuckdbWarehouse, target: ClickhouseWarehouse, say: Callable[[str], None]) -> None:
    weeks = list(source.kept_weeks())
    numbers = [
        _numbers(warehouse, _told(weeks, where, say)) for where, warehouse in (("here", source), ("there", target))
    ]
    for what, (one, other) in {what: tuple(each[what] for each in numbers) for what in numbers[0]}.items():
        if one != other:
            raise WarehouseError(
                f"{what}: the two warehouses differ ({one[:12]} and {other[:12]}). The file stays as it is. "
                "Name an empty database and move anew"
            )


def _told(weeks: Iterable[str], where: str, say: Callable[[str], None]) -> Iterator[str]:
    for week in weeks:
        say(f"comparing: the runs of {week} {where}")
        yield week


def _numbers(warehouse: Warehouse, weeks: Iterable[str]) -> dict[str, str]:
    return {
        "what is published": checksum(warehouse.published_weeks(since="")),
        "rejected lines": str(warehouse.rejected_lines()),
        **{f"the runs of {week}": checksum([PublishedWeek(week, tuple(warehouse.cells(week)), 0)]) for week in weeks},
    }
