"""What is exported, that it loads lazily, and that every target that is only a string can be loaded."""

import ast
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import typer

import sst_core
from installed import PYTHON
from sst_core import SST, Product


def fresh(code: str) -> str:
    """What `code` prints in a process of its own."""
    run = subprocess.run([*PYTHON, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    return run.stdout.strip()


def declared() -> set[str]:
    """The names that a type checker is told of."""
    tree = ast.parse(Path(sst_core.__file__).read_text(encoding="utf-8"))
    block, _ = [node for node in tree.body if isinstance(node, ast.If)]
    return {name.name for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}


def test_what_is_exported_is_declared_once_and_found() -> None:
    assert set(sst_core.__all__) == declared() == set(sst_core._HOME)
    assert len(set(sst_core.__all__)) == len(sst_core.__all__)


def test_what_is_exported_is_what_plugins_rely_on() -> None:
    contract = Path(__file__).parents[2] / "documenting" / "contract.py"
    run = subprocess.run([sys.executable, contract], capture_output=True, text=True, check=True)
    pinned = (Path(__file__).parent / "public_api.txt").read_text(encoding="utf-8")

    assert run.stdout.splitlines() == pinned.splitlines(), (
        "The public API has changed. If that is meant, say so in changes/, raise the version as semantic "
        "versioning has it, and pin it anew: python documenting/contract.py > tests/sst_core/public_api.txt"
    )


def test_the_package_says_that_it_is_typed() -> None:
    assert Path(sst_core.__file__).with_name("py.typed").is_file()


@pytest.mark.parametrize("name", sst_core.__all__)
def test_each_name_is_the_one_of_its_module(name: str) -> None:
    assert getattr(sst_core, name) is getattr(import_module(f"sst_core.{sst_core._HOME[name]}"), name)


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        getattr(sst_core, "nothing_of" + "_the_kind")


def test_importing_the_core_loads_nothing_else_that_is_installed() -> None:
    loaded = fresh("import sys; import sst_core; print(*(name for name in sys.modules if name.startswith('sst')))")
    others = fresh("import sys; import sst_core; print(*sys.modules)").split()

    assert loaded == "sst_core"
    assert not {"typer", "pluggy", "rich", "tomlkit", "httpx"} & set(others)


@pytest.mark.parametrize("name", ["Product", "Consent", "is_set", "read_own", "SST", "find_destination", "Locations"])
def test_what_the_sender_needs_brings_neither_typer_nor_pluggy(name: str) -> None:
    loaded = fresh(f"import sys; from sst_core import {name}; print(*sys.modules)")

    assert not {"typer", "pluggy", "rich", "tomlkit", "httpx"} & set(loaded.split())


@pytest.mark.parametrize("group", ["commands", "plugins", "telemetry"])
def test_every_entry_point_of_the_product_loads(group: str) -> None:
    own = [point for point in entry_points(group=f"sst.{group}") if point.dist and point.dist.name == "sst"]
    assert own
    for point in own:
        loaded = point.load()
        assert isinstance(loaded, typer.Typer) or callable(loaded) or group != "commands"


def test_the_product_is_at_its_target_and_its_null_plugin_stands_in() -> None:
    assert load(SST.target) is SST
    null = load(SST.null_plugin)
    assert isinstance(null, type)
    assert {name for name in vars(null) if name.startswith("on_")} == {"on_command_invoked", "on_command_finished"}


def load(target: str) -> object:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def test_a_product_names_its_variables_and_groups() -> None:
    assert isinstance(SST, Product)
    assert SST.variable("NO_PLUGINS") == "SST_NO_PLUGINS"
    assert SST.group("plugins") == "sst.plugins"


def test_the_module_is_the_program() -> None:
    run = subprocess.run([*PYTHON, "-m", "sst_core", "--version"], capture_output=True, text=True, check=True)

    assert run.stdout == f"sst {sst_core.__version__}\n"
