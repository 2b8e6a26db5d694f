"""Any off wins, what can't be read is an off, and the user is told of every source."""

import json
import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from permissions import give_away, only_root
from reading import ROOT
from sharing import share_by_access_list, share_with_a_group
from sst_core import SST, ConfigurationError, Consent, Decision, Source, held
from sst_core.consent import KEPT_BYTES
from sst_core.environment import NEARLY_DISABLED, NEARLY_ENABLED
from sst_core.files import MAX_BYTES
from sst_core.testing import Machine

SWITCHED_OFF = "the telemetry plugin is switched off"
OFF_VALUES = ("1", "true", "TRUE", "yes", "Yes", "on", " 1 ", "anything", "-1")
NO_VALUES = (None, "", "  ", "0", "false", "FALSE", "False ", "no", "off", " Off\t")

# What may stand at a path, and whether that is an off.
NOT_OFF_FILES: dict[str, str | bytes | None] = {
    "absent": None,
    "empty": "",
    "comment": "# nothing\n",
    "other": "[tasks]\nbuild = ['a']\n",
    "table": "[telemetry]\ncollector = 'x'\n",
    "true": "[telemetry]\nenabled = true\n",
    "another name": "[templates]\nenabled = false\n[terraform]\n[Tasks]\n[elementary]\n[telephony]\n[telemetry-otlp]\n",
}
OFF_FILES: dict[str, str | bytes | None] = {
    "false": "[telemetry]\nenabled = false\n",
    "word": "[telemetry]\nenabled = 'true'\n",
    "number": "[telemetry]\nenabled = 1\n",
    "misspelt key": "[telemetry]\nenable = false\n",
    "key in capitals": "[telemetry]\nenabled = true\nEnabled = false\n",
    "misspelt table": "[telmetry]\nenabled = false\n",
    "table in capitals": "[Telemetry]\nenabled = false\n",
    "key for a table": "telemetri = false\n",
    "no table": "telemetry = true\n",
    "torn": "[telemetry\n",
    "binary": b"\xff\xfe[telemetry]\n",
    "too large": "#" * (MAX_BYTES + 1),
}


def put(path: Path, content: str | bytes | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o600)


def consent_at(root: Path, environ: Mapping[str, str] | None = None, **options: Any) -> Consent:
    """The consent of a user whose HOME, and whose project, are below `root`."""
    folder = root / "project" / "below"
    folder.mkdir(parents=True, exist_ok=True)
    options = {"folder": folder, "ci": None, **options}
    return Consent(SST, {"HOME": str(root / "home"), **(environ or {})}, **options)


def decide(consent: Consent, policy: Path) -> Decision:
    with patch("sst_core.consent.policy_file", lambda product: policy):
        return consent.decide()


files = st.sampled_from([*NOT_OFF_FILES, *OFF_FILES])
values = st.sampled_from([*OFF_VALUES, *NO_VALUES])


@settings(max_examples=300)
@given(
    disabled=values,
    do_not_track=values,
    project=files,
    above=files,
    user=files,
    machine=files,
    seen=st.booleans(),
    ci=st.sampled_from([None, "other"]),
    switched_off=st.sampled_from(["", SWITCHED_OFF]),
)
def test_any_off_wins_over_every_combination_of_sources(
    disabled: str | None,
    do_not_track: str | None,
    project: str,
    above: str,
    user: str,
    machine: str,
    seen: bool,
    ci: str | None,
    switched_off: str,
) -> None:
    contents = {**NOT_OFF_FILES, **OFF_FILES}
    environ = {"SST_TELEMETRY_DISABLED": disabled, "DO_NOT_TRACK": do_not_track}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        consent = consent_at(
            root,
            {name: value for name, value in environ.items() if value is not None},
            ci=ci,
            switched_off=switched_off,
        )
        put(root / "project" / "below" / "sst.toml", contents[project])
        put(root / "project" / "sst.toml", contents[above])
        put(root / "home" / ".config" / "sst" / "config.toml", contents[user])
        put(root / "policy.toml", contents[machine])
        if seen:
            consent.grant()

        decision = decide(consent, root / "policy.toml")

    expected = {
        "SST_TELEMETRY_DISABLED": disabled in OFF_VALUES,
        "DO_NOT_TRACK": do_not_track in OFF_VALUES,
        "project": project in OFF_FILES or above in OFF_FILES,
        "user": user in OFF_FILES,
        "machine": machine in OFF_FILES,
        "plugins": switched_off != "",
        "notice": not seen and ci is None,
    }
    found: dict[str, bool] = {}
    for source in decision.sources:
        name = source.where if source.name == "environment" else source.name
        found[name] = found.get(name, False) or source.off
        assert source.value
        assert source.where
    assert found == expected
    assert decision.enabled is not any(expected.values())
    assert decision.only_notice_missing is ([name for name, off in expected.items() if off] == ["notice"])


