"""The docs are what the program does: generated blocks are fresh, the promise is quoted, and the commands work."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pytest

import generate as generating
import tracing
from ports import free_port
from reading import blocks_of, outputs_of
from sst_core import SST, Catalogue, SstError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTING = ROOT / "documenting"
_CLASS = re.compile(r"^class (\w+)\((\w+)\)", re.MULTILINE)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The docs, to be changed, but for the page that runs every command. The simulation that one of them quotes takes
    seconds, and here its result will do."""
    copied = Path(shutil.copytree(DOCS, tmp_path / "docs", ignore=shutil.ignore_patterns("commands.md")))
    shutil.copytree(DOCUMENTING, tmp_path / "documenting")
    table = re.search(
        r"generated: anonymity -->\n(.*?)<!-- end", (DOCS / "what-is-collected.md").read_text(), re.DOTALL
    )
    assert table
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "anonymity.py").write_text(f"print({table[1]!r})")
    return copied


def generate(docs: Path, *, check: bool = False, catalogue: Catalogue = SST.catalogue) -> tuple[int, str]:
    """Let the generator write `docs`, of another catalogue if one is given: its exit code, and what it printed."""
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patching, redirect_stdout(printed):
        patching.setattr(generating, "DOCS", docs)
        patching.setattr(generating, "SST", replace(SST, catalogue=catalogue))
        return generating.main(check), printed.getvalue()


def test_the_generated_blocks_are_fresh() -> None:
    run = subprocess.run(
        [sys.executable, DOCUMENTING / "generate.py", "--check"], capture_output=True, text=True, check=False, cwd="/"
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_there_is_something_to_be_fresh() -> None:
    found = re.findall(r"<!-- generated: (\w+) -->", (DOCS / "what-is-collected.md").read_text())

    assert sorted(found) == ["allowed_by", "anonymity", "catalogue_table", "notice", "reviews"]


*REST, LAST = SST.catalogue.fields
CHANGES = {
    "a field less": Catalogue(tuple(REST)),
    "another purpose": Catalogue((*REST, replace(LAST, purpose="Another."))),
    "another review": Catalogue((*REST, replace(LAST, expires="2099-01-01"))),
}


@pytest.mark.parametrize("catalogue", CHANGES.values(), ids=CHANGES)
def test_the_check_fails_when_the_catalogue_changes(copied: Path, catalogue: Catalogue) -> None:
    page = copied / "what-is-collected.md"
    before = page.read_text()

    code, printed = generate(copied, check=True, catalogue=catalogue)

    assert code == 1
    assert printed.startswith("what-is-collected.md is stale")
    assert page.read_text() == before, "a check changes nothing"
    assert generate(copied, catalogue=catalogue)[0] == 0
    assert page.read_text() != before
    assert generate(copied, check=True, catalogue=catalogue) == (0, "")
    assert generate(copied, check=True)[0] == 1


@pytest.mark.parametrize("name", ["allowed_by", "anonymity", "catalogue_table", "notice", "reviews"])
def test_the_check_fails_when_a_block_is_edited_by_hand(copied: Path, name: str) -> None:
    page = copied / "what-is-collected.md"
    fresh = page.read_text()
    opening = f"<!-- generated: {name} -->\n"
    page.write_text(fresh.replace(opening, f"{opening}edited by hand\n"))

    assert generate(copied, check=True)[0] == 1

    assert generate(copied)[0] == 0
    assert page.read_text() == fresh


def test_what_is_stale_is_the_end_of_a_check_as_a_command(copied: Path) -> None:
    page = copied / "what-is-collected.md"
    fresh = page.read_text()
    page.write_text(fresh.replace("<!-- generated: notice -->\n", "<!-- generated: notice -->\nedited by hand\n"))
    command = [sys.executable, str(copied.with_name("documenting") / "generate.py")]

    checked, written = (
        subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        for options in (("--check",), ())
    )

    assert (checked.returncode, written.returncode) == (1, 0), checked.stderr + written.stderr
    assert page.read_text() == fresh


def test_the_architecture_says_of_each_module_of_the_core_what_it_does() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("\n| module |")[2].partition("\n\n")[0]
    listed = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in table.splitlines()[2:]))
    modules = {path.stem for path in (ROOT / "sst_core").iterdir() if path.suffix in ("", ".py")}

    assert sorted(listed) == sorted(modules - {"__init__", "__main__", "__pycache__"})


@pytest.mark.parametrize(("title", "plugin"), [("telemetry plugin", "telemetry"), ("collector", "collector")])
def test_the_architecture_says_of_each_module_of_a_plugin_what_it_does(title: str, plugin: str) -> None:
    section = (ROOT / "ARCHITECTURE.md").read_text().partition(f"\n## The {title}")[2]
    rows = section.partition("\n| module |")[2].partition("\n\n")[0].splitlines()[2:]
    listed = [
        f"{folder}{module}.py"
        for row in rows
        for folder, modules in re.findall(r"^\| (?:`([\w/]+/)`: )?(.*?) \|", row)
        for module in re.findall(r"`(\w+)`", modules)
    ]
    house = ROOT / "plugins" / f"sst_{plugin}"
    modules = {str(path.relative_to(house)) for path in house.rglob("*.py") if path.name != "__init__.py"}

    assert sorted(listed) == sorted(modules)


