"""TOML files: what can't be parsed says where, and an edit keeps everything that a person wrote."""

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sst_core import ConfigurationError
from sst_core.configuration import read_toml, telemetry_table, write_telemetry_enabled


def file(folder: Path, content: str | bytes) -> Path:
    path = folder / "some.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[telemetry", "at end of document|at line 1"),
        ("a = 1\nb = \n", "at line 2, column 5"),
        ("a = 1\na = 2\n", "is not valid TOML"),
        ("a = 2026-13-45\n", "is not valid TOML"),
        (b"a = '\xff'\n", r"is not UTF-8 text \(byte 5\). Save it as UTF-8"),
        ("x = " + "1" * 5000, "is not valid TOML"),
        ("x = " + "[" * 100_000, "is not valid TOML"),
    ],
)
def test_what_does_not_parse_says_what_and_where(tmp_path: Path, content: str | bytes, words: str) -> None:
    path = file(tmp_path, content)

    with pytest.raises(ConfigurationError, match=words) as caught:
        read_toml(path)

    assert str(caught.value).startswith(f"{path} is not ")
    assert caught.value.exit_code == 2


@given(st.binary(max_size=60) | st.text(alphabet="[]{}=.'\"# \nax1-:T", max_size=40).map(str.encode))
def test_whatever_is_in_a_file_nothing_else_is_raised(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = file(tmp_path_factory.getbasetemp(), content)
    try:
        found = read_toml(path)
    except ConfigurationError:
        return
    assert found == tomllib.loads(content.decode())


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
