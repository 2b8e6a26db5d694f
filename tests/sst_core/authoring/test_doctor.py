"""`sst plugins doctor`: what is wrong with a plugin, whatever it does to the process that loads it."""

import json
import signal
from typing import Any

import pytest

from sst_core import __version__
from sst_core.authoring import loading
from sst_core.authoring.diagnosis import findings
from sst_core.authoring.loading import Loading, load_apart
from sst_core.authoring.survey import State, Surveyed
from sst_core.cli import open_session
from sst_core.sst import SST
from sst_core.testing import Machine

HOOK = "from sst_core import hookimpl\n@hookimpl\ndef {}: pass\n"
GOOD = HOOK.format("on_command_finished()")

WRONG = {
    "exit": ("import os; os._exit(7)", "it ended the process while it was loaded (exit code 7)", "os._exit"),
    "crash": ("import os; os.kill(os.getpid(), 11)", "(signal 11)", "C code"),
    "raises": ("raise ValueError('because')", "ValueError: because", "wrong.py, line 1"),
    "sys_exit": ("import sys; sys.exit(3)", "SystemExit", "wrong.py, line 1"),
    "missing": ("import no_such_module", "no_such_module", "dependencies"),
    "newer": ("from sst_core import no_such_thing", "no_such_thing", "another version of sst_core"),
    "syntax": ("def (", "wrong.py", "Mend that line."),
    "hook": (HOOK.format("on_command_begun()"), "there is no hook on_command_begun; did you", "wrong.py, line 2)"),
    "argument": (HOOK.format("on_command_invoked(argv)"), "has no argument argv; there is", "wrong.py, line 2)"),
    "wrapper": (
        "from sst_core import hookimpl\n@hookimpl(wrapper=True)\ndef on_command_invoked(): return (yield)",
        "wrapped",
        "pydoc sst_core.hookspecs",
    ),
    "prints": (f"print('hi there')\n{GOOD}", "it prints when it is imported: 'hi there'", "to stderr"),
    "prints_below_python": (f"import os; os.write(1, b'hi there')\n{GOOD}", "'hi there'", "to stderr"),
    "thread": (
        f"import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()\n{GOOD}",
        "it leaves 1 thread(s) running",
        "in a hook",
    ),
    "slow": (
        f"import time\nstart = time.process_time()\nwhile time.process_time() < start + 0.15: pass\n{GOOD}",
        "the budget is 100 ms",
        "-X importtime -c 'import wrong'",
    ),
    "late_exit": ("import atexit, os; atexit.register(os._exit, 5); raise ValueError('first')", "ValueError", "wrong"),
}


