"""The docs of the hooks and of the API are the hooks and the API."""

import ast
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import contract
import sst_core

ROOT = Path(__file__).parents[2]

COPIED = {"documenting": ("generate.py", "contract.py", "walking.py"), "docs": ("hooks.md", "api.md")}
HOOKS = {function.name: function for function in contract.specs()}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the core and of its docs, to be changed."""
    shutil.copytree(Path(sst_core.__file__).parent, tmp_path / "sst_core")
    for folder, names in COPIED.items():
        (tmp_path / folder).mkdir()
        for name in names:
            shutil.copy(ROOT / folder / name, tmp_path / folder)
    return tmp_path


def check(house: Path) -> tuple[int, str]:
    """What the check of the copied docs says."""
    run = subprocess.run(
        [sys.executable, house / "documenting" / "generate.py", "--check"],
        env={**os.environ, "PYTHONPATH": str(house)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    return run.returncode, run.stdout


def test_the_docs_are_fresh(house: Path) -> None:
    assert check(house) == (0, "")


CHANGES = {
    "an argument more": ("hookspecs.py", "def on_command_invoked(context: Context, ", "hooks.md"),
    "another type": ("hookspecs.py", "settings: Mapping[str, Any]) -> Detected", "hooks.md"),
    "another promise": ("hookspecs.py", "Returns: nothing; ", "hooks.md"),
    "a field less": ("invocation.py", "    exit_code: int\n", "api.md"),
    "another default": ("project.py", "arguments: tuple[str, ...] = ()", "api.md"),
}
NEW = {
    "an argument more": "def on_command_invoked(context: Context, mood: str, ",
    "another type": "settings: Mapping[str, object]) -> Detected",
    "another promise": "Returns: something; ",
    "a field less": "",
    "another default": 'arguments: tuple[str, ...] = ("x",)',
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_check_fails_when_the_code_says_something_else(house: Path, change: str) -> None:
    module, old, page = CHANGES[change]
    file = house / "sst_core" / module
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, NEW[change]))

    code, said = check(house)

    assert code == 1
    assert f"{page} is stale" in said


def test_what_is_pinned_has_every_hook_group_command_and_option() -> None:
    pinned = (ROOT / "tests" / "sst_core" / "public_api.txt").read_text()
    page = (ROOT / "docs" / "commands.md").read_text()
    by_command = dict(contract.commands(page))

    assert set(re.findall(r"^@hookspec def (\w+)", pinned, re.MULTILINE)) == set(HOOKS)
    assert "[sst.commands]\n[sst.plugins]\n[sst.telemetry]\n" in pinned
    assert (
        re.findall(r"^\$ (.*)$", pinned, re.MULTILINE) == list(by_command) == re.findall("^## `(sst.*)`$", page, re.M)
    )
    assert by_command["sst build"] == ("[-- ARGS...]", "--stage", "--region", "--profile", "--verbose", "-h", "--help")
    assert by_command["sst plugins new"] == ("{NAME}", "--json", "-h", "--help")
    assert by_command["sst telemetry"] == ("--json", "-h", "--help")


def test_the_groups_are_the_distributions_whatever_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sst_core, "SST", replace(sst_core.SST, distribution="pytest-timeout"))

    assert contract.groups() == ["pytest11"]


def test_what_looks_for_the_distributions_name_is_listed_for_whoever_changes_it() -> None:
    folders = ("sst_core", "sst_aws", "plugins", "release", "documenting", "benchmarks")
    looking = re.compile(r'(distribution(\(|=)|_DISTRIBUTION = )"sst"')
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py") if looking.search(file.read_text())]
    listed = (ROOT / "CONTRIBUTING.md").read_text().partition("Before the first release:")[2].partition("Until then")[0]

    assert len(files) == 3
    assert [file for file in files if f"`{file.relative_to(ROOT)}`" not in listed] == []


def test_every_hook_is_documented() -> None:
    assert set(HOOKS) == set(re.findall(r"^### (\w+)$", (ROOT / "docs" / "hooks.md").read_text(), re.MULTILINE))
    assert len(HOOKS) == 8


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_when_in_which_order_with_what_and_what_an_exception_does(hook: str) -> None:
    says = dict(contract.labelled(ast.get_docstring(HOOKS[hook]) or ""))

    assert tuple(says) == contract.LABELS
    assert all(words.strip() for words in says.values())


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_what_each_of_its_arguments_is(hook: str) -> None:
    given = dict(contract.labelled(ast.get_docstring(HOOKS[hook]) or ""))["Given"]

    arguments = [argument.arg for argument in HOOKS[hook].args.args]
    assert set(re.findall(r"`(\w+)`", given)) - set(HOOKS) == set(arguments)


def test_whatever_is_exported_says_what_it_is() -> None:
    found = [*contract.exports(), *contract.testing_exports()]

    assert [export.name for export in found if not export.says.strip()] == []


def test_whatever_a_hook_is_handed_says_what_it_is() -> None:
    rows = [line for line in contract.handed().splitlines() if line.startswith("| `")]

    assert len(rows) > 10
    assert [row for row in rows if row.endswith("|  |")] == []
