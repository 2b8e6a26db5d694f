"""Where a provider's tool is looked for, and that it is never fetched."""

import os
import sys
from pathlib import Path

import pytest

from permissions import give_away
from sst_core import ConfigurationError, Project, ToolNotFoundError, find_tool
from sst_core.files import ForeignFileError


def project(root: Path, **settings: object) -> Project:
    return Project(root=root, provider="sam", settings=settings, settings_file=root / "sst.toml")


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_order_is_configuration_node_modules_beside_python_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "app" / "below"
    root.mkdir(parents=True)
    on_path = program(tmp_path / "path" / "sam")
    monkeypatch.setenv("PATH", str(on_path.parent))
    found = [find_tool("sam", project(root), "")]

    beside = program(tmp_path / "python" / "sam")
    monkeypatch.setattr(sys, "executable", str(beside.with_name("python")))
    found.append(find_tool("sam", project(root), ""))

    above = program(tmp_path / "app" / "node_modules" / ".bin" / "sam")
    found.append(find_tool("sam", project(root), ""))
    near = program(root / "node_modules" / ".bin" / "sam")
    found.append(find_tool("sam", project(root), ""))

    told = program(root / "bin" / "mine")
    found.append(find_tool("sam", project(root, sam={"tool": "bin/mine"}), ""))

    assert found == [str(path) for path in (on_path, beside, above, near, told)]


def test_what_cannot_be_run_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path / "node_modules" / ".bin" / "no-such").chmod(0o644)

    with pytest.raises(ToolNotFoundError) as caught:
        find_tool("no-such", project(tmp_path), "Get it: pip install it")

    assert caught.value.exit_code == 127
    assert str(caught.value).startswith("no-such is not installed")
    assert str(caught.value).endswith("Get it: pip install it")


def test_a_configured_tool_that_is_not_there_is_not_replaced_by_another(tmp_path: Path) -> None:
    program(tmp_path / "node_modules" / ".bin" / "sam")

    with pytest.raises(ToolNotFoundError, match="Mend that line"):
        find_tool("sam", project(tmp_path, sam={"tool": "bin/none"}), "")
    with pytest.raises(ConfigurationError, match="a path in quotes"):
        find_tool("sam", project(tmp_path, sam={"tool": 3}), "")


@pytest.mark.parametrize("instead", ["/bin/true", True, [{"tool": "/bin/true"}]])
def test_what_is_no_table_names_no_tool(tmp_path: Path, instead: object) -> None:
    with pytest.raises(ConfigurationError, match=r"sst\.toml: sam has to be a table"):
        find_tool("sam", project(tmp_path, sam=instead), "")


def test_a_strangers_folder_above_is_refused(tmp_path: Path) -> None:
    planted = program(tmp_path / "node_modules" / ".bin" / "sam")
    root = tmp_path / "app"
    root.mkdir()
    give_away(planted.parent)

    with pytest.raises(ConfigurationError, match="belongs to somebody else"):
        find_tool("sam", project(root), "")
    os.chown(planted.parent, 0, 0)
    planted.parent.chmod(0o777)
    with pytest.raises(ConfigurationError, match="can be written by others"):
        find_tool("sam", project(root), "")


def test_a_strangers_node_modules_is_refused_whosever_its_bin_is(tmp_path: Path) -> None:
    own = program(tmp_path / "own" / "sam").parent
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / ".bin").symlink_to(own)
    give_away(modules)

    with pytest.raises(ForeignFileError, match="node_modules belongs to somebody else"):
        find_tool("sam", project(tmp_path / "app"), "")


@pytest.mark.parametrize("link", ["node_modules", "node_modules/.bin"])
def test_a_strangers_link_to_a_folder_of_ones_own_is_refused(tmp_path: Path, link: str) -> None:
    """They can have it lead elsewhere once it was looked at."""
    program(tmp_path / "own" / "sam")
    program(tmp_path / "own" / ".bin" / "sam")
    planted = tmp_path / link
    planted.parent.mkdir(exist_ok=True)
    planted.symlink_to(tmp_path / "own")
    give_away(planted)

    with pytest.raises(ForeignFileError, match=f"{link} belongs to somebody else"):
        find_tool("sam", project(tmp_path / "app"), "")


def test_a_node_modules_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    """They can put another `.bin` there, and what its links lead to."""
    program(tmp_path / "node_modules" / ".bin" / "sam")
    (tmp_path / "node_modules").chmod(0o777)

    with pytest.raises(ConfigurationError, match="node_modules can be written by others"):
        find_tool("sam", project(tmp_path / "app"), "")


def test_what_is_found_does_not_lead_through_a_strangers_link_any_more(tmp_path: Path) -> None:
    own = program(tmp_path / "own" / ".bin" / "sam")
    theirs = tmp_path / "theirs"
    theirs.symlink_to(tmp_path / "own")
    give_away(theirs)
    (tmp_path / "node_modules").symlink_to(theirs)

    assert find_tool("sam", project(tmp_path / "app"), "") == str(own)


@pytest.mark.parametrize("link", ["node_modules", "node_modules/.bin", "node_modules/.bin/sam"])
def test_ones_own_links_are_followed_as_npm_and_a_monorepo_make_them(tmp_path: Path, link: str) -> None:
    real = tmp_path / "store" / link
    program(tmp_path / "store" / "node_modules" / ".bin" / "sam")
    own = tmp_path / "app" / link
    own.parent.mkdir(parents=True)
    own.symlink_to(os.path.relpath(real, own.parent))

    found = find_tool("sam", project(tmp_path / "app"), "")

    assert Path(found).samefile(tmp_path / "store" / "node_modules" / ".bin" / "sam")