def test_every_source_says_what_was_found_there_and_where(tmp_path: Path) -> None:
    def told(**options: Any) -> dict[str, tuple[str, str]]:
        environ = options.pop("environ", None)
        decision = decide(consent_at(tmp_path, environ, **options), tmp_path / "policy.toml")
        return {source.where: (source.name, source.value) for source in decision.sources}

    folder = tmp_path / "project" / "below"
    config, notice = str(place_of("user", tmp_path)), str(place_of("notice", tmp_path))
    assert told() == {
        "SST_TELEMETRY_DISABLED": ("environment", "not set"),
        "DO_NOT_TRACK": ("environment", "not set"),
        "SST_DISABLE_PLUGINS": ("plugins", "not switched off"),
        str(folder): ("project", "no sst.toml here or above"),
        config: ("user", "no objection"),
        str(tmp_path / "policy.toml"): ("machine", "no objection"),
        notice: ("notice", "not seen on a terminal yet"),
    }
    assert told(ci="other")[notice] == ("notice", "shown in the log of every CI run")
    assert told(switched_off=SWITCHED_OFF)["SST_DISABLE_PLUGINS"] == ("plugins", SWITCHED_OFF)
    debugging = {"SST_TELEMETRY_DEBUG": "1"}
    assert told(environ=debugging)["SST_TELEMETRY_DEBUG"] == ("environment", "set: runs are printed and not recorded")
    assert not any(each.off for each in consent_at(tmp_path, debugging, ci="other").decide().sources)
    environ = {"SST_TELEMETRY_DISABLED": "no", "DO_NOT_TRACK": "1"}
    assert told(environ=environ)["SST_TELEMETRY_DISABLED"] == ("environment", "set to no")
    assert told(environ=environ)["DO_NOT_TRACK"] == ("environment", "set")

    put(folder / "sst.toml", "[telemetry]\nenabled = true\n")
    put(Path(config), "[telemetry]\nenabled = false\n")
    consent_at(tmp_path).grant()
    found = told()
    assert str(folder) not in found, "there is one"
    assert found[str(folder / "sst.toml")] == ("project", "no objection")
    assert found[config] == ("user", "enabled = false")
    assert found[notice] == ("notice", "seen")


def test_a_working_directory_that_was_deleted_is_an_off(tmp_path: Path) -> None:
    consent = consent_at(tmp_path, folder=None, folder_is_gone=True)
    consent.grant()

    (off,) = [each for each in decide(consent, tmp_path / "none").sources if each.off]
    assert (off.name, off.where) == ("folder", "the working directory")
    assert off.value == "deleted, so no sst.toml in it or above can be asked"


@pytest.mark.parametrize("name", [*NEARLY_DISABLED, *NEARLY_ENABLED])
def test_a_variable_that_is_called_as_in_other_tools_is_an_off_where_it_says_no(tmp_path: Path, name: str) -> None:
    variable = f"SST_{name}"
    noes, yeses = ["1", "true", "x"], ["0", "no", "", "  "]
    if name in NEARLY_ENABLED:
        noes, yeses = ["0", "off", "disabled", "Never", "n"], ["1", "TRUE", "on ", "", "  "]

    def offs(value: str) -> list[Source]:
        consent = consent_at(tmp_path, {variable: value})
        consent.grant()
        return [each for each in decide(consent, tmp_path / "none").sources if each.off]

    for no in noes:
        (off,) = offs(no)
        assert (off.name, off.where) == ("environment", variable)
        assert off.value == "is not known, and SST_TELEMETRY_DISABLED may be meant"
    for yes in yeses:
        assert offs(yes) == []


def test_the_page_names_every_such_variable() -> None:
    page = (ROOT / "docs" / "what-is-collected.md").read_text()

    assert set(re.findall(r"`SST_(\w+)=1`", page)) >= set(NEARLY_DISABLED)
    assert set(re.findall(r"`SST_(\w+)=0`", page)) == set(NEARLY_ENABLED)


MISSPELT = {
    "[telemetry]\nenable = false": "[telemetry] has 'enable', and what is known there is enabled and collector",
    "[telmetry]\nenabled = false": "'telmetry' is not known, and [telemetry] may be meant",
    "[tasks]\ntelemetry.enabled = false": "'tasks.telemetry' is not known, and [telemetry] may be meant",
}


@pytest.mark.parametrize("source", ["user", "project", "machine"])
@pytest.mark.parametrize("text", MISSPELT)
def test_a_misspelt_off_says_what_may_be_meant(tmp_path: Path, source: str, text: str) -> None:
    decision = shaped(tmp_path, source, lambda path: put(path, text))

    (told,) = [each for each in decision.sources if each.off]
    assert (told.name, told.value) == (source, MISSPELT[text])
    assert not told.answered, "`enable` mends nothing"


