"""What is installed: read once, the product's own first, and an import that fails is told in words."""

import sys
from dataclasses import replace
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from sst_core import SST
from sst_core.entry_points import Entry, installed
from sst_core.errors import RefusedError
from sst_core.installation import Point

OWN = ["cdk", "sam", "tasks"]


def distribution(folder: Path, name: str, entries: str, metadata: str | None = None) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    if metadata is None:
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nSummary: What {name} does.\n"
    if metadata:
        (info / "METADATA").write_text(metadata)
    (info / "entry_points.txt").write_text(entries)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which distributions are found."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def entry(name: str) -> Entry:
    return next(entry for entry in installed(SST).plugins if entry.name == name)


def test_the_products_own_come_first_and_the_others_by_name(folder: Path) -> None:
    distribution(folder, "zebra", "[sst.plugins]\nb = z\na = z\n[sst.commands]\naa = z:f\n")

    found = installed(SST)

    assert [each.name for each in found.plugins] == [*OWN, "a", "b"]
    assert [each.first_party for each in found.plugins] == [True, True, True, False, False]
    assert found.commands[-1].name == "aa"
    assert {each.name for each in found.commands if each.first_party} == set(SST.command_help)
    assert [each.name for each in found.telemetry] == ["telemetry"]


def test_an_entry_that_is_found_twice_counts_once(folder: Path) -> None:
    distribution(folder, "zebra", "[sst.plugins]\na = z\n")
    distribution(folder, "zebra_again", "[sst.plugins]\na = z\n")

    assert [each.name for each in installed(SST).plugins] == [*OWN, "a"]


def test_another_product_has_groups_of_its_own(folder: Path) -> None:
    distribution(folder, "zebra", "[zoo.plugins]\na = z\n[sst.plugins]\nb = z\n")

    zoo = installed(replace(SST, name="zoo", distribution="zebra"))
    unknown = installed(replace(SST, name="zoo", distribution="not-installed-anywhere"))

    assert [(each.name, each.first_party) for each in zoo.plugins] == [("a", True)]
    assert [(each.name, each.first_party) for each in unknown.plugins] == [("a", False)]


def test_reading_what_is_installed_imports_nothing(folder: Path) -> None:
    distribution(folder, "zebra", "[sst.plugins]\na = no_such_module_anywhere\n")

    assert str(entry("a")) == "'a' (zebra 1.0)"
    assert entry("a").summary == "What zebra does."


@pytest.mark.parametrize("metadata", ["", "Metadata-Version: 2.1\n"], ids=["none", "almost none"])
def test_metadata_that_says_nothing_is_no_error(folder: Path, metadata: str) -> None:
    distribution(folder, "zebra", "[sst.plugins]\na = z\n", metadata)

    assert str(entry("a")) == "'a' (zebra unknown)"
    assert entry("a").summary == ""
    assert entry("a").sends_to


def test_a_strangers_text_can_not_steer_the_terminal(folder: Path) -> None:
    said = "Metadata-Version: 2.1\nName: zebra\nVersion: 1.0\nSummary: What \x1b[2Jit does.\n"
    distribution(folder, "zebra", "[sst.plugins]\na = z\n", said)

    assert entry("a").summary == r"What \x1b[2Jit does."


def test_where_a_collecting_plugin_sends_is_what_its_metadata_says(folder: Path) -> None:
    said = "Metadata-Version: 2.1\nName: zebra\nVersion: 1.0\n"
    urls = "Project-URL: Home, https://home.example\nProject-URL: Telemetry, https://zoo.example/in\n"
    distribution(folder, "zebra", "[sst.plugins]\na = z\n", said + urls)
    distribution(folder, "quagga", "[sst.plugins]\nb = z\n", said.replace("zebra", "quagga"))

    assert entry("a").sends_to == "https://zoo.example/in"
    assert entry("b").sends_to == "an address that it does not tell"


