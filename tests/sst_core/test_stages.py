"""Which stage, region and profile a provider is told, and who says so."""

import getpass
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from sst_core import stages
from sst_core.testing import Machine, Watcher

_ASKING = """
from sst_core import Detected, ProviderResult, hookimpl, name_of, stage_of

@hookimpl
def detect_provider(context, root, settings):
    return Detected("asking", "it is a test")

@hookimpl
def build(context, project, options):
    print(name_of(project), stage_of(context, project, options), options.region, options.profile, options.verbose)
    return ProviderResult(0)
"""


@pytest.fixture
def asking(machine: Machine) -> Machine:
    """A machine with a provider that has to know the stage."""
    machine.install("asking", _ASKING, {"sst.plugins": {"asking": "asking"}})
    return machine


def settings(machine: Machine, text: str) -> Path:
    file = machine.folder / "sst.toml"
    file.write_text(text)
    file.chmod(0o644)
    return file


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    ("typed", "environ", "told", "kept", "expected"),
    [
        (["--stage", "typed"], {"SST_STAGE": "env"}, 'stage = "told"', "kept", "typed"),
        ([], {"SST_STAGE": "env"}, 'stage = "told"', "kept", "env"),
        ([], {}, 'stage = "told"', "kept", "told"),
        ([], {"SST_STAGE": ""}, "", "kept", "kept"),
    ],
)
def test_the_first_that_says_a_stage_is_believed(
    asking: Machine, typed: list[str], environ: Mapping[str, str], told: str, kept: str, expected: str
) -> None:
    settings(asking, f'name = "orders"\n{told}\n')
    (asking.folder / ".sst").mkdir()
    (asking.folder / ".sst" / "stage").write_text(kept)

    assert asking.sst("build", *typed, env=environ).stdout == f"orders {expected} None None False\n"


def test_region_profile_and_verbose_are_told_too(asking: Machine) -> None:
    settings(asking, 'stage = "dev"\nregion = "eu-west-1"\nprofile = "team"\n')

    assert asking.sst("build").stdout == "work dev eu-west-1 team False\n"
    typed = ("--region", "us-east-2", "--profile", "mine", "--verbose")
    assert asking.sst("build", *typed).stdout == "work dev us-east-2 mine True\n"


def test_without_a_terminal_a_stage_that_nobody_says_is_an_error(asking: Machine) -> None:
    ended = asking.sst("build")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "sst: error: No stage given. Pass --stage NAME, set SST_STAGE, "
        f'or put stage = "dev" into {asking.folder / "sst.toml"}.\n'
    )


def test_in_ci_nobody_is_asked_even_on_a_terminal(asking: Machine) -> None:
    screen = asking.on_terminal("build", env={"CI": "true", "SST_TELEMETRY_DISABLED": "1"})

    assert screen.exit_code == 2
    assert "Pass --stage NAME" in screen.text


def test_at_a_terminal_the_person_is_asked_once(asking: Machine) -> None:
    asking.environ["SST_TELEMETRY_DISABLED"] = "1"
    terminal = asking.terminal("build")
    terminal.wait_for("hyphens)")
    terminal.type("not one\n")
    terminal.wait_for(
        "hyphens) [",
    )
    terminal.type("anna\n")
    first = terminal.end()

    assert first.exit_code == 0
    assert "sst: each stage is a separate deployment of the app. Which one is yours?\n" in first.text
    assert "work anna None" in first.text
    assert (asking.folder / ".sst" / "stage").read_text() == "anna\n"
    assert asking.sst("build").stdout == "work anna None None False\n"