@pytest.mark.parametrize("enabled", ["false", "'true'"])
def test_an_answer_is_one_that_enable_writes_anew_whatever_it_is(tmp_path: Path, enabled: str) -> None:
    decision = shaped(tmp_path, "user", lambda path: put(path, f"[telemetry]\nenabled = {enabled}\n"))

    (told,) = [each for each in decision.sources if each.off]
    assert told.answered


def test_the_folder_of_the_moment_is_asked_as_the_one_of_the_start_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = consent_at(tmp_path)
    consent.grant()
    put(tmp_path / "elsewhere" / "sst.toml", "[telemetry]\nenabled = false\n")
    assert decide(consent, tmp_path / "none").enabled

    monkeypatch.chdir(tmp_path / "elsewhere")

    (told,) = [each for each in decide(consent, tmp_path / "none").sources if each.off]
    assert (told.name, told.where) == ("project", str(tmp_path / "elsewhere" / "sst.toml"))


def slips(word: str) -> st.SearchStrategy[str]:
    """`word` with a letter that is missing, doubled, another, or in its neighbour's place."""
    places = range(len(word) - 1)
    return st.sampled_from(
        sorted(
            {word[:at] + word[at + 1 :] for at in places}
            | {word[:at] + word[at] + word[at:] for at in places}
            | {word[:at] + "x" + word[at + 1 :] for at in places}
            | {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in places}
        )
    )


@given(key=slips("enabled"), value=st.sampled_from(["false", "true", "0", "'no'"]), known=st.booleans())
def test_whatever_key_is_misspelt_it_is_an_off(key: str, value: str, known: bool) -> None:
    assert is_off(f"[telemetry]\n{'enabled = true' if known else ''}\n{key} = {value}\n")


@given(table=slips("telemetry"), upper=st.booleans(), value=st.sampled_from(["false", "{enabled = false}", "{}"]))
def test_whatever_is_slipped_in_the_tables_name_is_an_off(table: str, upper: bool, value: str) -> None:
    assert is_off(f"tasks = {{}}\n{table.title() if upper else table} = {value}\n")


YES_OR_NO = {
    "telemetry_enabled": ("true", "false"),
    "disable-telemetry": ("false", "true"),
    '"telemetry.enabled"': ("'yes'", "'nope'"),
    "telemetry_opt_out": ("'no'", "'optout'"),
    "telemetry_disabled": ("false", "'Disabled'"),
    "telemetry_off": ("0", "'off'"),
    "telemetry_serial": (f"0x{'f' * 4000}", "true"),
}


@pytest.mark.parametrize("header", ["", "[build]\n", "[a.b]\n", "[[a]]\n"])
@pytest.mark.parametrize("key", YES_OR_NO)
def test_an_answer_outside_of_the_table_is_an_off_unless_it_is_plainly_a_yes(key: str, header: str) -> None:
    yes, no = YES_OR_NO[key]
    assert is_off(f"{header}{key} = {no}\n")
    assert not is_off(f"{header}{key} = {yes}\n")


def test_a_setting_of_another_name_is_no_answer() -> None:
    assert not is_off('opentelemetry_endpoint = "https://example.com"\n[opentelemetry]\nenabled = false\n')


NO_ENABLED = [
    "enabled = false",
    "enabled = 'no'",
    "enabled = 0",
    "disabled = true",
    "disabled = 1",
    "off = true",
    "on = false",
    "active = false",
    "mode = 'disable'",
    "opt_out = true",
    "skip = true",
    "deeper.still = ['a', 'off']",
]
TABLES = ["tasks.telemetry", "tool.sst.telemetry", "sst_telemetry", "sst-telemetry", "a.b.Telemetry", "telemetry-sst"]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("no", NO_ENABLED)
def test_a_no_in_another_table_of_that_name_is_an_off_and_a_yes_is_not(table: str, no: str) -> None:
    assert is_off(f"[{table}]\n{no}\n")
    assert not is_off(f"[{table}]\nenabled = true\ndisabled = false\nendpoint = 'a'\n")


@pytest.mark.parametrize(
    "answer",
    [
        "telemetry_enabled = 'false'",
        "telemetry_disabled = 1",
        "[sst]\ntelemetry = false",
        "[sst]\ntelemetry = 'disable'",
        "[sst]\ntelemetry = 'Opt-Out'",
        "[build]\nskip_telemetry = true",
        "[build]\nnoTelemetry = true",
        "[disable]\ntelemetry = true",
        "[opt-out]\ntelemetry = 1",
        "[telemetry.collector]\nenabled = false",
        "telemetry_mode = 'disable'",
        "[telemetry]\nenabled = true\n[sst]\ntelemetry = false",
    ],
)
def test_an_answer_of_another_kind_outside_of_the_table_is_an_off(answer: str) -> None:
    assert is_off(f"{answer}\n")


