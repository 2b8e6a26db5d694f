"""The pages that walk a reader through something: their files are written, their commands run, their output is so."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from projects import install
from sst_core.testing import PATIENCE, Machine

DOCS = Path(__file__).parents[2] / "docs"
END = "--- end of a block ---"


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page."""

    language: str
    content: str


def blocks(page: str) -> list[Block]:
    """All of them, in order."""
    text = (DOCS / page).read_text()
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def write_files(found: list[Block], folder: Path) -> None:
    """Write each block whose first line is a comment with its path."""
    for block in found:
        if block.language in ("python", "toml"):
            path = folder / block.content.partition("\n")[0].removeprefix("# ")
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.content)


def printed(machine: Machine, script: str) -> str:
    """What a reader sees who pastes `script` into a terminal; what it leaves running ends with it."""
    process = subprocess.Popen(
        ["bash", "-eu"],
        cwd=machine.folder,
        env=machine.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        # Its background jobs keep stdout: what they have to say goes to files.
        output, _ = process.communicate(f"{script}kill $(jobs -p) 2> jobs.txt || true\n", timeout=3 * PATIENCE)
    finally:
        _end(process)
    assert process.returncode == 0, output
    return output


def _end(process: "subprocess.Popen[str]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


@pytest.fixture
def reader(machine: Machine) -> Iterator[Machine]:
    """Somebody with `sst` installed and a project that builds."""
    machine.project('build = ["echo", "built"]')
    machine.environ["PATH"] = os.pathsep.join(
        [str(machine.home.parent / "bin"), str(Path(sys.executable).parent), machine.environ["PATH"]]
    )
    yield machine


@pytest.mark.parametrize("page", ["adopting.md", "collecting-plugins.md"])
def test_every_block_of_the_page_does_what_the_page_says(reader: Machine, tmp_path: Path, page: str) -> None:
    found = blocks(page)
    (tmp_path / "written").mkdir()
    write_files(found, tmp_path / "written")
    install(reader, tmp_path / "written")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])

    commands = [block for block in found if block.language == "sh"]
    script = "".join(block.content.replace("8099", port) + f"echo '{END}'\n" for block in commands)
    outputs = printed(reader, script).split(f"{END}\n")[:-1]

    said = dict(zip(map(id, commands), outputs, strict=True))
    shown = [(before, block) for before, block in pairwise(found) if block.language == "text"]
    assert len(shown) == len(commands), "each command is followed by what it prints"
    for command, text in shown:
        assert said[id(command)] == text.content, command.content
    assert {block.language for block in found} == {"python", "toml", "sh", "text"}
