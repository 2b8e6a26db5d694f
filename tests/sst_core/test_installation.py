import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sst_core.installation import entry_points, installed_version, normalized
from sst_core.testing import Machine

GROUPS = frozenset({"acme.commands", "acme.plugins"})


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is looked at first."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def put(folder: Path, metadata_folder: str, entry_points_txt: str | None) -> None:
    """A distribution's metadata."""
    target = folder / metadata_folder
    target.mkdir(parents=True)
    (target / "METADATA").write_text("Metadata-Version: 2.1\nName: the-name\nVersion: 1.0\n")
    if entry_points_txt is not None:
        (target / "entry_points.txt").write_text(entry_points_txt)


def ours() -> set[tuple[str, str, str]]:
    """As the core finds them."""
    return {(point.group, point.name, point.value) for point in entry_points(GROUPS)}


def theirs() -> set[tuple[str, str, str]]:
    """As Python's own library does."""
    return {(p.group, p.name, p.value) for group in GROUPS for p in metadata.entry_points(group=group)}


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        pytest.param({"a-1.0.dist-info": "[acme.commands]\nx = a:b\n"}, {("acme.commands", "x", "a:b")}, id="wheel"),
        pytest.param({"a-1.0.egg-info": "[acme.plugins]\nx = a\n"}, {("acme.plugins", "x", "a")}, id="egg-info"),
        pytest.param({"a-1.0.dist-info": None}, set(), id="without"),
        pytest.param({"a-1.0.dist-info": "[other]\nx = a\n# [acme.commands]\n"}, set(), id="other group"),
        pytest.param({"a-1.0.dist-info": "[ acme.commands ]\nx = a\n"}, set(), id="another name"),
        pytest.param(
            {"a-1.0.dist-info": "# why\n[acme.commands]\n\n  x=a:b [extra]  \n; y\n[z]\nq = r\n"},
            {("acme.commands", "x", "a:b [extra]"), ("acme.commands", "; y", "")},
            id="odd spacing",
        ),
    ],
)
def test_what_is_found(path: Path, folders: dict[str, str | None], expected: set[tuple[str, str, str]]) -> None:
    for name, content in folders.items():
        put(path, name, content)

    assert ours() == expected


def test_of_two_distributions_with_one_name_the_first_on_the_path_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, folder in enumerate(("first", "second")):
        put(tmp_path / folder, f"My.Dist-{number}.dist-info", f"[acme.commands]\nx = m:{folder}\n")
    put(tmp_path / "third", "my_dist-3.dist-info", "[acme.commands]\ny = m:third\n")
    for folder in ("third", "second", "first"):
        monkeypatch.syspath_prepend(tmp_path / folder)

    assert ours() == theirs() == {("acme.commands", "x", "m:first")}


def test_a_first_distribution_without_entry_points_hides_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "first", "d-2.dist-info", None)
    put(tmp_path / "second", "d-1.dist-info", "[acme.commands]\nx = m:x\n")
    for folder in ("second", "first"):
        monkeypatch.syspath_prepend(tmp_path / folder)

    assert ours() == theirs() == set()


LINES = st.one_of(
    st.sampled_from(["[acme.commands]", "[acme.plugins]", "[other]", "# x = y", ""]),
    st.from_regex(r"[a-z]{1,4} ?= ?[a-z.]{1,6}(:[a-z.]{1,6})?( \[[a-z,]{1,4}\])?", fullmatch=True),
)


@given(st.lists(st.lists(LINES, max_size=8), max_size=4))
def test_it_finds_what_pythons_own_library_finds(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("site")
    for number, lines in enumerate(files):
        # A line before the first section is one that importlib refuses to read: no build tool writes it.
        put(folder, f"d{number}-1.0.dist-info", "\n".join(["[start]", *lines]))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        assert ours() == theirs()


def test_a_zip_file_on_the_path_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "plugins.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("z-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: z\nVersion: 1.0\n")
        file.writestr("z-1.0.dist-info/entry_points.txt", "[acme.commands]\nx = z:x\n")
    monkeypatch.syspath_prepend(archive)

    assert ours() == {("acme.commands", "x", "z:x")}


def test_what_is_no_text_on_the_path_is_looked_into_as_python_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "more", "the_name-1.0.dist-info", "[acme.plugins]\nfound = a:b\n")
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path / "more"])

    assert ours() == theirs() == {("acme.plugins", "found", "a:b")}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["plugins", "list"], ["build"]], ids=" ".join)
def test_a_path_below_a_folder_that_cannot_be_searched_has_nothing(
    machine: Machine, modest: tuple[str, ...], arguments: list[str]
) -> None:
    machine.project('build = ["true"]')
    locked = machine.root / "locked"
    (locked / "src").mkdir(parents=True)
    locked.chmod(0o000)
    try:
        ended = machine.sst(*arguments, program=modest, env={"PYTHONPATH": str(locked / "src")})
    finally:
        locked.chmod(0o700)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_finder_of_somebodys_own_is_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = path / "elsewhere"
    put(elsewhere, "f-1.0.dist-info", "[acme.commands]\nx = f:x\n")

    class Finder(metadata.DistributionFinder):
        def find_distributions(self, context: object = None) -> Iterator[metadata.Distribution]:
            yield metadata.PathDistribution(elsewhere / "f-1.0.dist-info")

        def find_spec(self, *arguments: object) -> None:
            return None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])

    assert ours() == {("acme.commands", "x", "f:x")}


def test_an_entry_point_that_is_nobodys_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made_by_hand(group: str) -> list[metadata.EntryPoint]:
        return [metadata.EntryPoint("x", "a:b", group)]

    monkeypatch.setattr(metadata, "entry_points", made_by_hand)
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])  # which is no text: Python's own library is asked

    assert entry_points(GROUPS) == []


def test_metadata_is_read_when_it_is_asked_for(path: Path) -> None:
    put(path, "The.Name-1.0.dist-info", "[acme.commands]\nx = a:b\n")

    (point,) = entry_points(GROUPS)

    assert point.distribution_name == normalized("the-name") == "the_name"
    assert point.distribution().metadata["Name"] == "the-name"


def test_a_command_does_not_import_pythons_library_for_it(machine: Machine) -> None:
    machine.project('build = ["true"]')
    machine.environ["PYTHONPROFILEIMPORTTIME"] = "1"

    result = machine.sst("build", env={"SST_TELEMETRY_DISABLED": "1"})

    assert "sst_core.installation" in result.stderr
    assert "importlib.metadata" not in result.stderr


def test_a_version_is_found_wherever_a_distribution_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(path, "the_name-1.0.dist-info", None)
    archive = path / "more.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped-3.4.dist-info/METADATA", "Metadata-Version: 2.1\nName: zipped\nVersion: 3.4\n")

    assert (installed_version("The.Name"), installed_version("zipped")) == ("1.0", None)
    monkeypatch.syspath_prepend(archive)
    assert [installed_version(name) for name in ("the-name", "zipped", "nobody")] == ["1.0", "3.4", None]


def test_a_version_that_a_folders_name_does_not_have_is_read(path: Path) -> None:
    put(path, "The_Name-1.0.Dist-Info", None)
    (path / "flat.egg-info").mkdir()
    (path / "flat.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: flat\nVersion: 3.4.5\n")

    assert installed_version("the-name") == metadata.version("the-name") == "1.0"
    assert installed_version("flat") == metadata.version("flat") == "3.4.5"
