"""Every command line of ours that README and docs show is one that the program understands.

Those of the pages that walk a reader through something are run, too, and their output compared: see
`test_walkthroughs`, `test_docs` and `test_tutorial`; a collector's are in `tests/sst_collector/test_documented.py`.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from sst_core.testing import Machine

ROOT = Path(__file__).parents[2]
RUN = {"adopting.md", "collecting-plugins.md", "verify-it-yourself.md", "writing-a-plugin.md"}
"""The pages whose blocks are run, one after the other."""
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if page.name not in RUN]
_BLOCKS = re.compile(r"^```(?:sh|bash)\n(.*?)^```$|(?:^\n)((?:    .*\n|\n(?=    ))+)", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^ *(?:npx )?(?:\w+=\S+ )*sst (.*?)(?: {2,}.*| #.*| [|&<>;].*| \d?>.*)?$", re.MULTILINE)
_MEANT = {"DIR": "here", "PATH": "here", "…": "here"}


def command_lines(page: Path) -> Iterator[str]:
    """What stands behind `sst` in the page's blocks."""
    text = re.sub(r"<!-- generated: .*?<!-- end -->", "", page.read_text(), flags=re.DOTALL)
    for fenced, indented in _BLOCKS.findall(text):
        yield from _LINE.findall((fenced or indented).replace("\\\n", " "))


LINES = [(page.name, line) for page in PAGES for line in dict.fromkeys(command_lines(page))]


def test_there_are_some_on_many_pages() -> None:
    assert {"using.md", "collector.md", "sam.md", "telemetry-page.md"} <= {page for page, _ in LINES}


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}: {line}" for page, line in LINES])
def test_it_is_understood(machine: Machine, page: str, line: str) -> None:
    words = [_MEANT.get(word, word) for word in shlex.split(line)]
    ours = words[: words.index("--")] if "--" in words else words

    # With `--help` behind it the command line is parsed as far as that, and nothing is done.
    ended = machine.sst(*ours, "--help", env={"SST_TELEMETRY_DISABLED": "1"})

    assert (ended.returncode, ended.stdout.startswith("Usage: sst")) == (0, True), (page, ended.stderr)