def test_what_is_named_telemetry_and_is_no_answer_is_no_off() -> None:
    assert not is_off("[tasks]\ntelemetry = ['python', 'telemetry.py']\n[a]\nopentelemetry.enabled = false\n")
    assert not is_off("[features]\ntelemetry = true\n[enable]\ntelemetry = true\n[disable]\ntelemetry = false\n")
    assert not is_off("[a]\ntelemetry = 'https://example.com'\ntelemetry_enabled = true\nno_telemetry = false\n")
    assert not is_off("[OpenTelemetry]\nenabled = false\n[a.open-telemetry]\nenabled = false\n")


def is_off(text: str) -> bool:
    with tempfile.TemporaryDirectory() as temporary:
        consent = consent_at(Path(temporary))
        put(place_of("project", Path(temporary)), text)
        return any(source.off for source in consent.decide().sources if source.name == "project")


def test_without_a_home_both_that_are_kept_there_are_an_off() -> None:
    sources = Consent(SST, {"HOME": "relative"}, folder=None, ci=None).decide().sources

    offs = {source.name: source.where for source in sources if source.off}
    assert {"user": "HOME", "notice": "HOME"}.items() <= offs.items()


def test_a_variables_value_is_never_shown(tmp_path: Path) -> None:
    decision = consent_at(tmp_path, {"DO_NOT_TRACK": "correct-horse"}).decide()

    assert not decision.enabled
    assert "correct-horse" not in str(decision)


# --- files that are no plain files of one's own


def as_folder(path: Path) -> None:
    path.mkdir()


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_link(path: Path) -> None:
    target = path.with_name("target")
    target.write_text("")
    target.chmod(0o600)
    path.symlink_to(target)


def as_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def as_writable_by_group(path: Path) -> None:
    path.write_text("")
    share_with_a_group(path)


def as_writable_by_all(path: Path) -> None:
    path.write_text("")
    path.chmod(0o602)


Shape = Callable[[Path], None]
SHAPES: dict[Shape, str] = {
    as_folder: "not a regular file",
    as_pipe: "not a regular file",
    as_link: "symbolic link",
    as_dangling_link: "symbolic link",
    as_writable_by_group: "can be written by others",
    as_writable_by_all: "can be written by others",
}
SOURCES = ("user", "project", "machine", "notice")


def place_of(source: str, root: Path) -> Path:
    places = {
        "user": root / "home" / ".config" / "sst" / "config.toml",
        "project": root / "project" / "sst.toml",
        "machine": root / "policy.toml",
        "notice": root / "home" / ".local" / "state" / "sst" / "telemetry" / "notice",
    }
    return places[source]


def shaped(root: Path, source: str, shape: Shape) -> Decision:
    """The decision of a user who consents, but for this file."""
    consent = consent_at(root)
    consent.grant()
    assert decide(consent, root / "policy.toml").enabled
    place = place_of(source, root)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    shape(place)
    return decide(consent, root / "policy.toml")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("shape", "words"), SHAPES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_file_that_cannot_be_trusted_is_an_off_and_says_so(
    tmp_path: Path, source: str, shape: Shape, words: str
) -> None:
    decision = shaped(tmp_path, source, shape)

    assert not decision.enabled
    (told,) = [each for each in decision.sources if each.off]
    assert told.name == source
    assert told.where == str(place_of(source, tmp_path))
    assert words in told.value


@pytest.mark.parametrize("source", SOURCES)
def test_somebody_elses_file_has_no_say_in_a_project_and_is_an_off_elsewhere(tmp_path: Path, source: str) -> None:
    def foreign(path: Path) -> None:
        put(path, "[telemetry]\nenabled = false\n")
        give_away(path)

    decision = shaped(tmp_path, source, foreign)

    (told,) = [each for each in decision.sources if "belongs to somebody else" in each.value]
    assert told.name == source
    assert told.off is (source != "project")
    assert decision.enabled is (source == "project")


def test_somebody_elses_consent_is_none(tmp_path: Path) -> None:
    """Somebody else's `enabled = true`, or notice, counts no more than their no."""
    consent = consent_at(tmp_path)
    consent.grant()
    give_away(place_of("notice", tmp_path))

    decision = decide(consent, tmp_path / "none")

    assert not decision.enabled
    assert decision.unseen == consent.items


def test_every_project_above_is_asked_whoever_owns_those_between(tmp_path: Path) -> None:
    consent = consent_at(tmp_path)
    consent.grant()
    put(tmp_path / "project" / "below" / "sst.toml", "[telemetry]\nenabled = true\n")
    put(tmp_path / "project" / "sst.toml", "[telemetry]\nenabled = false\n")
    give_away(tmp_path / "project" / "sst.toml")
    assert decide(consent, tmp_path / "none").enabled

    put(tmp_path / "sst.toml", "[telemetry]\nenabled = false\n")
    assert not decide(consent, tmp_path / "none").enabled


