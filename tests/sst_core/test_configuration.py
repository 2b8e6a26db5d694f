"""TOML files: what can't be parsed says where, and an edit keeps everything that a person wrote."""

import codecs
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from installed import PYTHON
from sst_core import ConfigurationError
from sst_core.configuration import (
    MAX_BARE,
    MAX_KEY_PARTS,
    parse_toml,
    read_toml,
    telemetry_table,
    write_telemetry_enabled,
)
from sst_core.files import MAX_BYTES


def file(folder: Path, content: str | bytes) -> Path:
    path = folder / "some.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[telemetry", "at end of document|at line 1"),
        ("a = 1\nb = \n", r"at line 2, column 5\). Mend that line."),
        ("a = 1\na = 2\n", "is not valid TOML"),
        ("a = 2026-13-45\n", "is not valid TOML"),
        (b"a = '\xff'\n", r"is not UTF-8 text \(byte 5\). Save it as UTF-8"),
        ("x = " + "1" * 5000, "is not valid TOML"),
        ("x = " + "[" * 10_000, "values in values, too deep. Mend it."),
        ("x = " + "[" * 100_000, "more than 65536 characters beside strings and comments. Mend it."),
    ],
)
def test_what_does_not_parse_says_what_and_where(tmp_path: Path, content: str | bytes, words: str) -> None:
    path = file(tmp_path, content)

    with pytest.raises(ConfigurationError, match=words) as caught:
        read_toml(path)

    assert str(caught.value).startswith(f"{path} is not ")
    assert caught.value.exit_code == 2


def test_the_mark_that_windows_begins_a_file_with_is_no_content(tmp_path: Path) -> None:
    path = file(tmp_path, b"\xef\xbb\xbfa = 1  # mine\n")

    assert read_toml(path) == {"a": 1}
    assert write_telemetry_enabled(path, False)
    assert path.read_bytes() == b"a = 1  # mine\n\n[telemetry]\nenabled = false\n"


# Reads a file with no more memory than so many bytes beside what Python has taken for itself.
WITH_LITTLE_MEMORY = """
import difflib, re, resource, sys, tomllib
from pathlib import Path
from sst_core import ConfigurationError
from sst_core.configuration import misspelt_telemetry, read_toml

limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    misspelt_telemetry(read_toml(Path(sys.argv[1])) or {})
except ConfigurationError as error:
    print(str(error)[-300:])
else:
    print("read")
"""


def read_with(memory: int, path: Path) -> str:
    """What comes of reading it with so many bytes of memory: `read`, or the error's words."""
    if sys.platform != "linux":
        pytest.skip("only Linux says what a process has taken, and holds it to a limit")
    script = [*PYTHON, "-c", WITH_LITTLE_MEMORY, str(path), str(memory)]
    ended = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def filled(one: Callable[[str], str], size: int = MAX_BARE) -> str:
    """As many of them as fit, each with a name of its own."""
    parts: list[str] = []
    for number in count():
        parts.append(one(f"{number:x}"))
        size -= len(parts[-1])
        if size < 0:
            break
    return "".join(parts[:-1])


