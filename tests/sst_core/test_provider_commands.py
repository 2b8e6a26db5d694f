"""Which project a command works on, which provider does it, and what is said where there is none."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from sst_core import SST, ConfigurationError, Session, provider_commands
from sst_core.locations import settings_files
from sst_core.provider_commands import read_settings
from sst_core.testing import Asked, Machine, Watcher

_PROVIDER = """
from sst_core import Detected, ProviderResult, hookimpl

@hookimpl
def detect_provider(context, root, settings):
    return Detected("{name}", "because of {name}")

@hookimpl
def build(context, project, options):
    {body}
"""


def provider(machine: Machine, name: str, body: str = "return ProviderResult(11)") -> None:
    machine.install(name, _PROVIDER.format(name=name, body=body), {"sst.plugins": {name: name}})


def test_nothing_that_knows_the_folder_is_an_error_with_the_lines_that_help(machine: Machine, watcher: Watcher) -> None:
    run = machine.sst("build")

    assert run.returncode == 2
    assert run.stderr.startswith("sst: error: Nothing here says how to build the app: there is no sst.toml in ")
    assert str(machine.folder) in run.stderr
    assert run.stderr.endswith('    [tasks]\n    build = ["python", "build.py"]\n')
    assert watcher.ending() == (("build",), 2, "error")


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("start", "start the app"),
        ("deploy", "deploy the app"),
        ("remove", "remove the app"),
        ("diff", "show what a deployment would change"),
    ],
)
def test_what_is_missing_is_what_the_command_needs(machine: Machine, command: str, words: str) -> None:
    machine.environ |= {"SST_TELEMETRY_URL": "http://127.0.0.1:9/events"}
    machine.sst("telemetry", "enable")

    told = machine.sst(command).stderr

    assert f"Nothing here says how to {words}: " in told
    asked = told.partition("knows the folder: ")[2].partition(".\n")[0].split(", ")
    assert {*asked} == {"tasks", "sam", "cdk"}, "what is no provider could know of no folder"
    assert told.endswith(f'    [tasks]\n    {command} = ["python", "{command}.py"]\n')


def test_the_lines_that_help_do_help(machine: Machine) -> None:
    lines = machine.sst("build").stderr.partition("own command:\n\n")[2]
    file = machine.folder / "sst.toml"
    file.write_text("".join(line.strip() + "\n" for line in lines.splitlines()))
    file.chmod(0o644)
    (machine.folder / "build.py").write_text("print('built')")

    assert machine.sst("build").stdout == "built\n"


def test_a_file_that_names_no_provider_is_named(machine: Machine) -> None:
    file = machine.folder / "sst.toml"
    file.write_text("[other]\n")
    file.chmod(0o644)

    run = machine.sst("build")

    assert run.returncode == 2
    assert f"{file} names none" in run.stderr


def test_two_claims_are_an_error_that_names_both(machine: Machine) -> None:
    machine.project('build = ["touch", "ran"]')
    provider(machine, "other")

    run = machine.sst("build")

    assert run.returncode == 2
    assert "More than one provider claims" in run.stderr
    assert "tasks (it has [tasks])" in run.stderr
    assert "other (because of other)" in run.stderr
    assert not (machine.folder / "ran").exists()
    assert machine.sst("build", env={"SST_DISABLE_PLUGINS": "other"}).returncode == 0


def test_of_two_claims_the_settings_decide(machine: Machine) -> None:
    provider(machine, "other")
    for name, exit_code in (("tasks", 0), ("other", 11), ("third", 2)):
        file = machine.folder / "sst.toml"
        file.write_text(f'provider = "{name}"\n[tasks]\nbuild = ["touch", "ran"]\n')
        file.chmod(0o644)

        run = machine.sst("build")

        assert run.returncode == exit_code
        assert (machine.folder / "ran").exists()  # made by the first
    assert f"{file} says provider = 'third', but no plugin of that name knows {machine.folder}. " in run.stderr
    known, _, advice = run.stderr.partition("Those that are asked: ")[2].partition(". ")
    assert {*known.split(", ")} == {"other", "tasks", "sam", "cdk"}
    assert advice == "Name one of them, or take that line out.\n"


def test_a_claim_alone_is_the_provider(machine: Machine) -> None:
    provider(machine, "other")

    assert machine.sst("build").returncode == 11


def test_a_provider_that_cannot_do_it_is_an_error_that_names_both(machine: Machine) -> None:
    provider(machine, "other")

    run = machine.sst("deploy")

    assert run.returncode == 2
    assert run.stderr == f"sst: error: The provider other does not know how to deploy the app in {machine.folder}.\n"


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (
            "raise ValueError('what went wrong')",
            1,
            "sst: error: the provider other failed in build: ValueError: what went wrong\n",
        ),
        ("raise SystemExit(9)", 9, ""),
        ("import sst_core; raise sst_core.SstError('in words')", 1, "sst: error: in words\n"),
        ("import sst_core; raise sst_core.ConfigurationError('in words')", 2, "sst: error: in words\n"),
    ],
)
def test_a_providers_failure_is_the_commands_own(
    machine: Machine, watcher: Watcher, body: str, code: int, words: str
) -> None:
    provider(machine, "other", body)

    run = machine.sst("build")

    assert run.returncode == code
    assert run.stderr == words
    assert watcher.ending() == (("build",), code, "error")


def test_a_provider_gets_the_project_and_what_stands_after_the_dashes(machine: Machine) -> None:
    file = machine.project('build = ["x"]')
    file.write_text("answer = 42\n")
    provider(
        machine,
        "other",
        "print(project.root, project.settings_file, dict(project.settings), options.arguments)"
        "; return ProviderResult(0)",
    )
    below = machine.folder / "below"
    below.mkdir()

    run = machine.sst("build", "--", "--flag", "a b", "--", "c", folder=below)

    expected = f"{machine.folder} {file} {{'answer': 42}} ('--flag', 'a b', '--', 'c')\n"
    assert (run.returncode, run.stdout) == (0, expected)


@pytest.mark.parametrize("typed", [("prod",), ("--stage", "dev", "prod"), ("prod", "--", "--fast")], ids=" ".join)
def test_what_does_not_follow_the_dashes_is_no_argument_of_the_tool(machine: Machine, typed: tuple[str, ...]) -> None:
    machine.project('remove = ["touch", "removed"]')

    run = machine.sst("remove", *typed)

    assert run.returncode == 2
    assert "Unexpected argument 'prod'. A stage is given with --stage NAME, and what is for the tool" in run.stderr
    assert not (machine.folder / "removed").exists()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--debug", "No such option: --debug. What is for the tool goes after --."),
        ("--stage", "Option '--stage' requires an argument."),
    ],
)
def test_an_option_of_the_tool_before_the_dashes_is_told_where_it_goes(machine: Machine, typed: str, said: str) -> None:
    run = machine.sst("build", typed)

    assert run.returncode == 2
    assert run.stderr.endswith(f"Error: {said}\n")


def test_the_nearest_file_decides_what_is_built(machine: Machine) -> None:
    machine.project('build = ["echo", "above"]')
    below = machine.folder / "below"
    below.mkdir()
    machine.project('build = ["echo", "below"]', folder=below)

    assert machine.sst("build", folder=below).stdout == "below\n"
    assert machine.sst("build").stdout == "above\n"


def test_every_file_above_is_found_the_nearest_first(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (below / "sst.toml").write_text("")
    (tmp_path / "sst.toml").symlink_to("nowhere")

    assert list(settings_files(SST, below))[:2] == [below / "sst.toml", tmp_path / "sst.toml"]
    (below / "sst.toml").chmod(0o600)
    assert read_settings(SST, below) == (below / "sst.toml", {})


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[tasks", "is not valid TOML"),
        (b"a = '\xff'", "is not UTF-8 text"),
    ],
)
def test_a_file_that_does_not_parse_builds_nothing(machine: Machine, content: bytes, words: str) -> None:
    file = machine.folder / "sst.toml"
    file.write_bytes(content)
    file.chmod(0o644)

    run = machine.sst("build")

    assert run.returncode == 2
    assert run.stderr.startswith(f"sst: error: {file} {words}")


def test_a_working_directory_that_is_gone_is_an_error_and_no_crash(machine: Machine) -> None:
    gone = ("sh", "-c", 'rmdir "$PWD"; exec "$0" "$@"', *sst())

    build = machine.sst("build", program=gone)
    machine.folder.mkdir()
    status = machine.sst("telemetry", program=gone)

    assert build.returncode == 2
    assert "The working directory does not exist any more." in build.stderr
    assert (status.returncode, status.stderr) == (0, "")


def test_a_process_whose_working_directory_goes_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()

    with pytest.raises(ConfigurationError, match="does not exist any more"):
        provider_commands._project(cast(Session, None), "build")


def sst() -> tuple[str, ...]:
    from sst_core.testing import PROGRAM

    return (str(PROGRAM),)


@pytest.mark.parametrize("environ", [{}, {"SST_NO_PLUGINS": "1"}], ids=str)
def test_the_products_own_provider_needs_no_other(machine: Machine, environ: Mapping[str, str]) -> None:
    machine.project('deploy = ["echo", "deployed"]')

    assert machine.sst("deploy", env=environ).stdout == "deployed\n"


def test_a_file_that_goes_away_while_it_is_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sst.toml").touch()
    monkeypatch.setattr("sst_core.provider_commands.read_toml", lambda _: None)

    with pytest.raises(ConfigurationError, match=r"sst\.toml went away while it was read. Try again."):
        read_settings(SST, tmp_path)


_BYSTANDER = """
from sst_core import ProviderResult, hookimpl