def test_root_decides_for_everybody(tmp_path: Path) -> None:
    only_root("have files of root's")
    consent = consent_at(tmp_path)
    consent.grant()
    put(tmp_path / "project" / "sst.toml", "[telemetry]\nenabled = false\n")
    with patch("os.geteuid", lambda: 12345):
        root_owned = decide(consent, tmp_path / "none")
    assert {source.name for source in root_owned.sources if source.off} == {"project"}


def test_nothing_is_asked_of_a_project_where_there_is_none(tmp_path: Path) -> None:
    consent = consent_at(tmp_path, folder=None)
    consent.grant()
    assert decide(consent, tmp_path / "none").enabled
    assert "project" not in {source.name for source in consent.decide().sources}


# --- the notice


def test_consent_is_to_every_item_and_to_no_others(tmp_path: Path) -> None:
    consent = consent_at(tmp_path)
    consent.grant()
    seen = place_of("notice", tmp_path)
    every = seen.read_text().splitlines()
    assert tuple(every) == consent.items

    for missing in every:
        seen.write_text("".join(f"{item}\n" for item in every if item != missing))
        decision = consent.decide()
        assert decision.unseen == (missing,)
        assert decision.only_notice_missing

    seen.write_text("".join(f"{item}\n" for item in [*every, "a field that is gone/1"]))
    assert consent.decide().unseen == ()


@pytest.mark.parametrize("ci", [None, "other"])
def test_a_notice_that_is_about_to_be_shown_grants_nothing_where_something_was_switched_off_meanwhile(
    tmp_path: Path, ci: str | None
) -> None:
    consent = consent_at(tmp_path, ci=ci)
    put(place_of("user", tmp_path), "[telemetry]\nenabled = false\n")

    assert consent.grant_on_notice(consent.items, lambda: True) is False
    assert not consent.locations.telemetry.exists()

    place_of("user", tmp_path).unlink()
    assert consent.grant_on_notice(consent.items, lambda: True) is True
    assert consent.locations.queue.is_dir()
    assert consent.locations.seen.exists() is (ci is None)


def test_nothing_is_granted_before_the_notice_is_shown_nor_where_it_was_not(tmp_path: Path) -> None:
    consent = consent_at(tmp_path)
    asked: list[bool] = []

    def show(*, is_there: bool) -> bool:
        asked.append(consent.decide().enabled)
        return is_there

    assert consent.grant_on_notice(consent.items, lambda: show(is_there=False)) is False
    assert consent.decide().unseen == consent.items
    assert [path.name for path in consent.locations.telemetry.iterdir()] == ["queue"]

    assert consent.grant_on_notice(consent.items, lambda: show(is_there=True)) is True
    assert asked == [False, False]
    assert consent.decide().enabled


def test_in_ci_where_the_notice_can_not_be_shown_the_answer_is_no(tmp_path: Path) -> None:
    consent = consent_at(tmp_path, ci="other")

    for _ in range(2):
        assert consent.grant_on_notice((), lambda: False) is False
        assert consent.grant_on_notice((), lambda: True) is True


def test_where_nothing_can_be_noted_nothing_is_shown(tmp_path: Path) -> None:
    consent = consent_at(tmp_path)
    consent.locations.seen.mkdir(parents=True)
    (consent.locations.telemetry / f".notice.{os.getpid()}").mkdir()

    with pytest.raises(OSError):
        consent.grant_on_notice(consent.items, lambda: pytest.fail("it was shown"))


def test_whoever_shows_the_notice_at_the_same_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = consent_at(tmp_path)
    consent.locations.state.mkdir(parents=True)
    with ExitStack() as another:
        another.enter_context(held(consent.locations.lock, 1.0))
        monkeypatch.setattr("sst_core.locks.time.sleep", lambda _: another.close())

        assert consent.grant_on_notice(consent.items, lambda: True) is True


