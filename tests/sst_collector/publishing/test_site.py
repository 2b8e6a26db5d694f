import csv
import io
import json
import re
import string
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

import community
from sst_collector.publishing.page import MAX_BARS, MAX_ROWS, page
from sst_collector.publishing.site import last_site, site
from sst_collector.publishing.snapshot import Snapshot, Total, Week, nothing_published
from sst_core import SST

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("community")
    community.fill(folder, NOW, weeks=5)
    return (folder / "snapshot.json").read_bytes()


def a_snapshot(*versions: str, **changes: object) -> bytes:
    totals = [Total(version, 20, 10) for version in versions]
    empty = Snapshot.from_json(nothing_published(SST.catalogue)).windows
    values = {
        "snapshot": "2026-11-25T12:00:00Z",
        "windows": {window: {**dimensions, "version": totals} for window, dimensions in empty.items()},
        "withheld": 0,
        "rejected": 0,
        "weeks": [Week("2026-W47", 20 * len(versions), 10, 0)],
        **changes,
    }
    return Snapshot(**values).to_json()  # type: ignore[arg-type]


def windows_with_ci() -> dict[str, dict[str, Sequence[Total]]]:
    empty = Snapshot.from_json(nothing_published(SST.catalogue)).windows
    return {window: {**dimensions, "ci": [Total("true", 20, None)]} for window, dimensions in empty.items()}


def html(content: bytes, name: str = "index.html") -> str:
    return site(content, SST.catalogue, "sst")[name].content.decode()


def test_the_numbers_on_the_page_are_those_of_its_window(content: bytes) -> None:
    snapshot = Snapshot.from_json(content)
    made = page(snapshot, SST.catalogue, "30")
    assert made.runs == sum(week.runs or 0 for week in snapshot.weeks[-4:])
    assert [week.week for week in made.weeks] == ["2026-W47", "2026-W46", "2026-W45", "2026-W44"]
    assert made.span == "26 October 2026 to 22 November 2026"
    (commands, *_) = made.parts
    assert [(row.value, row.runs) for row in commands.rows] == [
        (total.value, total.runs) for total in snapshot.windows["30"]["command"]
    ]
    assert made.parts[-1].dimension == "ci"


def test_it_says_what_is_withheld_and_rejected_and_when_it_was_made(content: bytes) -> None:
    snapshot = Snapshot.from_json(content)
    text = re.sub(r"<[^>]+>", "", html(content))
    assert re.search(rf"Cells withheld\s*{snapshot.withheld}\s", text)
    assert re.search(rf"Lines rejected\s*{snapshot.rejected}\s", text)
    assert "Snapshot of 25 November 2026, 12:00 UTC" in text
    assert "fewer than 10 machines" in text


def test_weeks_without_a_number_are_gaps_in_the_chart() -> None:
    weeks = [Week("2026-W44", 100, 50, 0), Week("2026-W46", 50, 10, 0)]
    runs, _ = page(Snapshot.from_json(a_snapshot(weeks=weeks)), SST.catalogue, "30").charts
    assert [(column.week, column.number, column.height) for column in runs.columns] == [
        ("2026-W44", 100, "100.00"),
        ("2026-W45", None, "0.00"),
        ("2026-W46", 50, "50.00"),
        ("2026-W47", None, "0.00"),
    ]


def test_a_week_that_is_withheld_whole_is_a_gap_and_not_an_idle_one() -> None:
    weeks = [Week("2026-W46", 24, 12, 3), Week("2026-W47", None, None, 7)]
    snapshot = a_snapshot("0.1.0", weeks=weeks)
    made = page(Snapshot.from_json(snapshot), SST.catalogue, "30")
    assert (made.runs, made.machines) == (24, 12)
    assert [chart.columns[-1].number for chart in made.charts] == [None, None]
    files = site(snapshot, SST.catalogue, "sst")
    text = files["index.html"].content.decode()
    assert '<tr><th scope="row">2026-W47</th><td>withheld</td><td>withheld</td><td>7</td></tr>' in text
    assert "Week of 16 November 2026" not in text
    assert files["weeks.csv"].content.endswith(b"2026-W47,,,7\n")


def test_when_each_week_is_withheld_the_tiles_say_so() -> None:
    text = html(a_snapshot(weeks=[Week("2026-W47", None, None, 7)]))
    for tile in ("Runs", "Machines a week"):
        assert f"<div><dt>{tile}</dt><dd>withheld</dd></div>" in text


def test_a_private_page_says_so_and_shows_the_open_week() -> None:
    private = a_snapshot("0.1.0", min_machines=1, weeks=[Week("2026-W48", 1, 1, 0)])
    assert "A private collector" in html(private)
    assert "2026-W48" in html(private)
    assert "A private collector" not in html(a_snapshot("0.1.0"))


