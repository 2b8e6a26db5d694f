"""What a plugin may declare: closed values under its own name, read without importing it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sst_core import SST, CatalogueError, Choice, ConfigurationError, declaration_of
from sst_core.declaration import MAX_BYTES, MAX_VALUES, MAX_WORDS, _parsed, read_declaration

GOOD = """
to = "nowhere"
[values.result]
label = "how it ended"
purpose = "Shows what fails."
choice = ["ok", "error"]
[values.seconds]
label = "duration"
purpose = "Shows what takes long."
bucket = [0, 1, 10]
[values.quick]
label = "quick"
purpose = "Shows what is."
flag = true
[values.tool]
label = "version of the tool"
purpose = "Shows which is used."
version = 2
[values.command]
label = "command"
purpose = "Shows which is used."
field = "command"
"""

Package = Callable[..., str]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Makes a package that can't be imported, with a declaration, and gives its name."""
    monkeypatch.syspath_prepend(tmp_path)
    number = 0

    def make(declaration: str | None, below: str = "") -> str:
        nonlocal number
        number += 1
        name = f"declaring_{number}"
        folder = tmp_path / name / below
        folder.mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('imported')")
        if declaration is not None:
            (folder / "telemetry.toml").write_text(declaration)
        return name

    return make


def test_a_declaration_is_read_and_nothing_is_imported(package: Package) -> None:
    name = package(GOOD)

    declared = declaration_of(f"{name}.hooks.inner", SST)

    assert name not in sys.modules
    assert (declared.namespace, declared.sends_to) == (name, "nowhere")
    assert [value.key for value in declared.values] == [
        f"{name}.{key}" for key in ("result", "seconds", "quick", "tool", "command")
    ]
    assert declared["command"] == SST.catalogue["command"].kind
    assert declared["result"] == Choice(("ok", "error"))


def test_it_may_stand_beside_the_module_that_the_entry_names(package: Package) -> None:
    name = package(GOOD, below="hooks")

    assert read_declaration(f"{name}.hooks", SST.catalogue) is not None
    assert read_declaration(name, SST.catalogue) is None


@pytest.mark.parametrize("below", ["", "a", "a/b", "a/b/c"])
def test_of_the_packages_above_a_module_any_may_hold_it(package: Package, below: str) -> None:
    assert read_declaration(f"{package(GOOD, below=below)}.a.b.c", SST.catalogue) is not None


