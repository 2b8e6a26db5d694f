"""`sst plugins new`: a package that is complete, whose tests pass at once, and that is built as it stands."""

import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from permissions import modestly
from sst_core.testing import PATIENCE, PROGRAM, Machine

# A limit of no bytes for any file stands in for it, in the process itself.
FULL = ("sh", "-c", 'ulimit -f 0; exec "$0" "$@"', str(PROGRAM))

FILES = {
    "README.md",
    "pyproject.toml",
    "src/sst_hello/__init__.py",
    "src/sst_hello/command.py",
    "src/sst_hello/py.typed",
    "tests/conftest.py",
    "tests/test_plugin.py",
}


@pytest.fixture
def package(machine: Machine) -> Path:
    """A new package."""
    run = machine.sst("plugins", "new", "sst-hello")
    assert (run.returncode, run.stderr) == (0, "")
    files, following = run.stdout.split("\n\n")
    assert set(files.splitlines()) == {f"sst-hello/{file}" for file in FILES}
    assert following == (
        "Next, in the environment where sst is (the one on PyPI is another project's):\n"
        "  cd sst-hello\n  python -m pip install -e . pytest\n  python -m pytest\n"
    )
    return machine.folder / "sst-hello"


def run(folder: Path, *arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a Python module in the package."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
    )


def test_it_is_complete_and_speaks_of_itself_alone(package: Path) -> None:
    files = {str(path.relative_to(package)): path for path in package.rglob("*") if path.is_file()}

    assert files.keys() == FILES
    for path in files.values():
        assert "example" not in path.read_text()
    project = tomllib.loads(files["pyproject.toml"].read_text())["project"]
    assert project["name"] == "sst-hello"
    assert project["dependencies"] == [], "the `sst` on the package index is another project's"
    assert project["entry-points"] == {
        "sst.plugins": {"hello": "sst_hello"},
        "sst.commands": {"hello": "sst_hello.command:app"},
    }


@pytest.mark.parametrize(
    ("name", "plugin"),
    [
        ("sst-two-words", "two-words"),
        ("sst-3d", "3d"),
        ("sst-class", "class"),
        ("my-example", "my-example"),
        ("sst-example-two", "example-two"),
    ],
)
def test_any_name_makes_a_package_of_that_name_that_parses(machine: Machine, name: str, plugin: str) -> None:
    run = machine.sst("plugins", "new", name)

    assert (run.returncode, run.stderr) == (0, "")
    package, module = machine.folder / name, name.replace("-", "_")
    assert {path.name for path in (package / "src").iterdir()} == {module}
    for path in package.rglob("*.py"):
        compile(path.read_text(), path, "exec")
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["name"] == name
    assert project["entry-points"] == {
        "sst.plugins": {plugin: module},
        "sst.commands": {plugin: f"{module}.command:app"},
    }


def test_its_tests_pass_at_once(machine: Machine, package: Path) -> None:
    ended = run(package, "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", env=machine.environ)

    assert ended.returncode == 0, ended.stdout
    assert "3 passed" in ended.stdout


def test_its_tests_fail_when_it_is_broken(machine: Machine, package: Path) -> None:
    module = package / "src" / "sst_hello" / "__init__.py"
    module.write_text(module.read_text().replace("def on_command_finished", "def on_command_ended"))

    ended = run(package, "pytest", "-q", "-p", "no:cacheprovider", env=machine.environ)

    assert ended.returncode == 1
    assert "2 failed, 1 passed" in ended.stdout


def test_what_is_built_of_it_is_a_plugin(machine: Machine, package: Path) -> None:
    built = run(package, "hatchling", "build", "-t", "wheel", env=machine.environ)
    assert built.returncode == 0, built.stderr
    (wheel,) = (package / "dist").iterdir()
    # To install a wheel of pure Python is to unpack it.
    site = machine.root / "site"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    machine.put_on_path(site)
    machine.project('build = ["true"]')

    assert machine.sst("build").stderr == "hello: build ended with 0\n"
    assert machine.sst("hello", "greet").stdout == "Hello, world!\n"
    assert "What hello does, in a line" in machine.sst("--help").stdout


def test_linters_have_nothing_to_say(machine: Machine, package: Path) -> None:
    for arguments in (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)):
        pytest.importorskip(arguments[0], reason="the linters are in a session of their own")
        ended = run(package, *arguments, env=machine.environ)
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Hello", "take lower-case letters"),
        ("../hello", "take lower-case letters"),
        ("sst--hello", "take lower-case letters"),
        ("hello_", "take lower-case letters"),
        ("json", "json is a module of another package; take another name, such as sst-json"),
        ("sst-tasks", "sst_tasks is a module of another package; take another name, such as sst-my-tasks"),
        ("class", "class is a module of another package"),
        ("pluggy", "pluggy is a module of another package"),
        ("sst-build", "there is a plugin or command build already"),
        ("sst-greet", "there is a plugin or command greet already"),
        ("sst", "there is a plugin or command sst already"),
    ],
)
def test_a_name_that_can_not_be_is_refused(machine: Machine, name: str, why: str) -> None:
    machine.install("greeting", "def greet(): pass", {"sst.commands": {"greet": "greeting:greet"}})

    ended = machine.sst("plugins", "new", name)

    assert ended.returncode == 2
    assert why in " ".join(ended.stderr.split())
    assert list(machine.folder.iterdir()) == []


def test_nothing_is_overwritten(machine: Machine) -> None:
    (machine.folder / "sst-a").write_text("mine")
    (machine.folder / "sst-b").mkdir()
    (machine.folder / "sst-b" / "README.md").write_text("mine")

    for name, kept in (("sst-a", "sst-a"), ("sst-b", "sst-b/README.md")):
        ended = machine.sst("plugins", "new", name)
        assert ended.returncode == 2
        assert "it stays as it is" in ended.stderr
        assert (machine.folder / kept).read_text() == "mine"


def test_where_nothing_can_be_written_it_says_why(machine: Machine) -> None:
    machine.folder.chmod(0o500)

    ended = machine.sst("plugins", "new", "hello", program=modestly(PROGRAM))

    assert ended.returncode == 1
    assert ended.stderr == "sst: error: hello can't be written: Permission denied. Nothing of it is there.\n"


def test_on_a_full_disk_nothing_is_left_and_it_works_once_there_is_room(machine: Machine) -> None:
    ended = machine.sst("plugins", "new", "hello", program=FULL)

    assert ended.returncode == 1
    assert ended.stderr == "sst: error: hello can't be written: File too large. Nothing of it is there.\n"
    assert list(machine.folder.iterdir()) == []
    assert machine.sst("plugins", "new", "hello").returncode == 0
    assert [path.name for path in machine.folder.iterdir()] == ["hello"]


def test_others_may_read_it_as_they_may_what_its_author_writes(machine: Machine, package: Path) -> None:
    (machine.folder / "by-hand").mkdir()

    assert package.stat().st_mode == (machine.folder / "by-hand").stat().st_mode


def test_where_the_working_directory_is_gone_it_says_so(machine: Machine) -> None:
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" "$@"'

    ended = machine.sst("plugins", "new", "hello", program=("sh", "-c", script, str(PROGRAM)))

    assert ended.returncode == 2
    assert ended.stderr == "sst: error: The working directory does not exist any more. Change to one that does.\n"