def test_a_private_page_says_of_its_numbers_what_is_so() -> None:
    private, public = (
        re.sub(r"<[^>]+>", "", html(a_snapshot("0.1.0", min_machines=threshold, windows=windows_with_ci())))
        for threshold in (1, 10)
    )
    assert "Nothing is withheld, and this week, 2026-W48, is in the numbers as it is so far." in private
    for wrong in ("1 machines", "shows soon after", "is withheld for that week", "Rounded to tens"):
        assert wrong not in private
    for right in ("fewer than 10 machines", "shows soon after", "is withheld for that week", "Rounded to tens"):
        assert right in public


def test_a_private_page_without_numbers_waits_for_no_week() -> None:
    private = html(a_snapshot(weeks=[], min_machines=1))
    assert "What is sent shows here with the next snapshot." in private
    for wrong in ("when the week is over", "weeks that are over", "closed weeks only", "1 machines"):
        assert wrong not in private
    assert "closed weeks only, and no number about fewer than 10 machines" in html(a_snapshot(weeks=[]))


def test_before_anything_is_published_it_says_when_that_will_be() -> None:
    assert "30 November 2026 at 00:00 UTC" in html(a_snapshot(weeks=[]))
    assert "has just been started" in html(nothing_published(SST.catalogue))


def test_no_flood_of_invented_versions_makes_the_page_long() -> None:
    versions = [f"{number}.0.0" for number in range(1000, 1000 + MAX_ROWS + 7)]
    text = html(a_snapshot(*versions))
    assert text.count("</th><td>20</td>") == MAX_ROWS
    assert text.count('<text class="name"') == MAX_BARS
    assert "And 7 more, in the CSV." in text
    assert site(a_snapshot(*versions), SST.catalogue, "sst")["version.csv"].content.count(b"\n") == 1 + 3 * len(
        versions
    )


def test_the_csv_is_the_json_in_rows(content: bytes) -> None:
    files = site(content, SST.catalogue, "sst")
    rows = list(csv.DictReader(io.StringIO(files["stats.csv"].content.decode())))
    expected = [
        {"window": window, "dimension": dimension, "machines": "", **{key: str(told) for key, told in total.items()}}
        for window, dimensions in json.loads(content)["windows"].items()
        for dimension, totals in dimensions.items()
        for total in totals
    ]
    assert rows == expected != []
    weeks = list(csv.DictReader(io.StringIO(files["weeks.csv"].content.decode())))
    assert [int(week["runs"]) for week in weeks] == [week["runs"] for week in json.loads(content)["weeks"]]


def test_no_cell_of_a_csv_can_be_a_formula(content: bytes) -> None:
    """Every value that the catalogue allows begins with a letter or a digit, and a spreadsheet takes it as it is."""
    for name, file in site(content, SST.catalogue, "sst").items():
        if name.endswith(".csv"):
            for row in csv.reader(io.StringIO(file.content.decode())):
                assert all(cell == "" or cell[0] in string.ascii_letters + string.digits for cell in row), name


def test_even_what_the_catalogue_would_never_let_in_stays_text() -> None:
    text = html(a_snapshot('<script>alert("&")</script>'))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_snapshot_of_before_has_a_page(tmp_path: Path) -> None:
    """Of a catalogue without commands; without what was added later; and one that isn't a snapshot at all."""
    early = json.loads(a_snapshot("0.1.0"))
    for dimensions in early["windows"].values():
        del dimensions["command"]
    assert "Nothing of these weeks can be published." in html(json.dumps(early).encode())
    old = {key: told for key, told in json.loads(a_snapshot("0.1.0")).items() if key not in ("weeks", "min_machines")}
    assert "Nothing is published yet" in html(json.dumps(old).encode())
    assert f"Cells withheld: {old['withheld']}. Lines rejected: 0." in html(json.dumps(old).encode())
    other_windows = json.dumps({**early, "windows": {"7": early["windows"]["30"]}})
    for broken in ("{", other_windows):
        (tmp_path / "snapshot.json").write_text(broken)
        made = last_site(tmp_path / "snapshot.json", SST.catalogue, "sst", 10)
        assert "No snapshot yet" in made["index.html"].content.decode()


@pytest.mark.parametrize(("made_with", "shown_with", "is_shown"), [(1, 1, True), (1, 10, False), (10, 5, True)])
def test_a_snapshot_that_tells_of_fewer_machines_than_may_be_told_is_not_shown(
    made_with: int, shown_with: int, is_shown: bool, tmp_path: Path
) -> None:
    (tmp_path / "snapshot.json").write_bytes(a_snapshot("0.1.0", min_machines=made_with))
    made = last_site(tmp_path / "snapshot.json", SST.catalogue, "sst", shown_with)
    told = {name for name, file in made.items() if b"0.1.0" in file.content}
    assert ("stats.json" in told) is is_shown
    assert is_shown or not told
