"""The version follows from what became of the public API since the last release."""

import subprocess
from pathlib import Path

import pytest

from versioning import API, Version, compared, complaint

CLI = """
hooks

@hookspec def build(context: Context) -> None

entry-point groups

[sst.plugins]

commands

$ sst build
    [-- ARGS...]
    --stage
    --verbose
$ sst plugins
    --help
"""
BEFORE = """def adopt(app: Typer, name: str) -> 'Adopted'
class Field(Record)
    key: str
    @cached_property def product(self) -> Product
    def check(self, value: object) -> bool
class Gone()
    key: str
SST: Product
"""
WITHOUT = BEFORE.replace("class Gone()\n    key: str\n", "")
MORE = BEFORE + "def hookimpl() -> None\n"
DIFFERENT = BEFORE.replace("value: object", "value: str")


def test_as_it_was_is_no_change() -> None:
    assert str(compared(BEFORE, BEFORE)) == ""


def test_a_change_names_what_changed_and_in_which_class() -> None:
    assert compared(BEFORE, WITHOUT).gone == ("Gone", "Gone.key")
    assert compared(BEFORE, MORE).new == ("hookimpl",)
    assert compared(BEFORE, DIFFERENT).different == ("Field.check",)
    assert compared(BEFORE, BEFORE.replace("-> Product", "-> int")).different == ("Field.product",)
    assert compared(BEFORE, BEFORE.replace("SST: Product", "SST: int")).different == ("SST",)


@pytest.mark.parametrize(
    ("what", "gone"),
    [
        ("    --stage\n", "$ sst build.--stage"),
        ("    [-- ARGS...]\n", "$ sst build.[-- ARGS...]"),
        ("[sst.plugins]\n", "[sst.plugins]"),
        ("@hookspec def build(context: Context) -> None\n", "build"),
        ("$ sst plugins\n    --help\n", "$ sst plugins"),
    ],
)
def test_an_option_a_command_a_group_or_a_hook_that_goes_is_breaking(what: str, gone: str) -> None:
    difference = compared(BEFORE + CLI, BEFORE + CLI.replace(what, ""))

    assert gone in difference.gone
    assert difference.least((1, 2, 3)) == (2, 0, 0)


def test_another_argument_of_a_hook_is_told() -> None:
    assert compared(CLI, CLI.replace("context: Context", "context: Context, mood: str")).different == ("build",)


@pytest.mark.parametrize(
    ("now", "last", "least"),
    [
        (BEFORE, (1, 2, 3), (1, 2, 4)),
        (MORE, (1, 2, 3), (1, 3, 0)),
        (DIFFERENT, (1, 2, 3), (1, 3, 0)),
        (WITHOUT, (1, 2, 3), (2, 0, 0)),
        (WITHOUT + MORE, (1, 2, 3), (1, 3, 0)),
        (WITHOUT, (0, 2, 3), (0, 3, 0)),
    ],
)
def test_what_the_next_version_is_at_least(now: str, last: Version, least: Version) -> None:
    assert compared(BEFORE, now).least(last) == least


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One with a release 1.2.3."""
    git(tmp_path, "init", "--quiet")
    write(tmp_path, "1.2.3", BEFORE)
    git(tmp_path, "tag", "v1.2.3")
    git(tmp_path, "tag", "v1.10.0-rc1")
    return tmp_path


def write(repository: Path, version: str, api: str) -> None:
    """Commit a version with a public API."""
    core = f'"""The core."""\n__version__ = "{version}"\n'
    log = f"# Changelog\n\n<!-- releases -->\n\n## {version} (2026-11-28)\n\n## 0.0.1 (2026-01-01)\n"
    for file, text in {"sst_core/__init__.py": core, API: api, "CHANGELOG.md": log}.items():
        (repository / file).parent.mkdir(parents=True, exist_ok=True)
        (repository / file).write_text(text)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", version)


def git(repository: Path, *arguments: str) -> None:
    """Run git as nobody in particular."""
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=repository, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("version", "api", "tag", "says"),
    [
        ("1.2.3", BEFORE, None, None),
        ("1.2.3", BEFORE, "v1.2.3", None),  # the release itself, and there is none before it
        ("1.2.4", BEFORE, "v1.2.4", None),
        ("1.2.4", BEFORE, "v1.2.5", "The tag v1.2.5 is not the version 1.2.4"),
        ("1.2.3", MORE, None, "1.2.3 has to be 1.3.0 at least"),
        ("1.2.4", MORE, "v1.2.4", "1.2.4 has to be 1.3.0 at least"),
        ("1.3.0", MORE, "v1.3.0", None),
        ("1.3.0", WITHOUT, None, "1.3.0 has to be 2.0.0 at least"),
        ("2.0.0", WITHOUT, "v2.0.0", None),
    ],
)
def test_a_version_that_is_too_low_is_told(
    repository: Path, version: str, api: str, tag: str | None, says: str | None
) -> None:
    write(repository, version, api)

    said = complaint(repository, tag)

    assert (said or "").startswith(says or "") and (said is None) == (says is None), said


def test_a_release_whose_changes_are_not_in_the_changelog_is_told(repository: Path) -> None:
    write(repository, "1.2.4", BEFORE)
    log, changes = repository / "CHANGELOG.md", repository / "changes"
    changes.mkdir()
    (changes / "README.md").write_text("How to.")
    (changes / "template.md").write_text("{{ it }}")
    assert complaint(repository, "v1.2.4") is None

    (changes / "+words.added.md").write_text("More.")
    assert (complaint(repository, "v1.2.4") or "").startswith("1 changes are not in CHANGELOG.md, +words.added.md")
    assert complaint(repository, None) is None

    (changes / "+words.added.md").unlink()
    log.write_text(log.read_text().replace("## 1.2.4", "## Unreleased"))
    assert (complaint(repository, "v1.2.4") or "").startswith("CHANGELOG.md does not begin with 1.2.4: run towncrier")


def test_the_newest_release_is_the_one_to_compare_with(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for version in ("1.10.0", "1.9.0"):
        write(repository, version, MORE)
        git(repository, "tag", f"v{version}")
    write(repository, "1.10.0", MORE)

    assert complaint(repository, None) is None
    assert capsys.readouterr().out == "1.10.0, after v1.10.0. The public API: as it was\n"


def test_before_the_first_release_any_version_will_do(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, "0.1.0", BEFORE)

    assert complaint(tmp_path, None) is None
    assert complaint(tmp_path, "v0.1.0") is None