@hookimpl{options}
def build(context, project, options):
    {body}
"""


def bystander(machine: Machine, body: str, options: str = "", name: str = "bystander") -> None:
    """A plugin that claims nothing and implements `build`."""
    machine.install(name, _BYSTANDER.format(options=options, body=body), {"sst.plugins": {name: name}})


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("body", ["raise KeyError('x')", "return ProviderResult(9)", "raise SystemExit(9)", "return 3"])
@pytest.mark.parametrize("options", ["", "(tryfirst=True)"])
def test_who_did_not_claim_the_project_is_not_asked_to_build_it(machine: Machine, body: str, options: str) -> None:
    machine.project('build = ["sh", "-c", "echo built; exit 4"]')
    bystander(machine, body, options)

    run = machine.sst("build")

    assert (run.returncode, run.stdout, run.stderr) == (4, "built\n", "")


def test_what_plugins_are_equal_and_hashed_to_is_their_own(machine: Machine) -> None:
    odd = "class Odd:\n    def __eq__(self, other): return self is other\n    __hash__ = None\n{}\nplugin = Odd()\n"
    build = "    @hookimpl\n    def build(self, project): return ProviderResult({})\n"
    claim = "    @hookimpl\n    def detect_provider(self): return Detected('odd', 'it says so')"
    names = "from sst_core import Detected, ProviderResult, hookimpl\n"
    for name, methods in {"odd": build.format(5) + claim, "even": build.format(6)}.items():
        machine.install(name, names + odd.format(methods), {"sst.plugins": {name: f"{name}:plugin"}})

    assert machine.sst("build").returncode == 5


def test_a_provider_may_have_several_implementations_and_the_first_answer_counts(machine: Machine) -> None:
    more = "return None\n\n@hookimpl(specname='build', trylast=True)\ndef last(): return ProviderResult(12)"
    provider(machine, "other", more)

    assert machine.sst("build").returncode == 12


WRAPPERS = {
    "new": ("(wrapper=True)", "print('before'); result = yield; print('after'); return result"),
    "old": ("(hookwrapper=True)", "print('before'); outcome = yield; print('after')"),
    "of the answer": ("(wrapper=True)", "print('before'); yield; print('after'); return ProviderResult(4)"),
    "of the answer, old": (
        "(hookwrapper=True)",
        "print('before'); outcome = yield; print('after'); outcome.force_result(ProviderResult(4))",
    ),
}


@pytest.mark.parametrize(("options", "body"), WRAPPERS.values(), ids=WRAPPERS)
def test_everybody_may_wrap_what_the_provider_does(machine: Machine, options: str, body: str) -> None:
    machine.project('build = ["sh", "-c", "echo built; exit 4"]')
    bystander(machine, body, options)

    run = machine.sst("build", env={"PYTHONUNBUFFERED": "1"})

    assert (run.returncode, run.stdout, run.stderr) == (4, "before\nbuilt\nafter\n", "")


def test_wrappers_are_called_in_pluggys_order_and_one_may_catch(machine: Machine) -> None:
    provider(machine, "other", "raise ValueError('from inside')")
    inner = "print('{0}')\n    try: return (yield)\n    finally: print('/{0}')"
    for name, options in {"aa": "", "bb": ", trylast=True", "cc": ", tryfirst=True"}.items():
        bystander(machine, inner.format(name), f"(wrapper=True{options})", name)
    catching = "print('dd')\n    try: return (yield)\n    except ValueError as error: print(error)"
    bystander(machine, catching + "; return ProviderResult(7)", "(wrapper=True)", "dd")

    run = machine.sst("build")

    assert run.stdout.split("\n") == ["cc", "dd", "aa", "bb", "/bb", "/aa", "from inside", "/cc", ""]
    assert (run.returncode, run.stderr) == (7, "")


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("said", ["", 'provider = "tasks"'])
def test_a_project_of_a_plugin_that_is_switched_off_says_by_what(machine: Machine, said: str) -> None:
    file = machine.project('build = ["true"]')
    file.write_text(f"{said}\n{file.read_text()}")
    bystander(machine, "return (yield)", "(wrapper=True)", "aa")  # it is off too, and no matter to this project

    run = machine.sst("build", env={"SST_DISABLE_PLUGINS": "aa, cdk, sam, tasks"})

    assert (run.returncode, run.stdout) == (2, "")
    why = f"is for plugin 'tasks' (sst {SST.version}), and SST_DISABLE_PLUGINS switches it off. Change that variable."
    assert run.stderr == f"sst: error: {file} {why}\n"


BROKEN_WRAPPERS = {
    "before": ("(wrapper=True)", "raise ValueError('x\x1b[2J'); yield", r"ValueError: x\x1b[2J"),
    "after": ("(wrapper=True)", "yield; raise KeyError('x')", "KeyError: 'x'"),
    "instead of the provider's": (
        "(wrapper=True)",
        "try: yield\n    except LookupError: raise KeyError('x')",
        "KeyError: 'x'",
    ),
    "old, before": ("(hookwrapper=True)", "raise KeyError('x'); yield", "KeyError: 'x'"),
    "without a text": (
        "(wrapper=True)",
        "yield; raise type('Odd', (ValueError,), {'__str__': lambda self: 1 / 0})",
        "Odd: <exception str() failed>",
    ),
    "outside of Exception": ("(wrapper=True)", "yield; raise BaseException('odd')", "BaseException: odd"),
    "no yield": ("(wrapper=True)", "return\n    yield", "RuntimeError: it has to yield once"),
    "yields twice": ("(wrapper=True)", "yield; yield", "RuntimeError: it has to yield once"),
    "old, yields twice": ("(hookwrapper=True)", "yield; yield", "RuntimeError: it has to yield once"),
    "answers with something else": (
        "(wrapper=True)",
        "yield; return True",
        "TypeError: it answered with bool, and has to with ProviderResult or None",
    ),
}


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("outer", [False, True], ids=["alone", "with another around it"])
@pytest.mark.parametrize(("options", "body", "words"), BROKEN_WRAPPERS.values(), ids=BROKEN_WRAPPERS)
def test_a_wrapper_that_fails_is_named_and_the_provider_is_not(
    machine: Machine, options: str, body: str, words: str, *, outer: bool
) -> None:
    provider(machine, "other", "raise LookupError" if "LookupError" in body else "return ProviderResult(0)")
    bystander(machine, body, options)
    if outer:
        bystander(machine, "return (yield)", "(wrapper=True, tryfirst=True)", "outer")

    run = machine.sst("build")

    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        f"sst: error: plugin 'bystander' (bystander 1.0) failed in build: {words}; "
        "SST_DISABLE_PLUGINS=bystander switches it off\n"
    )


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("type('Odd', (ValueError,), {'__str__': lambda self: 1 / 0})", "Odd: <exception str() failed>"),
        ("BaseException('odd')", "BaseException: odd"),
        ("BrokenPipeError", "BrokenPipeError"),
    ],
)
def test_a_provider_is_named_whatever_it_raises(machine: Machine, error: str, words: str) -> None:
    provider(machine, "other", f"raise {error}")

    run = machine.sst("build")

    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == f"sst: error: the provider other failed in build: {words}\n"


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(("options", "body"), [WRAPPERS["new"], WRAPPERS["old"]], ids=["new", "old"])
def test_a_providers_failure_stays_its_own_whoever_wraps_it(machine: Machine, options: str, body: str) -> None:
    provider(machine, "other", "raise ValueError('what went wrong')")
    bystander(machine, body, options)

    run = machine.sst("build")

    assert run.returncode == 1
    assert run.stderr == "sst: error: the provider other failed in build: ValueError: what went wrong\n"


_MEDDLING = """
from sst_core import hookimpl

def meddle(settings):
    settings.pop("provider", None)
    settings["tasks"]["build"][0] = "false"
    settings["more"] = True

@hookimpl(tryfirst=True)
def detect_provider(settings): meddle(settings)

@hookimpl(wrapper=True)
def build(project):
    meddle(project.settings)
    return (yield)
"""


def test_what_a_plugin_does_to_the_settings_is_seen_by_nobody_else(machine: Machine, watcher: Watcher) -> None:
    file = machine.project('build = ["echo", "built"]')
    file.write_text(f'provider = "tasks"\n{file.read_text()}')
    before = tomllib.loads(file.read_text())
    provider(machine, "other")  # claims it too: the settings decide
    machine.install("meddling", _MEDDLING, {"sst.plugins": {"meddling": "meddling"}})

    run = machine.sst("build")

    assert (run.returncode, run.stdout, run.stderr) == (0, "built\n", "")
    asked = next(call for call in watcher.calls if isinstance(call, Asked))
    assert asked.settings == before
    assert watcher.provided[0].project.settings == before