def test_the_tree_of_errors_has_each_that_there_is() -> None:
    sources = [
        path.read_text() for folder in ("sst_core", "sst_aws", "plugins") for path in (ROOT / folder).rglob("*.py")
    ]
    known = {"SstError"}
    while more := {name for text in sources for name, base in _CLASS.findall(text) if base in known} - known:
        known |= more

    assert SstError.__doc__ is not None
    assert set(re.findall(r"\w+Error\b", SstError.__doc__)) == known


def test_the_page_says_every_sentence_that_the_catalogue_quotes() -> None:
    page = (DOCS / "telemetry-page.md").read_text()
    sentences = {field.sentence for field in SST.catalogue if field.sentence}

    assert sentences
    for sentence in sentences:
        assert re.search(rf"^- {re.escape(sentence)}$", page, re.MULTILINE), sentence


def test_only_the_two_ids_stand_without_a_sentence() -> None:
    without = {field.key for field in SST.catalogue if not field.sentence}

    assert without == {"anonymousId", "sessionId"}
    assert all(field.exception for field in SST.catalogue if not field.sentence)


@dataclass(frozen=True, slots=True)
class Reading:
    """What somebody saw who pasted the blocks of a page into a terminal, one after the other."""

    blocks: tuple[str, ...]
    outputs: tuple[str, ...]
    home: Path

    def after(self, line: str) -> str:
        """What the one block with `line` printed."""
        (output,) = [
            output for block, output in zip(self.blocks, self.outputs, strict=True) if line in block.splitlines()
        ]
        return output


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    """The page "Verify it yourself", read once, at another port than the page's."""
    tracing.required()  # the page is about strace
    folder = tmp_path_factory.mktemp("reading")
    port = str(free_port())
    found = [block.text for block in blocks_of("docs/verify-it-yourself.md") if block.language == "sh"]
    blocks = [text.replace("8099", port) for text in found]
    assert blocks != found
    temporary = folder / "temporary"
    temporary.mkdir()
    # A system's Python is python3, and nothing is called python.
    no_python = folder / "bin" / "python"
    no_python.parent.mkdir()
    no_python.write_text("#!/bin/sh\nexit 127\n")
    no_python.chmod(0o755)
    path = os.pathsep.join([str(no_python.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    # CI and the switch the page takes back.
    switched = {"CI": "true", "SST_TELEMETRY_DISABLED": "1"}
    outputs = outputs_of(blocks, folder, {"PATH": path, "TMPDIR": str(temporary), **switched})
    (home,) = temporary.iterdir()
    yield Reading(tuple(blocks), tuple(outputs), home)


def test_before_the_notice_only_the_project_is_written(reading: Reading) -> None:
    assert reading.after('find "$HOME" -type f    # only sst.toml') == f"{reading.home}/sst.toml\n"


def test_off_is_seen_to_be_silent(reading: Reading) -> None:
    program, task, silent = reading.after("    test ! -s trace.txt || echo silent").splitlines()

    assert silent == "silent"
    assert "/sst" in program
    assert '["true"]' in task


def test_off_is_seen_to_import_nothing_that_collects(reading: Reading) -> None:
    (output,) = [
        output
        for block, output in zip(reading.blocks, reading.outputs, strict=True)
        if "PYTHONPROFILEIMPORTTIME" in block
    ]

    assert output == "not imported\n"


def test_what_would_be_sent_is_seen_before_it_is(reading: Reading) -> None:
    preview, debug = reading.after("sst telemetry show --preview build").splitlines()[1::2]

    assert '"events":[{"name":"CLI_COMMAND","properties":{"command":"build"}}]' in preview
    words, _, printed = debug.partition(": ")
    assert words == "sst telemetry, printed and not recorded"
    ids = re.compile(r'"(anonymousId|sessionId)":"[0-9a-f]{32}"')
    assert ids.sub("", printed) == ids.sub("", preview)
    assert len(ids.findall(printed)) == 2


def test_what_is_sent_is_what_show_shows_byte_for_byte(reading: Reading) -> None:
    output = reading.after("sst telemetry flush")
    received = (reading.home / "received.txt").read_text()

    assert received.count("\n") == 1, "one run was recorded"
    assert output.startswith("Nothing is left to send.\nPOST /events HTTP/1.1\n")
    logged, _, shown = output.partition("Nothing is queued.")
    assert received in logged
    assert shown.splitlines()[-1] == received.rstrip("\n")


def test_after_disable_an_empty_lock_is_all_that_is_left(reading: Reading) -> None:
    said, *files = reading.after("sst telemetry disable").splitlines()

    assert said.startswith("Telemetry is off.")
    assert [file.split() for file in files] == [["0", f"{reading.home}/.local/state/sst/telemetry.lock"]]
    everything = {str(path.relative_to(reading.home)) for path in reading.home.rglob("*") if path.is_file()}
    made_by_the_page = {"listener.py", "listener.log", "received.txt", "sst.toml", "trace.txt", "imports.txt"}
    assert everything - made_by_the_page == {".local/state/sst/telemetry.lock", ".config/sst/config.toml"}