TAIL = ".a" * (MAX_KEY_PARTS - 1)
DOTS = "a." * 4000
HEAVY = {
    "long keys": filled(lambda name: f"{name}{TAIL}=1\n"),
    "long keys of arrays": filled(lambda name: f"{name}{TAIL}=[]\n"),
    "long headers": filled(lambda name: f"[{name}{TAIL}]\n"),
    "long headers of arrays": filled(lambda name: f"[[{name}{TAIL}]]\n"),
    "short headers": filled(lambda name: f"[{name}]\n"),
    "long keys below a long header": f"[a{TAIL}]\n" + filled(lambda name: f"{name}{TAIL}=[]\n", MAX_BARE - 40),
    "long keys in a table on a line": f"x={{{filled(lambda name: f'{name}{TAIL}=[],', MAX_BARE - 10)}z=1}}",
    "small tables": f"x=[{'{a=1},' * (MAX_BARE // 6 - 1)}]",
    "tables in tables": "x = " + f"{{a{TAIL} = " * 150 + "1" + "}" * 150,
    "tables in a table with a long name": f"['{'k' * 900_000}']\nx = " + f"{{a{TAIL} = " * 52 + "1" + "}" * 52,
    "numbers": f"x=[{'1.5,' * (MAX_BARE // 4 - 1)}]",
    "text": "x=[" + f"'{'.' * 60}'," * (MAX_BYTES // 63 - 1) + "]",
    "escapes": 'x="""' + '\\".\n' * (MAX_BYTES // 4 - 4) + '"""',
    "a comment": "#" + "." * (MAX_BYTES - 1),
}
DEEP = {
    "dots": f"{DOTS}a=1",
    "dots, and a megabyte of it": "a." * (MAX_BYTES // 2 - 2) + "a=1",
    "one too many": f"a{TAIL}.a = 1",
    "spaces": " . ".join("a" * 20) + "=1",
    "quotes": ".".join(["''", '"a"'] * 10) + "=1",
    "what Python takes for the end of a line": ".".join(["'\u2028'"] * 20) + "=1",
    "a header": f"[{DOTS}a]",
    "a header of arrays": f"[[{DOTS}a]]",
    "a table on a line": f"x = {{ b = 1, {DOTS}a=1 }}",
    "a table in an array": f"x = [\n1.5, {{ {DOTS}a=1 }}]",
    "after text": f"x = '''a''''' # '''\n{DOTS}a=1",
    "after text with quotes": f'x = """a\\"""""\ny = """"""\nz = """ "" """""\n{DOTS}a=1',
    "after other text": f"x = \"a\\\"#'\"\ny = 'a\\'\n{DOTS}a=1",
    "many headers": filled(lambda name: f"[{name}]\n", MAX_BYTES),
}


@pytest.mark.parametrize("text", HEAVY.values(), ids=HEAVY)
def test_the_heaviest_file_that_is_read_takes_fifty_megabytes(tmp_path: Path, text: str) -> None:
    assert len(text) <= MAX_BYTES

    assert read_with(50 << 20, file(tmp_path, text)) == "read\n"


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_would_take_all_the_memory_is_refused_unread(tmp_path: Path, text: str) -> None:
    told = read_with(50 << 20, file(tmp_path, text))

    assert f"a key of more than {MAX_KEY_PARTS} parts" in told or f"more than {MAX_BARE} characters" in told


def test_a_file_that_finds_no_memory_is_refused_in_words(tmp_path: Path) -> None:
    told = read_with(12 << 20, file(tmp_path, HEAVY["long headers"]))

    assert "some.toml is not valid TOML: there is not enough memory" in told


@pytest.mark.parametrize(
    "text",
    [
        "tasks.build = ['tar', " + ", ".join(f"'a/b.{number}.txt'" for number in range(200)) + "]",
        f"about = 'One{'. And another' * 100}.' # and so on{'.' * 100}",
        f'about = """One{". And another" * 100}."""',
        f"a{TAIL} = [{', '.join(['1.5'] * 100)}]",
        "\n".join(f"[stage{number}.deploy.parameters]\nx = '{'y' * 400}'" for number in range(1000)),
    ],
)
def test_what_a_person_writes_is_read_however_long(tmp_path: Path, text: str) -> None:
    assert read_toml(file(tmp_path, text)) == tomllib.loads(text)


@given(
    st.text(alphabet="aé.'\"\\#[]{}=, \n1", max_size=80),
    st.sampled_from(["{}", "x = '{}'", 'x = "{}"', "x = '''{}'''", 'x = """{}"""', "x = [{}]", "# {}"]),
)
def test_a_deep_key_is_seen_behind_all_that_parses(text: str, around: str) -> None:
    """Where strings and comments end is seen as the parser sees it."""
    written = around.format(text)
    try:
        found = tomllib.loads(written)
    except ValueError:
        return
    assert parse_toml(written) == found
    with pytest.raises(ValueError, match="a key of more than 16 parts"):
        parse_toml(f"{written}\n{'a.' * MAX_KEY_PARTS}a=1")


@given(st.binary(max_size=60) | st.text(alphabet="[]{}=.'\"# \nax1-:T", max_size=40).map(str.encode))
@example(codecs.BOM_UTF8 + b"a = 1")
def test_whatever_is_in_a_file_nothing_else_is_raised(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = file(tmp_path_factory.getbasetemp(), content)
    try:
        found = read_toml(path)
    except ConfigurationError:
        return
    assert found == tomllib.loads(content.removeprefix(codecs.BOM_UTF8).decode())


@pytest.mark.parametrize("content", ["telemetry = 1", "telemetry = []", "[[telemetry]]", "telemetry = 'off'"])
def test_a_telemetry_that_is_no_table_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\[telemetry\] on a line of its own"):
        telemetry_table(file(tmp_path, content))


def test_what_is_not_there_is_an_empty_table(tmp_path: Path) -> None:
    assert telemetry_table(tmp_path / "nothing") == {}
    assert telemetry_table(file(tmp_path, "a = 1")) == {}


DOCUMENTS = [
    "",
    "# only a comment\n",
    "[telemetry]\n# why\n",
    "[telemetry]\n# why\nenabled = true # yes\ncollector = 'https://a.example'\n",
    "[telemetry]\n# why\n\n# of the next\n[tasks]\nbuild = ['a'] # b\n",
    "telemetry.collector = 'x' # a dotted key\n",
    "telemetry = {}\n",
    "telemetry = { enabled = true }\n",
    "a = 1\n[b]\nc = 1 # no line end",
    "[telemetry.deep]\na = 1\n[b]\nc = 1\n",
    "[telemetry.deep]\na = 1\n[b]\nc = 1\n[telemetry]\ncollector = 'y'\n",
    "[[b]]\nc = 1\n\n# the tail\n",
    "[b]\nc = 1\n[b.d]\ne = 2",
    "x = 1 \r\n[y]\r\nz = 1 # q\r\n",
]


def comments(text: str) -> list[str]:
    return sorted(line.partition("#")[2].strip() for line in text.splitlines() if "#" in line)


def without_enabled(values: dict[str, Any]) -> dict[str, Any]:
    telemetry = {key: value for key, value in values.get("telemetry", {}).items() if key != "enabled"}
    rest = {key: value for key, value in values.items() if key != "telemetry"}
    return {**rest, **({"telemetry": telemetry} if telemetry else {})}


@pytest.mark.parametrize("text", DOCUMENTS)
def test_off_and_on_again_keeps_every_comment_and_every_other_value(tmp_path: Path, text: str) -> None:
    path = file(tmp_path, text)

    assert write_telemetry_enabled(path, False) is True
    off = path.read_bytes().decode()
    assert telemetry_table(path)["enabled"] is False
    assert write_telemetry_enabled(path, False) is False
    assert path.read_bytes().decode() == off, "a second time changes nothing"

    assert write_telemetry_enabled(path, True) is True
    on = path.read_bytes().decode() if path.exists() else ""
    assert "enabled" not in telemetry_table(path)
    assert write_telemetry_enabled(path, True) is False

    for changed in (off, on):
        assert without_enabled(tomllib.loads(changed)) == without_enabled(tomllib.loads(text))
    assert comments(off) == comments(text)
    # What stands on the line that is taken out goes with it.
    assert comments(on) == [comment for comment in comments(text) if comment != "yes"]


def test_the_order_of_a_file_is_kept(tmp_path: Path) -> None:
    path = file(tmp_path, "z = 1\na = 2\n\n[tasks]\nzoo = ['z']\nall = ['a']\n")

    write_telemetry_enabled(path, False)

    assert path.read_text().startswith("z = 1\na = 2\n\n[tasks]\nzoo = ['z']\nall = ['a']\n")


@pytest.mark.parametrize("text", ["[tasks]\nb = 1\n", "a = 1\n# why\n", "a = 1\r\n", "[a]\nb = 1\n\n[c]\n"])
def test_off_and_on_again_leaves_no_blank_line_behind(tmp_path: Path, text: str) -> None:
    path = file(tmp_path, text)

    write_telemetry_enabled(path, False)
    write_telemetry_enabled(path, True)

    assert path.read_bytes().decode() == text


@pytest.mark.parametrize("value", ["'no'", "0", "'true'", "1"])
def test_a_choice_that_is_neither_true_nor_false_is_replaced(tmp_path: Path, value: str) -> None:
    path = file(tmp_path, f"[telemetry]\nenabled = {value}\n")

    assert write_telemetry_enabled(path, False) is True
    assert telemetry_table(path) == {"enabled": False}


def test_a_file_with_nothing_left_in_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    write_telemetry_enabled(path, False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    write_telemetry_enabled(path, True)

    assert not path.exists()


def test_a_file_that_is_shared_keeps_its_mode(tmp_path: Path) -> None:
    path = file(tmp_path, "a = 1\n")
    path.chmod(0o644)

    write_telemetry_enabled(path, False)

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@given(
    st.dictionaries(
        st.text(alphabet="ab .'", max_size=3),
        st.integers(-9, 9) | st.booleans() | st.text(max_size=5) | st.lists(st.integers(0, 3), max_size=2),
        max_size=4,
    )
)
def test_any_document_survives_off_and_on(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    import tomlkit

    path = file(tmp_path_factory.getbasetemp(), tomlkit.dumps({**values, "table": values}))

    write_telemetry_enabled(path, False)
    assert tomllib.loads(path.read_bytes().decode()) == {**values, "table": values, "telemetry": {"enabled": False}}
    write_telemetry_enabled(path, True)
    assert tomllib.loads(path.read_bytes().decode()) == {**values, "table": values}


@pytest.mark.parametrize("enabled", [True, False])
def test_a_corner_in_which_an_edit_would_go_wrong_is_left_to_the_person(tmp_path: Path, enabled: bool) -> None:
    """Valid TOML that tomlkit takes for a repetition."""
    text = f"[[a.b]]\n[telemetry]\nenabled = {str(not enabled).lower()}\n[a.b.c]\n[[a.b]]\n"
    path = file(tmp_path, text)
    assert telemetry_table(path) == {"enabled": not enabled}

    with pytest.raises(
        ConfigurationError, match=r"can't be edited: .*\. Edit \[telemetry\] enabled yourself\."
    ) as told:
        write_telemetry_enabled(path, enabled)

    assert str(path) in str(told.value)
    assert path.read_text() == text