def test_what_other_installations_have_shown_is_kept_as_far_as_there_is_room(tmp_path: Path) -> None:
    consent = consent_at(tmp_path)
    consent.grant()
    size = 1000
    lines = [f"another's {number}".ljust(size - 1, ".") for number in range(KEPT_BYTES // size + 3)]
    with consent.locations.seen.open("a") as file:
        file.write("\n\n" + "".join(f"{line}\n" for line in [*lines, "the last"]))

    consent.grant()

    kept = consent.locations.seen.read_text().splitlines()
    others = kept[: -len(consent.items)]
    assert tuple(kept[-len(consent.items) :]) == consent.items
    assert others == [*lines, "the last"][-len(others) :], "the oldest go"
    assert KEPT_BYTES - size < sum(len(line) + 1 for line in others) <= KEPT_BYTES
    assert consent.decide().enabled

    place_of("notice", tmp_path).write_text(f"{'x' * (KEPT_BYTES - 1)}\n")
    consent.grant()
    assert consent.locations.seen.read_text().splitlines() == ["x" * (KEPT_BYTES - 1), *consent.items]

    place_of("notice", tmp_path).write_text(f"{'x' * KEPT_BYTES}\n")
    consent.grant()
    assert tuple(consent.locations.seen.read_text().splitlines()) == consent.items


def test_what_cannot_be_trusted_is_not_kept(tmp_path: Path) -> None:
    consent = consent_at(tmp_path)
    consent.grant()
    place_of("notice", tmp_path).write_text("another's\n")
    place_of("notice", tmp_path).chmod(0o646)

    consent.grant()

    assert tuple(consent.locations.seen.read_text().splitlines()) == consent.items


def test_a_default_collector_is_an_item_of_its_own(tmp_path: Path) -> None:
    """Where what is recorded goes when nobody says so: another address is asked for anew."""
    items = consent_at(tmp_path).items
    sending = Consent(replace(SST, default_collector="https://a.example/events"), {}, None, None).items

    assert set(sending) - set(items) == {"to https://a.example/events"}
    assert [item for item in items if item.startswith("to ")] == []


@pytest.mark.parametrize(
    ("off", "unseen", "due"),
    [
        ((), (), False),
        ((), ("an item",), True),
        (("notice",), ("an item",), True),
        (("notice",), (), False),
        (("user",), ("an item",), False),
        (("user", "notice"), ("an item",), False),
    ],
)
def test_the_notice_is_due_while_something_is_unseen_and_nothing_else_is_off(
    off: tuple[str, ...], unseen: tuple[str, ...], due: bool
) -> None:
    sources = tuple(Source(name, name in off, "", "") for name in ("environment", "user", "notice"))

    assert Decision(sources, unseen).notice_is_due is due


def test_a_field_that_comes_to_hold_more_is_asked_for_again(tmp_path: Path) -> None:
    consent_at(tmp_path).grant()
    fields = SST.catalogue.fields
    grown = replace(SST.catalogue, fields=(replace(fields[0], revision=fields[0].revision + 1), *fields[1:]))

    decision = replace(consent_at(tmp_path), product=replace(SST, catalogue=grown)).decide()

    assert decision.unseen == (f"{fields[0].key}/{fields[0].revision + 1}",)
    assert not decision.enabled


def test_consent_is_kept_for_the_user_alone(tmp_path: Path) -> None:
    consent = consent_at(tmp_path)
    old = os.umask(0)
    try:
        consent.grant()
        consent.write_user_choice(False)
        with consent.changing():
            pass
    finally:
        os.umask(old)

    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "home").rglob("*")
        if path.name not in (".local", ".config")
    }
    files = {"notice", "config.toml", "telemetry.lock"}
    assert {name for name, mode in modes.items() if mode == 0o600} == files
    assert {mode for name, mode in modes.items() if name not in files} == {0o700}


# --- the user's choice, written


def test_what_is_kept_aside_of_a_link_is_the_link(tmp_path: Path) -> None:
    path = place_of("user", tmp_path)
    path.parent.mkdir(parents=True)
    (tmp_path / "dotfiles.toml").write_text("# mine\n")
    path.symlink_to(tmp_path / "dotfiles.toml")

    aside, changed = consent_at(tmp_path).write_user_choice(False)

    assert changed
    assert aside is not None
    assert aside.readlink() == tmp_path / "dotfiles.toml"
    assert (tmp_path / "dotfiles.toml").read_text() == "# mine\n"


def test_off_is_written_over_a_choice_that_cannot_be_read_and_that_is_kept_aside(tmp_path: Path) -> None:
    consent = consent_at(tmp_path)
    path = place_of("user", tmp_path)
    put(path, "# mine\n[telemetry\n")

    aside = path.with_name("config.toml.unreadable")
    assert consent.write_user_choice(False) == (aside, True)

    assert path.read_text() == "[telemetry]\nenabled = false\n"
    assert aside.read_text() == "# mine\n[telemetry\n"
    assert consent.write_user_choice(False) == (None, False)
    put(path, "# mine again\n[telemetry\n")
    assert consent.write_user_choice(False) == (path.with_name("config.toml.unreadable1"), True)
    assert aside.read_text() == "# mine\n[telemetry\n"
    assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_off_is_written_whatever_stands_there(tmp_path: Path, shape: Shape) -> None:
    path = place_of("user", tmp_path)
    path.parent.mkdir(parents=True)
    shape(path)

    assert consent_at(tmp_path).write_user_choice(False)[1]

    assert path.read_text() == "[telemetry]\nenabled = false\n"
    assert not path.is_symlink()


