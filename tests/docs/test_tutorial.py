"""The tutorial works as it is printed: every block of it is run, one after the other, and prints what it says."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from reading import ROOT, Block, blocks_of, outputs_of

PAGE = "docs/writing-a-plugin.md"
INSTALLING = "python -m pip install --quiet --editable ."

# pip would ask an index for the build backend. What it leaves behind is left behind in its place: the metadata of the
# project, and its modules on the path as they are. That what is built is a plugin is in test_new.py.
_INSTALL = """
import sys
from pathlib import Path
from sst_core.testing.machine import Machine

Machine(home=Path.home(), folder=Path.cwd(), plugins=Path(sys.argv[1])).plug_project(Path.cwd())
"""


@dataclass(frozen=True, slots=True)
class Tutorial:
    """What a reader saw."""

    blocks: tuple[Block, ...]
    outputs: tuple[str, ...]
    folder: Path

    def after(self, line: str) -> str:
        """What the one block with `line` printed."""
        found = [
            output for block, output in zip(self.blocks, self.outputs, strict=True) if line in block.text.splitlines()
        ]
        (output,) = found
        return output


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Tutorial:
    """The page, read once, to its end: a block that fails ends it."""
    folder = tmp_path_factory.mktemp("tutorial")
    installer = folder / "install.py"
    installer.write_text(_INSTALL)
    site = folder / "site"
    blocks = blocks_of(PAGE)
    scripts = [
        "set -e\n" + block.as_shell().replace(INSTALLING, f"python {installer} {site}")
        for block in blocks
        if block.language != "text"
    ]
    path = ":".join(map(str, (site, folder / "sst-bell", folder / "sst-stopwatch" / "src")))
    printed = iter(outputs_of(scripts, folder, {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}))
    outputs = tuple("" if block.language == "text" else next(printed) for block in blocks)
    return Tutorial(tuple(blocks), outputs, folder)


def test_it_installs_as_a_reader_does(tutorial: Tutorial) -> None:
    assert sum(INSTALLING in block.text for block in tutorial.blocks) == 2


def test_each_block_prints_what_the_page_says(tutorial: Tutorial) -> None:
    said = [
        (output, after.text)
        for (block, output), after in zip(
            zip(tutorial.blocks, tutorial.outputs, strict=True), tutorial.blocks[1:], strict=False
        )
        if after.language == "text"
    ]

    assert len(said) == 4
    for output, text in said:
        assert output == text


def test_what_is_listed_and_what_the_doctor_says(tutorial: Tutorial) -> None:
    output = tutorial.after("sst plugins doctor bell")

    assert re.search(r"^bell +loaded +sst-bell 0\.1\.0, sst\.plugins\n +on_command_finished$", output, re.MULTILINE)
    assert re.search(r"^  ok: imported in \d+ ms, 1 module; on_command_finished$", output, re.MULTILINE)


def test_the_tests_pass_before_and_after(tutorial: Tutorial) -> None:
    before, after = (output for output in tutorial.outputs if " passed in " in output)

    assert "3 passed" in before
    assert "Hello, you!\n" in before
    assert "3 passed" in after
    assert after.count("  ok: imported in ") == 2


def test_a_mistake_is_named_and_breaks_nothing(tutorial: Tutorial) -> None:
    output = tutorial.after('sst plugins doctor stopwatch || echo "the doctor found something"')

    assert "1 min 30 s\n" in output
    assert "sst: plugin 'stopwatch' (sst-stopwatch 0.1.0) failed in loading: " in output
    assert "  wrong: " in output
    assert "on_command_finnished" in output
    assert output.endswith("the doctor found something\n")


def test_the_readme_leads_to_it() -> None:
    assert PAGE in (ROOT / "README.md").read_text()
