"""How to install is one table, which `nox -s release` runs line by line."""

import re
import tomllib
from pathlib import Path

import pytest

from following import PAGE, rows

ROOT = Path(__file__).parents[2]


def test_each_tool_installs_upgrades_and_uninstalls() -> None:
    found = rows(PAGE.read_text())

    assert [row[0].split()[0] for row in found] == ["uv", "pipx", "python"]
    assert all(" sst" in row[2] and "uninstall" in row[2] for row in found)
    assert '"release/following.py"' in (ROOT / "noxfile.py").read_text()


def test_a_page_without_the_table_is_no_success() -> None:
    with pytest.raises(ValueError, match="no table"):
        rows("| with | install |\n|---|---|\n")


def test_every_extra_is_named() -> None:
    named = set(re.findall(r"`'\.\[(\w+)\]'`", PAGE.read_text()))

    assert named == set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def test_nobody_is_told_to_fetch_it_from_the_index_where_its_name_is_anothers() -> None:
    """A name that `pip` resolves: `sst`, or `sst[extra]` in quotes."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "sst_core/authoring/template").rglob("*.*")]
    code = [file for folder in ("sst_core", "sst_aws", "plugins") for file in (ROOT / folder).rglob("*.py")]
    told = re.compile(r"(?:pip|pipx|tool) install\b[^\n`#]* '?sst(?:\[\w+\])?'?(?=[\s`'\"]|$)", re.MULTILINE)

    assert told.search("`pip install --upgrade 'sst[sam]'`") and told.search("pipx install sst\n")
    files = [file for file in (*pages, *code) if file.is_file() and ".ruff_cache" not in file.parts]
    texts = {file: told.findall(re.sub("uninstall .*", "", file.read_text())) for file in files}
    assert {file: found for file, found in texts.items() if found} == {}
