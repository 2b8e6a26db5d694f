"""Blocks of the pages that people read, and running them as somebody does who pastes one after the other."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sst_core.testing import PATIENCE

ROOT = Path(__file__).parents[1]
_GENERATED = re.compile(r"<!-- (?:generated|measured): \w+ -->.*?<!-- end -->", re.DOTALL)
_BLOCKS = re.compile(
    r"^```([^\n]*)\n(.*?)^```$|(?:(?<=\n\n)|\A)((?:    [^\n]*\n|\n(?=    ))+)", re.MULTILINE | re.DOTALL
)
_END = "--- end of a block ---"


@dataclass(frozen=True, slots=True)
class Block:
    """What stands apart in a page, fenced or indented."""

    page: str
    language: str
    """Empty if it is indented, or its fence names none."""
    text: str

    @property
    def lines(self) -> list[str]:
        """Without what is empty, and a command that goes on in the next line as one."""
        return [line for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]

    def as_shell(self) -> str:
        """What a reader does with it: runs it, or puts it into the file that its first line names."""
        if self.language == "sh":
            return self.text
        first, _, content = self.text.partition("\n")
        file = first.removeprefix("# ")
        assert file.endswith((".py", ".toml")), f"a block of {self.language} names no file: {first}"
        return f"cat > {file} <<'A_FILE'\n{content}A_FILE\n"

    def __str__(self) -> str:
        return f"{self.page}: {self.lines[0] if self.lines else self.language}"


def blocks_of(page: str) -> list[Block]:
    """Those that a person wrote, in order: the generated ones are held to what they are generated from."""
    found = _BLOCKS.findall(_GENERATED.sub("", (ROOT / page).read_text()))
    return [Block(page, language, fenced or _outdented(indented)) for language, fenced, indented in found]


def the_block(page: str, language: str) -> str:
    """The text of the page's one block in that language."""
    (found,) = (block.text for block in blocks_of(page) if block.language == language)
    return found


def _outdented(text: str) -> str:
    return re.sub(r"^    ", "", text.strip("\n") + "\n", flags=re.MULTILINE)


def outputs_of(scripts: list[str], folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Run them in one shell, and return what each printed, both streams as a terminal mixes them.

    What is left running in the shell ends with it.
    """
    script = folder / "script"
    # Its background jobs keep stdout: what they have to say goes to files.
    ending = "exec 2> /dev/null\nkill $(jobs -p) || true\n"
    script.write_text("".join(f"{text}\necho '{_END}'\n" for text in scripts) + ending)
    process = subprocess.Popen(
        ["bash", script],
        cwd=folder,
        env={
            "HOME": str(folder),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "LANG": "C.UTF-8",
            **environ,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=3 * PATIENCE)
    finally:
        _end(process)
    *outputs, rest = output.split(f"{_END}\n")
    assert (process.returncode, rest) == (0, ""), output
    return outputs


def _end(process: "subprocess.Popen[str]") -> None:
    """End whatever of its session is still there."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
