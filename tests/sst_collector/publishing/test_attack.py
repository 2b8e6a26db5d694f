"""Nobody learns what was withheld. `nox -s attack` tries more often."""

import os
import random
from itertools import product

import pytest

from attacking import (
    Cells,
    Publisher,
    Rows,
    a_community,
    attack,
    groups,
    honest,
    in_csv,
    in_dimensions,
    in_json,
    in_pages,
    nulls_as_a_value,
    nulls_left_out,
    parts_told,
    publications,
    recovered,
    windows_from_rows,
    without_neighbours,
)
from doubting import is_possible, others
from sst_collector.publishing.ranking import MEMORY, keeping, ranking
from sst_collector.publishing.site import site
from sst_collector.publishing.suppression import publishable
from sst_collector.warehouse.protocol import Cell
from sst_collector.weeks import shifted
from sst_core import SST

DATASETS = int(os.environ.get("SST_ATTACK_DATASETS", "50"))
FIRST = int(os.environ.get("SST_ATTACK_FIRST", "0"))
"""The seed of the first community."""
NAIVE = max(30, DATASETS // 10)
THRESHOLDS = (3, 5, 10)


def test_nothing_that_was_withheld_can_be_computed() -> None:
    """From every window of every day, and the totals."""
    small = snapshots = 0
    for seed in range(FIRST, FIRST + DATASETS):
        truth, min_machines = a_community(random.Random(seed)), THRESHOLDS[seed % 3]
        rows = Rows(truth)
        seen = publications(truth, honest, min_machines, rows)
        claims = attack(truth, seen, parts_told(rows, min_machines))
        assert recovered(truth, claims, min_machines) == [], f"seed {seed}"
        small += sum((cell.machines or 99) < min_machines for cells in truth.values() for cell in cells)
        snapshots += len(seen)
    print(f"{DATASETS} communities, {snapshots} snapshots, {small} small cells of groups: none recovered")
    assert small > DATASETS


@pytest.mark.parametrize(
    ("publisher", "at_least"),
    [(without_neighbours, 20), (windows_from_rows, 20), (nulls_as_a_value, 4), (nulls_left_out, 4)],
)
def test_the_same_attack_succeeds_on_naive_publishers(publisher: Publisher, at_least: int) -> None:
    broken = 0
    for seed in range(FIRST, FIRST + NAIVE):
        truth, min_machines = a_community(random.Random(seed)), THRESHOLDS[seed % 3]
        claims = attack(truth, publications(truth, publisher, min_machines))
        broken += bool(recovered(truth, claims, min_machines))
    print(f"{publisher.__name__}: {broken} of {NAIVE} communities told something")
    assert broken > at_least * NAIVE // 30


def test_whatever_the_attack_another_week_would_have_been_published_just_the_same() -> None:
    """With each withheld small cell at every small number, what is published stays the same, byte for byte."""
    doubts = 0
    for seed in range(FIRST, FIRST + DATASETS // 4):
        truth, min_machines = a_community(random.Random(seed)), THRESHOLDS[seed % 3]
        rows = Rows(truth)
        seen = publications(truth, honest, min_machines, rows)
        for week, cells in truth.items():
            assert all(map(is_possible, groups(cells))), f"seed {seed}"
            small = [cell for cell in cells if cell.machines is not None and cell.machines < min_machines]
            for cell, machines in product(small, range(1, min_machines)):
                other = published_alike(rows, week, cell, machines, min_machines)
                assert other is not None, f"seed {seed}, {week}: {cell} can't be of {machines} machines"
                doubts += 1
                if doubts % 100 == 0:  # the whole of it is slow; above it was the week alone
                    assert publications({**truth, week: other}, honest, min_machines) == seen, f"seed {seed}, {week}"
    print(f"{doubts} times a small cell of another number, and published as it was")
    assert doubts > 10 * DATASETS


def test_what_a_forger_learns_is_what_the_docs_say() -> None:
    """With nine invented machines, or an invented neighbour: the small cell, and no more."""
    real = [Cell("command", "build", 400, 200), Cell("command", "remove", 4, 2), Cell("platform", "linux", 404, 202)]
    lifted = [real[0], Cell("command", "remove", 4 + 9, 2 + 9), Cell("platform", "linux", 404 + 9, 202 + 9)]
    assert set(publishable("2026-W48", lifted, 10, rank=str, keep=str).cells) == set(lifted)
    beside = [*real[:2], Cell("command", "diff", 30, 30), Cell("platform", "linux", 404 + 30, 202 + 30)]
    out = publishable("2026-W48", beside, 10, rank=lambda cell: cell.value != "diff", keep=str).cells
    assert set(out) == {beside[0], beside[3]}  # 434 - 400 - 30 of their own: 4 runs of `remove`


def published_alike(rows: Rows, week: str, cell: Cell, machines: int, min_machines: int) -> Cells | None:
    """The week with `cell` of so many machines, and published as it was."""
    earlier = rows.published_weeks(shifted(week, -MEMORY), before=week)
    rank, keep = ranking(earlier, SST.catalogue), keeping(earlier, SST.catalogue)
    truth, out = rows.truth[week], rows.published[week]
    group = tuple(each for each in truth if each.unsaid == cell.unsaid)
    rest = tuple(each for each in truth if each.unsaid != cell.unsaid)
    of_group = publishable(week, group, min_machines, rank, keep)
    for other in others(group, of_group, (cell.dimension, cell.value), machines):
        if is_possible(other) and publishable(week, (*other, *rest), min_machines, rank, keep) == out:
            return (*other, *rest)
    return None


def test_every_format_tells_the_same_numbers() -> None:
    """And no snapshot is needed for a page but its own, so that what holds for `stats.json` holds for all of it."""
    for seed in range(6):
        truth, min_machines = a_community(random.Random(seed)), THRESHOLDS[seed % 3]
        for _, snapshot in publications(truth, honest, min_machines):
            files = site(snapshot, SST.catalogue, SST.name)
            numbers = in_json(snapshot)
            assert numbers == in_csv(files) == in_pages(files) == in_dimensions(files)[0] == in_dimensions(files)[1]