# --- a team's choice, written


def test_a_teams_choice_is_made_for_everybody_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    consent = consent_at(tmp_path)
    monkeypatch.chdir(tmp_path / "project" / "below")
    file = tmp_path / "project" / "below" / "sst.toml"

    assert consent.write_project_choice(True) == (file, False)
    assert not file.exists(), "nothing was in the way"
    assert consent.write_project_choice(False) == (file, True)

    assert file.read_text() == "[telemetry]\nenabled = false\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_teams_choice_makes_nothing_readable_that_a_link_has_put_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent, victim = consent_at(tmp_path), tmp_path / "victim"
    victim.touch(0o600)
    monkeypatch.chdir(tmp_path / "project" / "below")
    file = tmp_path / "project" / "below" / "sst.toml"

    def sync_and_swap(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            file.unlink()
            file.symlink_to(victim)

    monkeypatch.setattr(os, "fsync", sync_and_swap)
    consent.write_project_choice(False)

    assert file.is_symlink()
    assert stat.S_IMODE(victim.stat().st_mode) == 0o600


def test_a_teams_choice_goes_into_the_nearest_file_whose_mode_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = tmp_path / "project" / "sst.toml"
    put(above, "# ours\n")
    above.chmod(0o755)
    consent = consent_at(tmp_path)
    monkeypatch.chdir(tmp_path / "project" / "below")

    assert consent.write_project_choice(False) == (above, True)

    assert above.read_text() == "# ours\n\n[telemetry]\nenabled = false\n"
    assert stat.S_IMODE(above.stat().st_mode) == 0o755


def test_there_is_no_team_where_there_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigurationError, match="does not exist any more"):
        consent_at(tmp_path).write_project_choice(False)


# --- in real processes


def sources(machine: Machine, env: Mapping[str, str] | None = None, folder: Path | None = None) -> dict[str, Any]:
    run = machine.sst("telemetry", "--json", env=env, folder=folder)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("content", ["[telemetry", b"\xff", "telemetry = 1", "[telemetry]\nenabled = 0"], ids=repr)
def test_status_says_what_is_wrong_with_a_file(consenting: Machine, content: str | bytes) -> None:
    assert sources(consenting)["enabled"] is True
    put(consenting.config_file, content)

    found = sources(consenting)

    assert found["enabled"] is False
    (off,) = [source for source in found["sources"] if source["off"]]
    assert off["where"] == str(consenting.config_file)
    text = consenting.sst("telemetry").stdout
    assert text.startswith("Telemetry is off.")
    assert off["value"] in text


def test_status_says_what_is_wrong_with_the_noted_notice(consenting: Machine) -> None:
    notice = consenting.telemetry / "notice"
    notice.unlink()
    notice.mkdir()

    assert "not a regular file" in consenting.sst("telemetry").stdout


def test_a_project_that_does_not_parse_is_a_no_and_an_error_that_says_how_to_mend_it(consenting: Machine) -> None:
    file = consenting.project("build = [")

    run = consenting.sst("build")

    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith(f"sst: error: {file} is not valid TOML: ")
    assert run.stderr.endswith(". Mend it.\n")
    assert consenting.queued() == []
    assert sources(consenting)["enabled"] is False


def test_a_project_of_somebody_else_neither_runs_nor_decides(consenting: Machine) -> None:
    file = consenting.project('build = ["touch", "ran"]', extra="[telemetry]\nenabled = false")
    give_away(file)

    run = consenting.sst("build")

    assert run.returncode == 2
    assert f"{file} belongs to somebody else" in run.stderr
    assert not (consenting.folder / "ran").exists()
    assert sources(consenting)["enabled"] is True


def test_a_project_that_was_checked_out_under_umask_002_is_the_users_own(consenting: Machine) -> None:
    file = consenting.project('build = ["touch", "ran"]')
    file.chmod(0o664)

    assert consenting.sst("build").returncode == 0
    assert len(consenting.queued()) == 1


@pytest.mark.parametrize(
    "share",
    [share_with_a_group, share_by_access_list, lambda path: path.chmod(0o646)],
    ids=["group", "access list", "all"],
)
def test_a_project_that_others_can_write_neither_runs_nor_records(
    consenting: Machine, share: Callable[[Path], None]
) -> None:
    file = consenting.project('build = ["touch", "ran"]')
    share(file)

    run = consenting.sst("build")

    assert run.returncode == 2
    assert f"chmod go-w {file}" in run.stderr
    assert not (consenting.folder / "ran").exists()
    assert consenting.queued() == []
    assert sources(consenting)["enabled"] is False


