"""The notice: once, on a terminal, on stderr, in eight lines; and nothing of the run that shows it is recorded."""

import os
import pty
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sst_core import SST, Choice, CollectingPlugin, Consent, DeclaredValue, Flag, notice_text
from sst_core.notice import show_notice, what_fits
from sst_core.testing import PROGRAM, Machine
from streaming import open_terminal
from trees import tree

SIGN = "sst telemetry disable"
"""What every notice says."""

ITEMS = Consent(SST, {}, None, None).items


def consent(*others: CollectingPlugin, ci: str | None = None, **environ: str) -> Consent:
    return Consent(SST, {"HOME": "/nowhere", **environ}, None, ci, collecting_plugins=others)


VALUES = st.lists(
    st.builds(
        DeclaredValue,
        key=st.from_regex(r"[a-z]{1,9}", fullmatch=True),
        kind=st.just(Flag()),
        label=st.text("abcdefgh ", min_size=1, max_size=100).map(str.strip).filter(bool),
        purpose=st.just("Why."),
    ),
    max_size=32,
)
PLUGINS = st.lists(
    st.builds(
        CollectingPlugin,
        st.from_regex(r"[a-z]{1,40}", fullmatch=True),
        st.from_regex(r"https://[a-z]{1,30}\.example", fullmatch=True),
        VALUES.map(tuple),
    ),
    max_size=9,
    unique_by=lambda plugin: plugin.distribution,
)


@given(st.sets(st.sampled_from(ITEMS)), PLUGINS, st.sampled_from(["", "https://a.example/events"]))
@settings(deadline=None, max_examples=50)
def test_whatever_is_new_is_told_eight_lines_at_a_time_and_agreed_to_when_it_was(
    unseen: set[str], others: list[CollectingPlugin], url: str
) -> None:
    asked = consent(*others, SST_TELEMETRY_URL=url)
    left = tuple(item for item in asked.items if item in unseen or item.startswith("plugin ")) or asked.items

    while left:
        text, told = what_fits(asked, left)

        assert 4 <= len(text.splitlines()) <= 8
        assert SIGN in text
        assert "SST_TELEMETRY_DISABLED=1" in text
        assert "sst telemetry show" in text
        assert told, "each notice tells something"
        written = "".join(text.split())
        for other in others:
            if set(told) & set(other.notice_items):
                assert f"{other.distribution}" in written
                assert other.sends_to in written
        for field in SST.catalogue:
            assert (field.notice_item in told) is (field.notice_item in left)
        left = tuple(item for item in left if item not in told)
        assert ("there is more to tell" in text) is bool(left)


def test_a_plugin_whose_address_finds_no_room_is_not_agreed_to_by_seeing_a_part_of_it() -> None:
    other, short = CollectingPlugin("nosy", f"https://{'x' * 300}.example"), CollectingPlugin("z", "https://z.example")
    asked = consent(other, short)

    text, told = what_fits(asked, asked.items)

    assert told == (*ITEMS, *short.notice_items)
    assert "nosy" not in text
    assert "z, to https://z.example" in text, "it keeps nobody else from being told"
    assert text.endswith("Nothing is recorded yet: `sst telemetry enable` shows what has no room here.")
    assert what_fits(asked, other.notice_items)[1] == ()
    assert other.sends_to in "".join(notice_text(asked, asked.items).split()), "enabling shows all of it"


def test_where_nothing_that_is_new_finds_room_no_notice_is_shown_for_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sst_core.notice.is_terminal", lambda _: True)
    Consent(SST, machine.environ, None, None).grant()
    nosy = CollectingPlugin("nosy", f"https://{'x' * 300}.example")
    asked = Consent(SST, machine.environ, None, None, collecting_plugins=(nosy,))
    decision = asked.decide()

    assert decision.unseen == nosy.notice_items
    assert not show_notice(asked, decision)
    assert capfd.readouterr().err == ""
    assert asked.decide().unseen == nosy.notice_items


def test_the_first_says_what_why_and_where_to() -> None:
    asked = consent(SST_TELEMETRY_URL="https://a.example/events")

    text = notice_text(asked, asked.items)

    assert text.startswith("To learn what is used")
    for field in SST.catalogue:
        assert field.label in " ".join(text.split())
    assert "https://a.example/events" in text
    assert "  Where  it stays on this machine: no collector is configured\n" in notice_text(consent(), ITEMS)


