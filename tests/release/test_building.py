"""What was built is released only if it was built the same twice, and is the commit."""

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from building import UnfitError, digest, require_contents, require_same, write_sums

TRACKED = ["core/__init__.py", "plugins/one/__init__.py", "plugins/one/page.html", "README.md", ".github/checks.yml"]
PACKAGES = ["core", "plugins/one"]
IN_WHEEL = ["core/__init__.py", "one/__init__.py", "one/page.html", "it-1.dist-info/METADATA"]


def wheel(folder: Path, names: list[str]) -> Path:
    """A wheel with these files."""
    path = folder / "it-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "")
    return path


def sdist(folder: Path, names: list[str]) -> Path:
    """An sdist with these files."""
    path = folder / "it-1.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for name in names:
            file.addfile(tarfile.TarInfo(f"it-1/{name}"), io.BytesIO())
    return path


def test_what_has_all_of_the_commit_and_no_more_is_fit(tmp_path: Path) -> None:
    require_contents(wheel(tmp_path, IN_WHEEL), TRACKED, PACKAGES)
    require_contents(sdist(tmp_path, [*TRACKED, "PKG-INFO"]), TRACKED, PACKAGES)


@pytest.mark.parametrize("name", IN_WHEEL[:-1])
def test_a_wheel_that_lacks_a_file_is_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnfitError, match=f"lacks \\['{name}'\\]"):
        require_contents(wheel(tmp_path, [other for other in IN_WHEEL if other != name]), TRACKED, PACKAGES)


@pytest.mark.parametrize("name", ["core/.secret", "tests/test_core.py", "core/__pycache__/page.pyc"])
def test_a_wheel_with_something_that_was_not_committed_is_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnfitError, match="should not have"):
        require_contents(wheel(tmp_path, [*IN_WHEEL, name]), TRACKED, PACKAGES)


@pytest.mark.parametrize("name", TRACKED)
def test_an_sdist_that_lacks_a_file_is_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnfitError, match="lacks"):
        require_contents(sdist(tmp_path, [other for other in TRACKED if other != name]), TRACKED, PACKAGES)


def test_an_sdist_with_something_that_was_not_committed_is_not(tmp_path: Path) -> None:
    with pytest.raises(UnfitError, match=r"should not have \['notes.txt'\]"):
        require_contents(sdist(tmp_path, [*TRACKED, "notes.txt"]), TRACKED, PACKAGES)


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("a", None), (None, "b")])
def test_two_builds_that_differ_are_named(tmp_path: Path, first: str | None, second: str | None) -> None:
    built = []
    for folder, text in (("first", first), ("second", second)):
        path = tmp_path / folder / "it-1.tar.gz"
        path.parent.mkdir()
        path.write_text(text or "")
        built.append([path] if text else [])

    with pytest.raises(UnfitError, match=r"not the same: it-1\.tar\.gz"):
        require_same(*built)

    require_same(built[0], built[0])


def test_the_sums_are_of_all_that_is_there_and_can_be_checked(tmp_path: Path) -> None:
    for name in ("it-1.tar.gz", "sbom.cdx.json"):
        (tmp_path / name).write_text(name)

    write_sums(tmp_path)
    sums = write_sums(tmp_path)  # of itself there is none

    listed = [line.split("  ") for line in sums.read_text().splitlines()]
    assert listed == [[digest(tmp_path / name), name] for name in ("it-1.tar.gz", "sbom.cdx.json")]
    subprocess.run(["sha256sum", "--check", "--strict", sums.name], cwd=tmp_path, check=True, capture_output=True)
