"""A project of the examples or the docs, installed on a test's machine: what its wheel would bring, with no build."""

import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sst_core.testing import Machine

_SCRIPT = """#!{python}
import sys
from {module} import {attribute} as program
if __name__ == "__main__":
    sys.exit(program())
"""


def install(machine: Machine, project: Path) -> Path:
    """Put the packages, the metadata and the scripts of `project` on the machine. Returns the folder of the scripts."""
    described = tomllib.loads((project / "pyproject.toml").read_text())
    site = machine.home.parent / "plugins"
    site.mkdir(exist_ok=True)
    machine.plugins = site
    machine.environ["PYTHONPATH"] = str(site)
    for package in _packages(described):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(project / package, site / Path(package).name, dirs_exist_ok=True, ignore=ignored)
    _write_metadata(site, described["project"])
    scripts = machine.home.parent / "bin"
    scripts.mkdir(exist_ok=True)
    for name, target in described["project"].get("scripts", {}).items():
        write_script(scripts / name, target)
    return scripts


def _packages(described: Mapping[str, Any]) -> Sequence[str]:
    """Where hatch is told that they are, or the one that is called like the project."""
    if "tool" in described:
        packages: Sequence[str] = described["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        return packages
    return [described["project"]["name"].replace("-", "_")]


def write_script(path: Path, target: str) -> None:
    """The script that an installer makes of an entry of `[project.scripts]`."""
    module, _, attribute = target.partition(":")
    path.write_text(_SCRIPT.format(python=sys.executable, module=module, attribute=attribute))
    path.chmod(0o755)


def _write_metadata(site: Path, described: Mapping[str, Any]) -> None:
    folder = site / f"{described['name'].replace('-', '_')}-{described['version']}.dist-info"
    folder.mkdir()
    fields = {"Metadata-Version": "2.1", "Name": described["name"], "Version": described["version"]}
    lines = [f"{field}: {value}" for field, value in {**fields, "Summary": described["description"]}.items()]
    lines += [f"Project-URL: {label}, {url}" for label, url in described.get("urls", {}).items()]
    (folder / "METADATA").write_text("\n".join([*lines, ""]))
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in described.get("entry-points", {}).items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(groups))
