"""The pages that walk a reader through something: their files are written, their commands run, their output is so."""

import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from ports import free_port
from projects import install
from reading import Block, blocks_of, outputs_of
from sst_core.testing import Machine


def write_files(found: list[Block], folder: Path) -> None:
    """Write each block whose first line is a comment with its path."""
    for block in found:
        if block.language in ("python", "toml"):
            path = folder / block.text.partition("\n")[0].removeprefix("# ")
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)


@pytest.fixture
def reader(machine: Machine) -> Iterator[Machine]:
    """Somebody with `sst` installed and a project that builds."""
    machine.project('build = ["echo", "built"]')
    machine.environ["PATH"] = os.pathsep.join(
        [str(machine.home.parent / "bin"), str(Path(sys.executable).parent), machine.environ["PATH"]]
    )
    yield machine


def install_built(machine: Machine, project: Path) -> Path:
    """What pip does with a folder: have its wheel built, and unpack that."""
    building = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run(building, cwd=project, check=True, capture_output=True)
    (wheel,) = (project / "dist").iterdir()
    site = machine.root / "site"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    machine.put_on_path(site)
    return site


def test_the_collecting_plugin_brings_its_declaration_and_no_other_projects_sst(
    reader: Machine, tmp_path: Path
) -> None:
    write_files(blocks_of("docs/collecting-plugins.md"), tmp_path)

    site = install_built(reader, tmp_path)

    assert (site / "timings" / "telemetry.toml").is_file()
    assert "Requires-Dist" not in (site / "timings-1.0.dist-info" / "METADATA").read_text()
    assert tomllib.loads((tmp_path / "pyproject.toml").read_text())["build-system"]["build-backend"].startswith("hatch")
    reader.sst("telemetry", "enable")
    assert "  ok: imported in " in reader.sst("plugins", "doctor", "timings").stdout


@pytest.mark.parametrize(
    ("page", "installed"),
    [("adopting.md", install), ("collecting-plugins.md", install_built)],
    ids=["adopting", "collecting-plugins"],
)
def test_every_block_of_the_page_does_what_the_page_says(
    reader: Machine, tmp_path: Path, page: str, installed: Callable[[Machine, Path], Path]
) -> None:
    found = blocks_of(f"docs/{page}")
    (tmp_path / "written").mkdir()
    write_files(found, tmp_path / "written")
    installed(reader, tmp_path / "written")
    port = str(free_port())

    commands = [block for block in found if block.language == "sh"]
    scripts = ["set -eu\n" + block.text.replace("8099", port) for block in commands]
    outputs = outputs_of(scripts, reader.folder, reader.environ)

    said = dict(zip(map(id, commands), outputs, strict=True))
    shown = [(before, block) for before, block in pairwise(found) if block.language == "text"]
    assert len(shown) == len(commands), "each command is followed by what it prints"
    for command, text in shown:
        assert said[id(command)] == text.text, command.text
    assert {block.language for block in found} == {"python", "toml", "sh", "text"}


def test_what_only_the_working_directory_has_is_not_found_as_the_sender_does_not(
    reader: Machine, tmp_path: Path
) -> None:
    found = blocks_of("docs/adopting.md")
    write_files(found, tmp_path)
    (check,) = [block.text for block in found if "Product.at" in block.text]

    ended = reader.sst("-c", check, program=("bash",), folder=tmp_path)

    assert (tmp_path / "shop" / "cli.py").is_file()
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith("ModuleNotFoundError: No module named 'shop'\n")