def examined(machine: Machine, *names: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code, and what was found."""
    run = machine.sst("plugins", "doctor", "--json", *names)
    assert run.stderr == ""
    return run.returncode, json.loads(run.stdout)


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(("code", "what", "advice"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_what_to_do(machine: Machine, code: str, what: str, advice: str) -> None:
    machine.install("wrong", code, {"sst.plugins": {"wrong": "wrong"}})

    exit_code, (told,) = examined(machine, "wrong")

    assert exit_code == 1
    (found,) = told["findings"]
    assert what in found["what"]
    assert "pluggy" not in str(found), "it is not what has to be mended"
    assert advice in found["advice"]


def test_nothing_wrong_is_said_with_what_the_import_cost(machine: Machine) -> None:
    machine.install("fine", f"import fine_too\n{GOOD}", {"sst.plugins": {"fine": "fine"}})
    machine.install("fine_too", "", {})

    exit_code, told = examined(machine)

    assert exit_code == 0
    by_name = {each["name"]: each for each in told}
    assert by_name["fine"]["modules"] == 2
    assert by_name["fine"]["milliseconds"] >= 0
    assert by_name["fine"]["hooks"] == ["on_command_finished"]
    assert by_name["telemetry"]["state"] == "replaced"
    assert by_name["telemetry"]["milliseconds"] is None
    text = machine.sst("plugins", "doctor", "fine").stdout
    assert text.startswith("fine  fine 1.0, sst.plugins\n  ok: imported in ")
    assert text.endswith("2 modules; on_command_finished\n")
    machine.install("alone", GOOD, {"sst.plugins": {"alone": "alone"}})
    assert machine.sst("plugins", "doctor", "alone").stdout.endswith(" ms, 1 module; on_command_finished\n")


def test_a_plugin_that_hangs_is_ended_and_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    # In this process, where its patience can be had; 10 s of it would be spent for nothing.
    machine.install("hanging", "import time; time.sleep(600)", {"sst.plugins": {"hanging": "hanging"}})
    monkeypatch.setattr(loading, "PATIENCE", 0.3)
    for variable, value in machine.environ.items():
        monkeypatch.setenv(variable, value)
    assert machine.plugins is not None
    monkeypatch.syspath_prepend(machine.plugins)
    session = open_session(SST)
    (entry,) = [each for each in session.plugins._entries if each.name == "hanging"]
    surveyed = Surveyed(entry, "plugins", State.LOADED, "")

    went = load_apart(SST, surveyed)

    assert went.hung
    (found,) = findings(session, surveyed, went)
    assert found.what == "it was not loaded after 0 s"
    assert "Do nothing when imported" in found.advice


def test_a_command_is_examined_too(machine: Machine) -> None:
    machine.install(
        "greeting",
        "print('hi')\nnothing = 5\ndef greet(): pass\ndef odd(what: object): pass\n",
        {"sst.commands": {"a": "greeting:greet", "b": "greeting:nothing", "c": "greeting:odd"}},
    )

    exit_code, (greet, nothing, odd) = examined(machine, "greeting")

    assert exit_code == 1
    assert [found["what"] for found in greet["findings"]] == ["it prints when it is imported: 'hi'"]
    assert "neither a Typer app nor a function" in nothing["findings"][0]["what"]
    assert odd["findings"][0]["what"].startswith("RuntimeError: Type not yet supported: <class 'object'>")
    assert odd["findings"][0]["advice"] == "Every parameter of a command has to have a type that Typer knows."


# Code, what the entry point names, and what is said of it.
NOT_THERE = {
    "attribute": ("", "greeting:zzz", "its entry point names 'zzz', which is not in greeting", "Name what is there"),
    "module": (
        "",
        "greeting.zzz:app",
        "its entry point names the module greeting.zzz, and there is no greeting.zzz",
        "Name what is there",
    ),
    "own": ("import greeting.zzz", "greeting:app", "it needs the module greeting.zzz", "a module of its own"),
}


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("group", ["sst.commands", "sst.plugins"])
@pytest.mark.parametrize(("code", "target", "what", "advice"), NOT_THERE.values(), ids=NOT_THERE)
def test_what_its_entry_point_names_and_is_not_there_is_said_in_the_words_of_a_run(
    machine: Machine, group: str, code: str, target: str, what: str, advice: str
) -> None:
    machine.install("greeting", code, {group: {"greeting": target}})
    machine.project('build = ["true"]')

    _, (told,) = examined(machine, "greeting")

    (found,) = told["findings"]
    assert found["what"].startswith(what)
    assert found["what"] in machine.sst("greeting" if group == "sst.commands" else "build").stderr
    assert advice in found["advice"]


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("async def greet(): pass", "its greet is called and not awaited, so it can be neither async nor a generator"),
        ("greet = 5", "it is neither a Typer app nor a function"),
    ],
)
def test_what_can_be_no_command_is_wrong(machine: Machine, code: str, what: str) -> None:
    machine.install("greeting", code, {"sst.commands": {"greet": "greeting:greet"}})

    exit_code, (told,) = examined(machine, "greet")

    assert exit_code == 1
    (found,) = told["findings"]
    assert found["what"] == what
    assert found["advice"] == "A command is a Typer app or a function; one that has to await calls asyncio.run."


def test_a_command_that_can_not_be_imported_has_its_own_advice(machine: Machine) -> None:
    machine.install("greeting", "raise ValueError('because')", {"sst.commands": {"a": "greeting:greet"}})

    exit_code, (told,) = examined(machine, "greeting")

    assert exit_code == 1
    (found,) = told["findings"]
    assert found["what"] == "ValueError: because"
    assert found["advice"].startswith("Do nothing when imported but define. (")


def test_what_it_requires_and_is_not_there_is_wrong(machine: Machine) -> None:
    machine.install("newer", GOOD, {"sst.plugins": {"newer": "newer"}})
    assert machine.plugins is not None
    with (machine.plugins / "newer-1.0.dist-info" / "METADATA").open("a") as metadata:
        metadata.write("Requires-Dist: sst>=99.1\n")

    exit_code, (told,) = examined(machine, "newer")

    assert exit_code == 1
    assert [found["what"] for found in told["findings"]] == [f"it requires sst>=99.1, and this is {__version__}"]


def test_a_name_that_is_taken_is_wrong(machine: Machine) -> None:
    machine.install("twin", GOOD, {"sst.plugins": {"tasks": "twin"}})

    run = machine.sst("plugins", "doctor", "twin")

    assert run.returncode == 1
    assert "wrong: plugin 'tasks' (sst 0.1.0) has that name already" in run.stdout
    assert "SST_DISABLE_PLUGINS=twin switches it off.\n" in run.stdout


def test_the_name_of_a_collecting_plugin_of_the_products_own_is_its_own(machine: Machine) -> None:
    machine.install("stranger", GOOD, {"sst.plugins": {"telemetry": "stranger"}})
    machine.project('build = ["true"]')
    (refused,) = machine.sst("build").stderr.splitlines()

    exit_code, told = examined(machine, "telemetry")

    assert refused.startswith("sst: plugin 'telemetry' (stranger 1.0) failed in loading: ")
    assert exit_code == 1
    states = {each["distribution"]: (each["state"], each["findings"]) for each in told}
    assert states["sst"] == ("replaced", [])
    state, (finding,) = states["stranger"]
    assert state == "failed"
    assert finding["what"] == "plugin 'telemetry' (sst 0.1.0) has that name already"
    assert finding["advice"] == "Give its entry point another name. SST_DISABLE_PLUGINS=stranger switches it off."


def test_a_name_whose_other_owner_is_switched_off_is_free(machine: Machine) -> None:
    for name in ("first", "second"):
        machine.install(name, GOOD, {"sst.plugins": {"hello": name}})

    run = machine.sst("plugins", "doctor", "second", env={"SST_DISABLE_PLUGINS": "first"})

    assert run.returncode == 0, run.stdout


def test_a_command_that_nobody_can_type_is_wrong(machine: Machine) -> None:
    machine.install("odd", "def run(): pass\n", {"sst.commands": {"$(id)": "odd:run", "odd": "odd:run"}})

    run = machine.sst("plugins", "doctor", "--json", "odd")

    assert run.returncode == 1
    assert "'$(id)' (odd 1.0) is ignored: nobody could type its name" in run.stderr
    told = json.loads(run.stdout)
    found = {each["name"]: [(one["what"], one["advice"]) for one in each["findings"]] for each in told}
    advice = "Give its entry point another name. SST_DISABLE_PLUGINS=odd switches it off."
    assert found == {"$(id)": [("nobody could type its name", advice)], "odd": []}


def test_a_collecting_plugin_is_not_imported_while_telemetry_is_off_whoever_asks(machine: Machine) -> None:
    note = f"open({str(machine.root / 'imported')!r}, 'a').write('x')\n"
    machine.install("counting", f"{note}raise ValueError", {"sst.telemetry": {"counting": "counting"}})

    run = machine.sst("plugins", "doctor", "counting")

    assert "not imported: telemetry is off" in run.stdout
    assert not (machine.root / "imported").exists()

    machine.sst("telemetry", "enable")
    assert machine.sst("plugins", "doctor", "counting").returncode == 1
    assert (machine.root / "imported").exists()


DECLARED = """
[values.result]
label = "how it ended"
purpose = "Shows which commands fail."
choice = ["ok", "error"]
"""


@pytest.mark.parametrize("is_on", [False, True])
def test_a_collecting_plugin_whose_declaration_was_not_installed_is_wrong(machine: Machine, is_on: bool) -> None:
    assert machine.plugins is not None
    machine.install("counting", "", {"sst.telemetry": {"counting": "counting_package"}})
    package = machine.plugins / "counting_package"
    package.mkdir()
    (package / "__init__.py").write_text(GOOD)
    (package / "telemetry.toml").write_text(DECLARED)

    def findings(exit_code: int) -> list[Any]:
        if is_on:
            machine.sst("telemetry", "enable")
        ended, (told,) = examined(machine, "counting")
        assert ended == exit_code
        found: list[Any] = told["findings"]
        return found

    assert findings(0) == []
    (package / "telemetry.toml").write_text(DECLARED.replace("choice", "text"))
    (malformed,) = findings(1)
    assert malformed["what"].endswith("is not exactly one of bucket, choice, field, flag, version")
    assert malformed["advice"].startswith("`python -m pydoc sst_core.declaration`")

    (package / "telemetry.toml").unlink()
    (missing,) = findings(1)
    assert missing["what"].startswith("there is no telemetry.toml in its package as it is installed")
    assert missing["advice"].startswith("Put it beside counting_package/__init__.py, and see that its wheel has it")


def test_what_an_exception_says_does_not_steer_the_terminal(machine: Machine) -> None:
    machine.install("wrong", "raise ValueError('be\\x1b[2Jcause\\x07')", {"sst.plugins": {"wrong": "wrong"}})

    for arguments in (("doctor", "wrong"), ("list",)):
        output = machine.sst("plugins", *arguments).stdout
        assert r"ValueError: be\x1b[2Jcause" in output


def test_nobody_is_called_so(machine: Machine) -> None:
    run = machine.sst("plugins", "doctor", "nobody", "")

    assert run.returncode == 2
    assert "there is no plugin 'nobody', ''. `sst plugins list` names those there are." in " ".join(run.stderr.split())


def test_a_name_that_is_nearly_one_is_guessed(machine: Machine) -> None:
    told = " ".join(machine.sst("plugins", "doctor", "task").stderr.split())

    assert "there is no plugin 'task'; did you mean 'tasks'? `sst plugins list` names those there are." in told


def test_it_works_where_a_plugin_breaks_every_other_command(machine: Machine) -> None:
    machine.project('build = ["true"]')
    machine.install("deadly", "import os; os.kill(os.getpid(), 9)", {"sst.plugins": {"deadly": "deadly"}})
    assert machine.sst("build").returncode == -9

    run = machine.sst("plugins", "doctor")

    assert run.returncode == 1
    assert "deadly  deadly 1.0, sst.plugins\n  wrong: it ended the process" in run.stdout


@pytest.mark.parametrize("arguments", [("list",), ("doctor", "wrong")], ids=str)
def test_with_what_a_plugin_ended_is_known_where_whoever_started_us_ignores_its_children(
    machine: Machine, arguments: tuple[str, ...]
) -> None:
    machine.install("wrong", "import os; os._exit(7)", {"sst.plugins": {"wrong": "wrong"}})
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        run = machine.in_process("plugins", *arguments)
    finally:
        signal.signal(signal.SIGCHLD, before)

    assert "it ended the process while it was loaded (exit code 7)" in run.stdout


def test_what_lies_in_the_working_directory_is_not_imported(machine: Machine) -> None:
    (machine.folder / "pluggy.py").write_text("raise RuntimeError('a stranger')")
    machine.install("fine", GOOD, {"sst.plugins": {"fine": "fine"}})

    assert machine.sst("plugins", "doctor", "fine").returncode == 0


def test_what_was_never_loaded_is_not_known_to_be_wrong() -> None:
    assert Loading().failed == ""