@pytest.mark.parametrize("columns", [10, 40, 79, 80, 200])
def test_on_a_narrow_terminal_it_has_more_lines_and_says_the_same(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    others = CollectingPlugin("nosy", "https://nosy.example"), CollectingPlugin("z", "https://z.example")
    asked = consent(*others)
    wide, items = what_fits(asked, asked.items)
    monkeypatch.setenv("COLUMNS", str(columns))

    with open_terminal() as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        text, told = what_fits(asked, asked.items)
        whole = notice_text(asked, asked.items)

    assert told == items
    assert "".join(text.split()) == "".join(wide.split())
    for line in (*text.splitlines(), *whole.splitlines()):
        assert len(line) <= max(columns, 20) or " " not in re.split(r" {2,}", line.strip())[-1], line
    assert (text == wide) is (columns >= 79)


@given(st.lists(st.text("x", min_size=1, max_size=30), min_size=1, max_size=9, unique=True))
@settings(deadline=None)
def test_what_it_lists_stands_below_itself_and_fills_79_columns(names: list[str]) -> None:
    asked = consent(*(CollectingPlugin(name, "https://a.example") for name in names))

    lines = notice_text(asked, asked.items).splitlines()

    listed = lines[1 : next(number for number, line in enumerate(lines) if line.startswith("  Where"))]
    assert all(line[:9] in ("  What   ", "  Also   ", " " * 9) and line[9] != " " for line in listed)
    for line, following in pairwise(listed):
        first = following[9:].split()[0]
        assert len(line) <= 79
        assert following.startswith("  Also") or len(f"{line} {first}") > 79


def test_of_a_grown_catalogue_only_what_is_new_is_shown() -> None:
    text = notice_text(consent(), ("cpuCount/1", "distro/1"))

    assert "distribution, CPUs" in text
    for label in ("architecture", "random run id", "Python version", "To learn what is used"):
        assert label not in text


def test_a_new_plugin_that_collects_is_named_with_where_it_sends() -> None:
    other = CollectingPlugin("nosy", "https://nosy.example")

    first = notice_text(consent(other), consent(other).items)
    later = notice_text(consent(other), (other.notice_item,))

    assert "  Also   plugins that collect too: nosy, to https://nosy.example\n  Where  sst's own stays on this" in first
    assert "  Also   plugins that collect too: nosy, to https://nosy.example\n  See    " in later


def test_where_the_programs_own_goes_is_not_said_of_others_too() -> None:
    other, url = CollectingPlugin("nosy", "https://nosy.example"), "https://a.example/events"
    asked = consent(other, SST_TELEMETRY_URL=url)

    assert f"  Where  {url} (sst's own)\n" in notice_text(asked, asked.items)
    assert f"  Where  {url}\n" in notice_text(asked, ITEMS)
    assert url not in notice_text(asked, other.notice_items)


# --- of several installations that share a home

INSTALLATIONS = st.tuples(
    st.integers(1, 3),
    st.lists(
        st.builds(
            CollectingPlugin,
            st.sampled_from(["x", "y"]),
            st.sampled_from(["https://a.example", "https://b.example", f"https://{'c' * 30}.example"]),
            st.lists(
                st.sampled_from(
                    [
                        DeclaredValue(key=key, kind=kind, label=f"the {key}", purpose="Why.")
                        for key in ("n.one", "n.two")
                        for kind in (Flag(), Choice(("a", "b")))
                    ]
                ),
                max_size=2,
                unique_by=lambda value: value.key,
            ).map(tuple),
        ),
        max_size=2,
        unique_by=lambda plugin: plugin.distribution,
    ).map(tuple),
)
"""The revision of a field, and the plugins that collect."""


def installation(home: str, revision: int, others: tuple[CollectingPlugin, ...]) -> Consent:
    first, *rest = SST.catalogue.fields
    product = replace(SST, catalogue=replace(SST.catalogue, fields=(replace(first, revision=revision), *rest)))
    return Consent(product, {"HOME": home}, None, None, collecting_plugins=others)


@given(st.lists(INSTALLATIONS, min_size=1, max_size=8))
@settings(deadline=None, max_examples=40)
def test_however_installations_take_turns_each_item_is_told_once_and_nothing_untold_is_granted(
    turns: list[tuple[int, tuple[CollectingPlugin, ...]]],
) -> None:
    told: list[str] = []
    with tempfile.TemporaryDirectory() as home:
        for revision, others in turns:
            asked = installation(home, revision, others)
            while (decision := asked.decide()).unseen:
                text, items = what_fits(asked, decision.unseen)
                assert items
                words = "".join(text.split())
                assert all(
                    f"{other.distribution}({_labels(other, items)}),to{other.sends_to}" in words
                    for other in others
                    if _labels(other, items)
                )

                assert asked.grant_on_notice(items, lambda: True)
                told += items
            assert set(asked.items) <= set(told)
            assert sorted(asked.locations.seen.read_text().splitlines()) == sorted(told)
    assert len(told) == len(set(told))


def _labels(other: CollectingPlugin, items: tuple[str, ...]) -> str:
    return "".join(",".join(value.label for value in other.unseen_values(items)).split())


def test_two_environments_with_other_plugins_each_show_their_own_once(machine: Machine) -> None:
    machine.see_notice()
    environments = []
    for name in ("one", "two"):
        there = replace(machine, plugins=machine.root / name, environ=dict(machine.environ))
        there.install(f"nosy_{name}", "", {"sst.telemetry": {name: f"nosy_{name}"}})
        environments.append(there)

    screens = [there.on_terminal("build").text for there in environments]

    assert [[f"nosy_{name}" in screen for name in ("one", "two")] for screen in screens] == [
        [True, False],
        [False, True],
    ]
    for count, there in enumerate((*environments, *environments, machine), 1):
        assert there.on_terminal("build").text == ""
        assert len(machine.queued()) == count


# --- on a real terminal


def test_what_finds_no_room_is_told_at_the_next_command_and_nothing_is_recorded_before(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')
    names = [f"company-telemetry-plugin-{number}" for number in range(4)]
    for name in names:
        machine.install(name, "", {"sst.telemetry": {name: name}})

    screens = []
    while not machine.queued():
        screens.append(machine.on_terminal("build").text)
        assert len(screens) < 9

    assert len(screens) > 2
    assert screens[-1] == "built\n"
    told = ["".join(screen.split()) for screen in screens]
    for name in names:
        assert sum(f"{name},to" in screen for screen in told) == 1


def test_it_is_shown_once_and_what_is_recorded_begins_with_the_next_run(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')

    first = machine.on_terminal("build")
    assert SIGN in first.text
    assert len(first.text.split("built")[0].splitlines()) <= 8
    assert machine.queued() == []

    second = machine.on_terminal("build")
    assert second.text == "built\n"
    assert len(machine.queued()) == 1


def run_with_streams(machine: Machine, *, stdout_is_terminal: bool) -> tuple[str, str]:
    """Run a build with one of stdout and stderr on a terminal; what came on the terminal, and what through the pipe."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(PROGRAM), "build"],
        cwd=machine.folder,
        env=machine.environ,
        stdin=subprocess.DEVNULL,
        stdout=theirs if stdout_is_terminal else subprocess.PIPE,
        stderr=subprocess.PIPE if stdout_is_terminal else theirs,
        text=True,
    )
    os.close(theirs)
    out, err = process.communicate(timeout=30)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
    except OSError:
        pass  # Linux: the other end is closed
    finally:
        os.close(ours)
    assert process.returncode == 0
    return seen.decode().replace("\r\n", "\n"), (out or "") + (err or "")


def test_it_is_on_stderr_and_never_on_stdout(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')

    terminal, piped = run_with_streams(machine, stdout_is_terminal=False)

    assert SIGN in terminal
    assert piped == "built\n"


def test_a_pipe_on_stderr_is_nobody_looking(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')

    terminal, piped = run_with_streams(machine, stdout_is_terminal=True)

    assert terminal == "built\n"
    assert piped == ""
    assert tree(machine.home) == {}


def test_a_run_with_no_terminal_never_counts_as_having_seen_it(machine: Machine) -> None:
    machine.project('build = ["true"]')

    for _ in range(2):
        run = machine.sst("build")
        assert (run.returncode, run.stderr) == (0, "")

    assert tree(machine.home) == {}
    assert SIGN in machine.on_terminal("build").text


QUIET = {
    "help": (("--help",), {}),
    "version": (("--version",), {}),
    "a command's help": (("build", "--help"), {}),
    "a usage error": (("build", "--nope"), {}),
    "a typo": (("bulid",), {}),
    "completion": ((), {"_SST_COMPLETE": "complete_bash", "COMP_WORDS": "sst b", "COMP_CWORD": "1"}),
    "status": (("telemetry",), {}),
    "show": (("telemetry", "show"), {}),
    "off by a variable": (("build",), {"SST_TELEMETRY_DISABLED": "1"}),
    "do not track": (("build",), {"DO_NOT_TRACK": "1"}),
    "blocked": (("build",), {"SST_DISABLE_PLUGINS": "telemetry"}),
}


@pytest.mark.parametrize(("arguments", "environ"), QUIET.values(), ids=QUIET)
def test_it_is_not_shown_where_it_is_not_due(
    machine: Machine, arguments: tuple[str, ...], environ: dict[str, str]
) -> None:
    machine.project('build = ["true"]')

    screen = machine.on_terminal(*arguments, env=environ)

    assert "is not recorded; the next ones are" not in screen.text
    assert tree(machine.home) == {}


def test_a_project_that_says_no_is_shown_none(machine: Machine) -> None:
    machine.project('build = ["true"]', extra="[telemetry]\nenabled = false")

    assert machine.on_terminal("build").text == ""
    assert tree(machine.home) == {}


def test_when_the_catalogue_grows_recording_pauses_until_it_is_seen(consenting: Machine) -> None:
    seen = consenting.telemetry / "notice"
    every = seen.read_text()
    seen.write_text("".join(line for line in every.splitlines(keepends=True) if not line.startswith("cpuCount/")))

    assert consenting.sst("build").stderr == ""
    assert consenting.queued() == []

    screen = consenting.on_terminal("build")
    assert "CPUs" in screen.text
    assert "Python version" not in screen.text
    assert screen.text.endswith("This run is not recorded; the next ones are.\n")
    assert consenting.queued() == []
    assert seen.read_text() == every

    assert consenting.on_terminal("build").text == ""
    assert len(consenting.queued()) == 1


def test_a_newly_installed_plugin_that_collects_is_new_in_the_same_sense(consenting: Machine) -> None:
    consenting.install("nosy", "", {"sst.telemetry": {"nosy": "nosy"}})

    screen = consenting.on_terminal("build")

    assert "nosy" in screen.text
    assert "CPUs" not in screen.text
    assert consenting.queued() == []
    assert consenting.on_terminal("build").text == ""
    assert len(consenting.queued()) == 1


@pytest.mark.parametrize("blocking", [".local", ".local/state", ".local/state/sst", ".local/state/sst/telemetry"])
def test_what_cannot_be_noted_is_not_shown(machine: Machine, blocking: str) -> None:
    machine.project('build = ["echo", "built"]')
    path = machine.home / blocking
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file in the way")

    for _ in range(2):
        screen = machine.on_terminal("build")
        assert (screen.exit_code, screen.text) == (0, "built\n")

    assert path.read_text() == "a file in the way"


def test_in_ci_each_run_shows_it_in_the_log_and_counts(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')
    env = {"GITHUB_ACTIONS": "true"}

    for count in (1, 2):
        run = machine.sst("build", env=env)
        assert run.returncode == 0
        assert run.stdout == "built\n"
        assert "In CI, recording begins with this run." in run.stderr
        assert len(machine.queued()) == count
    assert not (machine.telemetry / "notice").exists()

    off = machine.sst("build", env={**env, "SST_TELEMETRY_DISABLED": "1"})
    assert off.stderr == ""
    assert len(machine.queued()) == 2


def test_a_closed_stderr_is_nobody_looking(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')

    run = machine.sst("build", program=("sh", "-c", 'exec "$0" "$@" 2>&-', str(PROGRAM)))

    assert (run.returncode, run.stdout) == (0, "built\n")
    assert tree(machine.home) == {}


# --- when it doesn't come to be read

_CUT_OFF = {
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
    "Ctrl-C": "os.kill(os.getpid(), signal.SIGINT)",
    # A terminal that was closed a moment ago: what is written there is an error.
    "hung up": "ours, theirs = os.openpty(); os.close(ours); os.dup2(theirs, 2); return say(message)",
}


def cut_off(how: str) -> tuple[str, ...]:
    """The program, to which that happens just before its first line on stderr."""
    code = (
        "import os, signal, sst_core.terminal as terminal\n"
        "say = terminal.say\n"
        f"def cut_off(message): {_CUT_OFF[how]}\n"
        "terminal.say = cut_off\n"
        "from sst_core.sst import main\n"
        "main()\n"
    )
    return (sys.executable, "-P", "-c", code)


@pytest.mark.parametrize(
    ("arguments", "how"),
    [
        *((("build",), how) for how in _CUT_OFF),
        # Who says so has agreed, whether the words can be read or not; but not who is no more when they come.
        *((("telemetry", "enable"), how) for how in _CUT_OFF if how != "hung up"),
    ],
)
def test_what_was_not_shown_to_the_end_is_shown_again_and_nothing_is_recorded_before(
    machine: Machine, arguments: tuple[str, ...], how: str
) -> None:
    machine.project('build = ["echo", "built"]')

    screen = machine.terminal(*arguments, program=cut_off(how)).end()
    assert SIGN not in screen.text

    assert machine.sst("build").returncode == 0
    assert machine.queued() == []
    assert SIGN in machine.on_terminal("build").text
    assert machine.queued() == []
    assert machine.on_terminal("build").text == "built\n"
    assert len(machine.queued()) == 1


def test_what_was_seen_before_stays_so_where_what_is_new_can_not_be_shown(consenting: Machine) -> None:
    every = (consenting.telemetry / "notice").read_text()
    consenting.install("nosy", "", {"sst.telemetry": {"nosy": "nosy"}})

    consenting.terminal("build", program=cut_off("hung up")).end()

    assert [path.name for path in consenting.telemetry.iterdir() if path.is_file()] == ["notice"]
    assert (consenting.telemetry / "notice").read_text() == every
    assert "nosy" in consenting.on_terminal("build").text


def test_in_ci_a_run_that_can_not_say_so_in_its_log_is_not_recorded(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')
    env = {"GITHUB_ACTIONS": "true"}
    closed = ("sh", "-c", 'exec "$0" "$@" 2>&-', str(PROGRAM))
    full = ("sh", "-c", 'exec "$0" "$@" 2> /dev/full', str(PROGRAM))
    thrown_away = ("sh", "-c", 'exec "$0" "$@" 2> /dev/null', str(PROGRAM))

    for program in (closed, full, thrown_away):
        assert machine.sst("build", env=env, program=program).stdout == "built\n"
        assert machine.queued() == []

    machine.sst("build", env=env)
    assert len(machine.queued()) == 1


def test_in_ci_whatever_stands_for_stderr_shows_it_and_nothing_is_made_where_it_is_thrown_away(
    machine: Machine,
) -> None:
    env = {"GITHUB_ACTIONS": "true"}
    thrown_away = ("sh", "-c", 'exec "$0" "$@" 2> /dev/null', str(PROGRAM))
    own = "import sys\nclass Tee:\n    def write(self, text): sys.__stderr__.write(text)\n    def flush(self): pass\n"
    own += "    def isatty(self): return False\nsys.stderr = Tee()\nfrom sst_core.sst import main; main()"

    machine.sst("plugins", "list", env=env, program=thrown_away)
    assert not machine.telemetry.exists()
    ended = machine.sst("plugins", "list", env=env, program=(sys.executable, "-c", own))

    assert (ended.returncode, SIGN in ended.stderr, len(machine.queued())) == (0, True, 1)


def test_of_two_terminals_at_once_one_shows_it(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')

    terminals = [machine.terminal("build") for _ in range(4)]
    screens = [terminal.end() for terminal in terminals]

    assert [SIGN in screen.text for screen in screens].count(True) == 1


def test_items_are_stable_names_of_what_was_agreed_to(tmp_path: Path) -> None:
    fields = SST.catalogue.fields
    shuffled = replace(SST, catalogue=replace(SST.catalogue, fields=fields[::-1]))
    environ = {"HOME": str(tmp_path)}
    Consent(SST, environ, None, None).grant()

    assert Consent(shuffled, environ, None, None).decide().unseen == ()


def test_in_ci_where_nothing_can_be_kept_nothing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Consent(SST, {"HOME": str(tmp_path)}, None, "github-actions")
    decision = asked.decide()
    assert decision.enabled
    monkeypatch.setitem(asked.environ, "DO_NOT_TRACK", "1")  # meanwhile

    assert show_notice(asked, decision) is False
    assert capsys.readouterr() == ("", "")


def test_a_notice_that_cannot_be_noted_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    asked = Consent(SST, {"HOME": str(tmp_path / "file")}, None, "github-actions")
    decision = asked.decide()
    assert decision.enabled

    assert show_notice(asked, decision) is False
    assert capsys.readouterr() == ("", "")