def test_a_no_above_the_working_directory_counts(consenting: Machine) -> None:
    consenting.project('build = ["true"]', extra="[telemetry]\nenabled = false")
    below = consenting.folder / "a" / "b"
    below.mkdir(parents=True)

    assert sources(consenting, folder=below)["enabled"] is False
    assert consenting.sst("build", folder=below).returncode == 0
    assert consenting.queued() == []


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("home", ["", "relative/home", "/dev/null", "/dev/null/below", "/proc/nowhere"])
def test_a_home_that_is_none_is_an_off_and_breaks_nothing(machine: Machine, home: str) -> None:
    machine.project('build = ["sh", "-c", "echo built"]')
    # An empty HOME is looked up; where that leads is not this machine's to touch.
    extra = {"XDG_STATE_HOME": str(machine.home), "XDG_CONFIG_HOME": str(machine.home)} if not home else {}
    env = {"HOME": home, **extra}

    assert sources(machine, env)["enabled"] is False
    screen = machine.on_terminal("build", env=env)
    assert screen.exit_code == 0
    assert screen.text.endswith("built\n")
    if home:
        assert screen.text == "built\n", "what can't be noted is not shown"
        disable = machine.sst("telemetry", "disable", env=env)
        assert disable.returncode != 0
        assert disable.stderr.startswith("sst: error: ")
        assert "Traceback" not in disable.stderr
        assert "bug" not in disable.stderr


def test_a_home_that_is_not_there_yet_is_made_when_there_is_something_to_keep(machine: Machine) -> None:
    home = machine.home / "new"
    env = {"HOME": str(home)}
    machine.project('build = ["true"]')

    machine.sst("build", env=env)
    assert not home.exists()

    assert machine.sst("telemetry", "enable", env=env).returncode == 0
    assert sources(machine, env)["enabled"] is True


def modest_status(machine: Machine, program: tuple[str, ...], folder: Path | None = None) -> dict[str, Any]:
    run = machine.sst("telemetry", "--json", program=program, folder=folder)
    assert run.stderr == ""
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_a_choice_that_may_not_be_read_is_an_off(consenting: Machine, modest: tuple[str, ...]) -> None:
    assert modest_status(consenting, modest)["enabled"] is True
    put(consenting.config_file, "")
    consenting.config_file.chmod(0o000)

    found = modest_status(consenting, modest)

    assert found["enabled"] is False
    (off,) = [source for source in found["sources"] if source["off"]]
    assert off["value"] == f"{consenting.config_file} can't be read: Permission denied."


@pytest.mark.parametrize("which", ["config", "state"])
def test_a_folder_that_may_not_be_searched_is_an_off(consenting: Machine, modest: tuple[str, ...], which: str) -> None:
    folder = consenting.home / {"config": ".config", "state": ".local"}[which]
    folder.mkdir(exist_ok=True)
    folder.chmod(0o000)
    try:
        found = modest_status(consenting, modest)
        run = consenting.sst("build", program=modest)
    finally:
        folder.chmod(0o700)

    assert found["enabled"] is False
    assert any("Permission denied" in source["value"] for source in found["sources"] if source["off"])
    assert (run.returncode, run.stderr) == (0, "")
    assert consenting.queued() == []


def test_a_project_that_may_not_be_searched_is_an_off(consenting: Machine, modest: tuple[str, ...]) -> None:
    below = consenting.folder / "below"
    below.mkdir()
    # A process stays where it is, also when the way there is closed behind it.
    close = (sys.executable, "-c", "import os, sys; os.chmod('..', 0); os.execv(sys.argv[1], sys.argv[1:])", *modest)
    try:
        found = modest_status(consenting, close, folder=below)
        consenting.folder.chmod(0o700)
        run = consenting.sst("build", program=close, folder=below)
    finally:
        consenting.folder.chmod(0o700)

    assert found["enabled"] is False
    offs = [source for source in found["sources"] if source["off"]]
    assert {source["name"] for source in offs} == {"project"}
    assert all("Permission denied" in source["value"] for source in offs)
    assert run.returncode == 2
    assert "Permission denied" in run.stderr


def test_a_home_that_cannot_be_written_shows_nothing_and_records_nothing(
    machine: Machine, modest: tuple[str, ...]
) -> None:
    machine.project('build = ["sh", "-c", "echo built"]')
    machine.home.chmod(0o500)

    runs = [machine.sst("build", env=env, program=modest) for env in ({}, {"CI": "1"})]
    disable = machine.sst("telemetry", "disable", program=modest)

    assert [(run.returncode, run.stdout, run.stderr) for run in runs] == [(0, "built\n", "")] * 2
    assert disable.returncode == 1
    assert "SST_TELEMETRY_DISABLED=1" in disable.stderr
    assert list(machine.home.iterdir()) == []