def test_nobody_takes_an_entry_from_the_product_by_repeating_it(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeated = "[sst.plugins]\ntasks = sst_tasks:plugin\n[sst.commands]\nbuild = sst_core.provider_commands:build\n"
    distribution(folder, "zebra", repeated)
    after = tmp_path_factory.mktemp("after")
    distribution(after, "quagga", repeated)
    monkeypatch.setattr(sys, "path", [*sys.path, str(after)])

    found = installed(SST)

    assert [each.name for each in found.plugins] == OWN
    assert all(each.first_party for each in (*found.plugins, *found.commands))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ValueError('text')", "ValueError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("raise type('Odd\\x1b[2J', (Exception,), {})", r"Odd\x1b[2J"),
        ("\n\ndef (", "SyntaxError in MODULE.py, line 3"),
        ("if True:\npass", "IndentationError in MODULE.py, line 2"),
        ("import no_such_module_anywhere", "it needs the module no_such_module_anywhere, which is not installed"),
        ("import os.no_such", "it needs the module os.no_such, which is not installed"),
        ("raise ModuleNotFoundError('text')", "ModuleNotFoundError"),
        ("raise ImportError('text')", "ImportError"),
        ("from os import no_such_name", "ImportError"),
        ("from sst_core import hookimp", "sst_core VERSION has no hookimp; did you mean hookimpl?"),
        ("from sst_core import Zoological", "sst_core VERSION has no Zoological"),
        ("import sst_core.later", "sst_core VERSION has no module sst_core.later"),
        ("", "its entry point names 'thing', which is not in MODULE"),
        ("import os; os.no_such_name", "AttributeError"),
        ("None.thing", "AttributeError"),
    ],
)
def test_an_import_that_fails_is_told_in_the_cores_own_words(folder: Path, code: str, words: str) -> None:
    module = f"zebra_{abs(hash(code))}"
    (folder / f"{module}.py").write_text(code)
    distribution(folder, "zebra", f"[sst.plugins]\na = {module}:thing\n")

    with pytest.raises(RefusedError) as caught:
        entry("a").load()

    assert str(caught.value) == words.replace("MODULE", module).replace("VERSION", SST.version)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("zebra_nowhere:thing", "its entry point names the module zebra_nowhere, and there is no zebra_nowhere"),
        ("os.nowhere.deep:thing", "its entry point names the module os.nowhere.deep, and there is no os.nowhere"),
    ],
)
def test_a_module_that_is_not_there_is_not_taken_for_a_dependency(folder: Path, target: str, words: str) -> None:
    distribution(folder, "zebra", f"[sst.plugins]\na = {target}\n")

    with pytest.raises(RefusedError) as caught:
        entry("a").load()

    assert str(caught.value) == words


def test_an_extra_that_is_not_installed_says_how_to_get_it(folder: Path) -> None:
    (folder / "zebra_extra.py").write_text("import no_such_module_anywhere")
    distribution(folder, "zebra", "[sst.plugins]\na = zebra_extra:thing [stripes]\n")

    with pytest.raises(RefusedError, match=r"no_such_module_anywhere.*: pip install 'zebra\[stripes\]'$"):
        entry("a").load()


def test_an_interrupt_while_importing_is_the_users(folder: Path) -> None:
    (folder / "zebra_stop.py").write_text("raise KeyboardInterrupt")
    distribution(folder, "zebra", "[sst.plugins]\na = zebra_stop:thing\n")

    with pytest.raises(KeyboardInterrupt):
        entry("a").load()


def test_an_object_loads_as_it_is(folder: Path) -> None:
    (folder / "zebra_fine.py").write_text("thing = 5")
    distribution(folder, "zebra", "[sst.plugins]\na = zebra_fine:thing\n")

    assert entry("a").load() == 5


def test_of_a_distribution_that_is_gone_nothing_is_known() -> None:
    def gone() -> Distribution:
        raise FileNotFoundError

    entry = Entry(Point("sst.plugins", "x", "a:b", "gone", gone), False)

    assert (entry.distribution, entry.version, entry.requirements) == ("gone", "unknown", ())


def test_a_program_that_nobody_has_packaged_has_commands_and_no_metadata() -> None:
    built_in = (("commands", "telemetry", "sst_telemetry.cli"),)
    program = replace(SST, distribution="packaged-by-nobody", built_in=built_in)

    (entry,) = [each for each in installed(program).commands if each.first_party]

    assert entry.name == "telemetry"
    assert (entry.version, entry.requirements) == ("unknown", ())