@pytest.mark.parametrize(
    ("key", "code", "result"), [("\x03", 130, "interrupt"), ("\x04", 1, "abort")], ids=["Ctrl-C", "Ctrl-D"]
)
def test_who_does_not_answer_ends_the_command_and_no_provider_is_blamed(
    asking: Machine, watcher: Watcher, key: str, code: int, result: str
) -> None:
    terminal = asking.terminal("build", env={"SST_TELEMETRY_DISABLED": "1"})
    terminal.wait_for("hyphens) [")
    terminal.type(key)
    screen = terminal.end()

    assert screen.exit_code == code
    assert watcher.ending() == (("build",), code, result)
    assert "error" not in screen.text
    assert screen.text.endswith("\n")
    assert not (asking.folder / ".sst").exists(), "nothing was chosen"


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    ("typed", "told", "words"),
    [
        (
            ["--stage", "1st"],
            "",
            "--stage: a stage looks like dev (a letter, then letters, digits and hyphens), and '1st'",
        ),
        (["--stage", "../x"], "", "--stage: a stage looks like"),
        ([], 'stage = "a/b"', "sst.toml: a stage looks like"),
        ([], "stage = 3", 'sst.toml: stage has to be a word in quotes, such as: stage = "dev"'),
        (["--region", "--all"], "", "--region: a region looks like eu-west-1, and '--all' does not."),
        (["--region", "atlantis"], "", "--region: a region looks like eu-west-1, and 'atlantis' does not."),
        ([], 'region = "x y"', "sst.toml: a region looks like"),
        (["--profile=-x"], "", "--profile: a profile looks like default (a word that begins with no hyphen)"),
        (["--stage", "dev"], 'name = "1"', "'1' can't be an app's name"),
    ],
)
def test_what_cannot_be_one_is_named_with_its_place(asking: Machine, typed: list[str], told: str, words: str) -> None:
    settings(asking, told)

    ended = asking.sst("build", *typed)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert words in ended.stderr


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("action", ["build", "start", "deploy", "remove", "diff"])
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--stage", "a stage looks like dev (a letter, then letters, digits and hyphens), and '' does not."),
        ("--region", "a region looks like eu-west-1, and '' does not."),
        ("--profile", "a profile looks like default (a word that begins with no hyphen), and '' does not."),
    ],
)
def test_an_empty_option_is_not_one_that_was_left_out(machine: Machine, action: str, option: str, words: str) -> None:
    machine.project(f'{action} = ["echo", "done"]')
    empty = machine.sst(action, option, "")  # as `--stage "$STAGE"` is in a script without that variable
    settings(machine, f'stage = "production"\nregion = "eu-west-1"\nprofile = "team"\n[tasks]\n{action} = ["echo"]\n')
    told = machine.sst(action, option, "", env={"SST_STAGE": "production"})

    for ended in (empty, told):
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"sst: error: {option}: {words}\n"


def test_a_strangers_kept_stage_decides_nothing(asking: Machine) -> None:
    (asking.folder / ".sst").mkdir()
    kept = asking.folder / ".sst" / "stage"
    kept.write_text("production")
    kept.chmod(0o666)

    ended = asking.sst("build")

    assert ended.returncode == 2
    assert f"{kept} can be written by others" in ended.stderr


def test_a_task_needs_no_stage_and_finds_one_that_is_said(machine: Machine, watcher: Watcher) -> None:
    show = "import json, os; names = ('SST_STAGE', 'AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE')"
    show += "; print(json.dumps([os.environ.get(name) for name in names]))"
    machine.project(f"build = {json.dumps(['python', '-c', show])}")

    assert json.loads(machine.sst("build").stdout) == [None] * 4
    told = machine.sst("build", "--stage", "dev", "--region", "eu-west-1", "--profile", "team").stdout
    assert json.loads(told) == ["dev", "eu-west-1", "eu-west-1", "team"]
    assert watcher.provided[1].options.stage == "dev"


@pytest.mark.parametrize(
    ("user", "suggested"),
    [
        ("ann", "ann"),
        ("ann.o'neill", "ann-o-neill"),
        ("7up", "dev"),
        ("", "dev"),
        (KeyError(), "dev"),
        (OSError(), "dev"),
    ],
)
def test_what_is_suggested_is_the_users_name_if_it_can_be_one(
    monkeypatch: pytest.MonkeyPatch, user: str | Exception, suggested: str
) -> None:
    def getuser() -> str:
        if isinstance(user, Exception):
            raise user
        return user

    monkeypatch.setattr(getpass, "getuser", getuser)

    assert stages._suggested() == suggested