class Refusing:
    """A finder of somebody's own that fails."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "refused":
            raise ImportError


def test_a_module_that_nobody_can_find_declares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])

    assert read_declaration("refused", SST.catalogue) is None
    assert read_declaration("", SST.catalogue) is None


def test_a_declaration_that_cannot_be_read_is_named(package: Package, tmp_path: Path) -> None:
    name = package(None)
    (tmp_path / name / "telemetry.toml").mkdir()

    with pytest.raises(ConfigurationError, match=r"its telemetry\.toml can't be read: Is a directory"):
        read_declaration(name, SST.catalogue)


def test_a_plugin_need_not_declare_anything_but_then_can_check_nothing(package: Package) -> None:
    name = package(None)

    assert read_declaration(name, SST.catalogue) is None
    assert read_declaration("no_such_module_at_all", SST.catalogue) is None
    with pytest.raises(ConfigurationError, match=r"has no telemetry\.toml"):
        declaration_of(name, SST)


def test_check_lets_through_what_is_declared_under_the_plugins_own_name(package: Package) -> None:
    name = package(GOOD)
    declared = declaration_of(name, SST)

    assert declared.check({"result": "ok", "seconds": 10, "quick": False, "tool": "1.2", "command": "build"}) == {
        f"{name}.result": "ok",
        f"{name}.seconds": 10,
        f"{name}.quick": False,
        f"{name}.tool": "1.2",
        f"{name}.command": "build",
    }


WRONG = [
    {"result": "my-secret"},
    {"seconds": 7},
    {"seconds": True},
    {"quick": "yes"},
    {"tool": "1.2.3"},
    {"command": "my-secret"},
    {"other": "ok"},
    {"result": None},
]


@pytest.mark.parametrize("values", WRONG, ids=str)
def test_check_refuses_the_rest_and_does_not_repeat_it(package: Package, values: dict[str, object]) -> None:
    with pytest.raises(CatalogueError) as refused:
        declaration_of(package(GOOD), SST).check(values)

    assert "my-secret" not in str(refused.value)


def one(line: str, name: str = "x", label: str = "a", purpose: str = "Why.") -> str:
    """A declaration of one value."""
    return f"[values.{name}]\nlabel = {json.dumps(label)}\npurpose = {json.dumps(purpose)}\n{line}\n"


def words(count: int) -> str:
    return json.dumps([f"w{number}" for number in range(count)])


def values(count: int) -> str:
    return "".join(one("flag = true", name=f"v{number}") for number in range(count))


AT_THE_BOUND = {
    "words": (one(f"choice = {words(100)}"), one(f"choice = {words(101)}")),
    "one word": (one(f"choice = {words(1)}"), one(f"choice = {words(0)}")),
    "values": (values(32), values(33)),
    "one value": (values(1), "[values]\n"),
    "bounds": (one(f"bucket = {list(range(32))}"), one(f"bucket = {list(range(33))}")),
    "one bound": (one("bucket = [0]"), one("bucket = []")),
    "a list of bounds": (one("bucket = [5]"), one("bucket = 5")),
    "a large bound": (one("bucket = [999999999]"), one("bucket = [1000000000]")),
    "a small bound": (one("bucket = [-999999999]"), one("bucket = [-1000000000]")),
    "numbers of a version": (one("version = 3"), one("version = 4")),
    "one number of a version": (one("version = 1"), one("version = 0")),
    "a label": (one("flag = true", label="x" * 100), one("flag = true", label="x" * 101)),
    "bytes": (one("flag = true").ljust(65536, "\n"), one("flag = true").ljust(65537, "\n")),
}


@pytest.mark.parametrize(("within", "beyond"), AT_THE_BOUND.values(), ids=AT_THE_BOUND)
def test_what_may_be_declared_ends_where_it_is_said_to(package: Package, within: str, beyond: str) -> None:
    assert read_declaration(package(within), SST.catalogue) is not None
    with pytest.raises(ConfigurationError):
        read_declaration(package(beyond), SST.catalogue)


MALFORMED = {
    "not TOML": "[",
    "not UTF-8": "\udcff",
    "nothing": "",
    "no values": 'to = "x"',
    "values that are none": "values = 1",
    "another key": f"{one('flag = true')}[other]\nx = 1\n",
    "a value that is no table": "[values]\nx = 1",
    "free text": one("text = true"),
    "a random id": one("id = true"),
    "no kind": one(""),
    "two kinds": one('flag = true\nchoice = ["a"]'),
    "a field that there is not": one('field = "hostname"'),
    "the machine's id": one('field = "anonymousId"'),
    "the run's id": one('field = "sessionId"'),
    "no words": one("choice = []"),
    "too many words": one(f"choice = {json.dumps([f'w{number}' for number in range(MAX_WORDS + 1)])}"),
    "a word twice": one('choice = ["a", "a"]'),
    "a word with a space": one('choice = ["a b"]'),
    "a word that is a number": one("choice = [1]"),
    "bounds that do not rise": one("bucket = [1, 0]"),
    "bounds that are no numbers": one('bucket = ["1"]'),
    "bounds that are true": one("bucket = [true]"),
    "a bound that could be an id": one("bucket = [1, 12345678901]"),
    "a flag that is false": one("flag = false"),
    "a version of four": one("version = 4"),
    "a name with a dot": one("flag = true", name='"a.b"'),
    "a name in capitals": one("flag = true", name="A"),
    "an empty label": one("flag = true", label=""),
    "a long label": one("flag = true", label="a" * 101),
    "a label that steers the terminal": one("flag = true", label="\x1b[2J"),
    "a label of two lines": one("flag = true", label="a\nb"),
    "a purpose of none": "[values.x]\nlabel = 'a'\nflag = true",
    "an address of two lines": f'to = "a\\nb"\n{one("flag = true")}',
    "an address that is none": f"to = 1\n{one('flag = true')}",
    "too many values": "".join(one("flag = true", name=f"x{number}") for number in range(MAX_VALUES + 1)),
    "too large": one("flag = true") + "#" * MAX_BYTES,
    "too deep a key": f"{'a.' * 4000}a = 1",
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_as_it_has_to_be_is_refused_in_a_line(content: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _parsed("x", content.encode(errors="surrogateescape"), SST.catalogue)

    assert str(refused.value).startswith("its telemetry.toml ")
    assert str(refused.value).isprintable()


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(content: bytes) -> None:
    try:
        _parsed("x", content, SST.catalogue)
    except ConfigurationError as error:
        assert str(error).isprintable()


def test_an_item_of_the_notice_changes_with_what_may_be_taken() -> None:
    few, more = (_parsed("x", one(f"bucket = {bounds}").encode(), SST.catalogue) for bounds in ("[0, 1]", "[0, 1, 2]"))

    assert few.values[0].notice_item == "value x.x: rounded down to one of 0, 1"
    assert few.values[0].notice_item != more.values[0].notice_item
