"""A page of the docs, read by somebody who pastes its blocks into a terminal, one after the other."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sst_core.testing import PATIENCE

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "--- end of a block ---"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    language: str
    text: str

    def as_shell(self) -> str:
        """What a reader does with it: runs it, or puts it into the file that its first line names."""
        if self.language == "sh":
            return self.text
        first, _, content = self.text.partition("\n")
        file = first.removeprefix("# ")
        assert file.endswith((".py", ".toml")), f"a block of {self.language} names no file: {first}"
        return f"cat > {file} <<'A_FILE'\n{content}A_FILE\n"


def blocks_of(page: str) -> list[Block]:
    """Every fenced block, in order."""
    return [Block(language, text) for language, text in _BLOCK.findall(page)]


def outputs_of(scripts: list[str], folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Run them in one shell, and return what each printed, both streams as a terminal mixes them.

    What is left running in the shell ends with it.
    """
    script = folder / "script"
    script.write_text("".join(f"{text}\necho '{_END}'\n" for text in scripts))
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
