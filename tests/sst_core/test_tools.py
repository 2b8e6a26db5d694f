"""Where a provider's tool is looked for, and that it is never fetched."""

import os
import sys
from pathlib import Path

import pytest

from sst_core import ConfigurationError, Project, ToolNotFoundError, find_tool


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_strangers_folder_above_is_refused(tmp_path: Path) -> None:
    planted = program(tmp_path / "node_modules" / ".bin" / "sam")
    root = tmp_path / "app"
    root.mkdir()
    os.chown(planted.parent, 12345, 12345)

    with pytest.raises(ConfigurationError, match="belongs to somebody else"):
        find_tool("sam", project(root), "")
    os.chown(planted.parent, 0, 0)
    planted.parent.chmod(0o777)
    with pytest.raises(ConfigurationError, match="can be written by others"):
        find_tool("sam", project(root), "")
