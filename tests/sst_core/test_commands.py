"""The command table: a third party's command beside the product's own, and nothing imported but what is run."""

import pytest

from sst_core import SST
from sst_core.testing import Machine, Probe, Watcher

_COMMANDS = """
import typer
app = typer.Typer(help="Greets.", rich_markup_mode=None)

@app.callback()
def root(): pass

@app.command()
def hello(name: str = "you"): print("hello", name)

def function(name: str = "you"):
    '''Wave at somebody.'''
    print("wave", name)

nothing = 5
"""
ENTRIES = {"sst.commands": {"greet": "greeting:app", "wave": "greeting:function", "odd": "greeting:nothing"}}


def test_help_lists_each_with_its_distributions_summary_in_a_section_of_its_own(machine: Machine) -> None:
    machine.install("greeting", _COMMANDS, ENTRIES)

    run = machine.sst("--help")

    assert run.returncode == 0
    own, others = run.stdout.partition("\n\n  `sst COMMAND --help`")[0].split("Commands of plugins:\n")
    assert [line.split()[0] for line in others.splitlines()] == ["greet", "odd", "wave"]
    assert others.count("What greeting does.") == 3
    assert "Build the app in this folder." in own
    assert "greet" not in own


def test_help_has_no_section_for_plugins_where_there_are_none(machine: Machine) -> None:
    run = machine.sst("--help")

    assert "Commands of plugins" not in run.stdout
    assert run.stderr == ""


def test_help_lists_a_distribution_that_says_nothing_of_itself(machine: Machine) -> None:
    machine.install("greeting", _COMMANDS, ENTRIES)
    assert machine.plugins is not None
    (machine.plugins / "greeting-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\n")

    run = machine.sst("--help")

    assert (run.returncode, run.stderr) == (0, "")
    assert "wave" in run.stdout


def test_an_app_and_a_function_are_both_commands(machine: Machine, watcher: Watcher) -> None:
    machine.install("greeting", _COMMANDS, ENTRIES)

    assert machine.sst("greet", "hello", "--name", "x").stdout == "hello x\n"
    assert machine.sst("wave", "--name", "x").stdout == "wave x\n"

    told = [(call.command.path, call.command.origin.value) for call in watcher.notified]
    assert told == [(("greet", "hello"), "plugin")] * 2 + [(("wave",), "plugin")] * 2
    usage = machine.sst("wave", "--help").stdout
    assert usage.startswith("Usage: sst wave ")
    assert "Wave at somebody." in usage


def test_what_is_neither_is_an_error_that_names_who(machine: Machine) -> None:
    machine.install("greeting", _COMMANDS, ENTRIES)

    run = machine.sst("odd")

    assert run.returncode == 1
    assert run.stderr == (
        "sst: error: the command of plugin 'odd' (greeting 1.0) can't be run: "
        "it is neither a Typer app nor a function; SST_DISABLE_PLUGINS=odd switches it off\n"
    )


def test_a_command_that_cannot_be_imported_is_an_error_with_a_traceback_for_its_author(machine: Machine) -> None:
    machine.install("greeting", "raise TypeError('inside')", ENTRIES)

    run = machine.sst("wave")
    debugged = machine.sst("wave", env={"SST_DEBUG_PLUGINS": "1"})

    assert (run.returncode, debugged.returncode) == (1, 1)
    assert run.stderr == (
        "sst: error: the command of plugin 'wave' (greeting 1.0) can't be run: "
        "TypeError; SST_DISABLE_PLUGINS=wave switches it off\n"
    )
    assert "Traceback" in debugged.stderr
    assert "greeting.py" in debugged.stderr


_UNBUILDABLE = """
import typer
app = typer.Typer()

class Odd: pass

def function(what: Odd): pass

@app.command()
def hello(what: Odd): pass

@app.command()
def other(): pass
"""


@pytest.mark.parametrize("name", ["wave", "greet"])
def test_a_command_that_typer_can_not_build_is_an_error_that_names_who(machine: Machine, name: str) -> None:
    machine.install("greeting", _UNBUILDABLE, ENTRIES)

    run = machine.sst(name)
    debugged = machine.sst(name, env={"SST_DEBUG_PLUGINS": "1"})
    completed = machine.sst(env={"_SST_COMPLETE": "complete_bash", "COMP_WORDS": f"sst {name} ", "COMP_CWORD": "2"})

    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        f"sst: error: the command of plugin '{name}' (greeting 1.0) can't be run: "
        f"Typer can't make a command of it: RuntimeError; SST_DISABLE_PLUGINS={name} switches it off\n"
    )
    assert "Odd" in debugged.stderr
    assert completed.stderr == ""


def test_an_interrupt_while_typer_makes_a_command_of_a_plugin_ends_it_as_one(machine: Machine) -> None:
    code = """
import typer
app = typer.Typer()

def stop(): raise KeyboardInterrupt

@app.command()
def hello(what: "stop()"): pass
"""
    machine.install("greeting", code, {"sst.commands": {"greet": "greeting:app"}})

    run = machine.sst("greet")

    assert (run.returncode, run.stdout) == (130, "")
    assert "Traceback" not in run.stderr


_ASYNC = """
import asyncio, functools, typer
app = typer.Typer()

@app.callback()
def root(): pass

def awaited(function):
    @functools.wraps(function)
    def run(*arguments, **options): return asyncio.run(function(*arguments, **options))
    return run

@app.command()
@awaited
async def good(): print("good")

broken = typer.Typer()
broken.callback()(root)

@broken.command()
async def hello(): print("hello")

@broken.command()
def other(): pass

async def alone(): print("alone")

def generator(): yield
"""


@pytest.mark.parametrize(
    ("arguments", "name"), [(("broken", "other"), "hello"), (("alone",), "alone"), (("generator",), "generator")]
)
def test_a_command_that_nothing_would_await_is_refused(machine: Machine, arguments: tuple[str, ...], name: str) -> None:
    entries = {each: f"greeting:{each}" for each in ("broken", "alone", "generator")}
    machine.install("greeting", _ASYNC, {"sst.commands": entries})

    ended = machine.sst(*arguments)

    assert ended.returncode == 1
    assert ended.stderr == (
        f"sst: error: the command of plugin '{arguments[0]}' (greeting 1.0) can't be run: its {name} is called and not "
        f"awaited, so it can be neither async nor a generator; SST_DISABLE_PLUGINS={arguments[0]} switches it off\n"
    )


def test_an_async_command_that_a_decorator_runs_is_one(machine: Machine) -> None:
    machine.install("greeting", _ASYNC, {"sst.commands": {"app": "greeting:app"}})

    assert machine.sst("app", "good").stdout == "good\n"


def test_a_command_made_for_a_newer_core_says_which(machine: Machine) -> None:
    machine.install("greeting", "from sst_core import Later", ENTRIES)
    assert machine.plugins is not None
    with (machine.plugins / "greeting-1.0.dist-info" / "METADATA").open("a") as file:
        file.write("Requires-Dist: sst>=99\n")

    run = machine.sst("wave")

    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        "sst: error: the command of plugin 'wave' (greeting 1.0) can't be run: "
        f"sst_core {SST.version} has no Later; it requires sst>=99, and this is {SST.version}; "
        "SST_DISABLE_PLUGINS=wave switches it off\n"
    )


def test_a_command_that_is_called_like_a_provider_is_switched_off_without_it(machine: Machine) -> None:
    machine.install(
        "greeting", "def function(): raise ValueError('in it')", {"sst.commands": {"tasks": "greeting:function"}}
    )

    assert machine.sst("tasks").stderr.endswith(" SST_DISABLE_PLUGINS=greeting switches it off.\n")


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("ValueError('in it')", "ValueError: in it"),
        ("BrokenPipeError", "BrokenPipeError"),
        ("BaseException('in it')", "BaseException: in it"),
        ("type('Odd', (ValueError,), {'__str__': lambda self: 1 / 0})", "Odd: <exception str() failed>"),
    ],
)
def test_a_command_that_fails_is_named_with_how_to_switch_it_off(machine: Machine, error: str, words: str) -> None:
    machine.install("greeting", f"def function(): raise {error}", ENTRIES)

    run = machine.sst("wave")

    assert run.returncode == 1
    assert run.stderr == (
        f"sst: error: the command of plugin 'wave' (greeting 1.0) failed: {words}. "
        "SST_DEBUG_PLUGINS=1 shows where. SST_DISABLE_PLUGINS=wave switches it off.\n"
    )


def test_running_one_command_imports_no_other(machine: Machine) -> None:
    machine.project('build = ["true"]')
    machine.install("greeting", _COMMANDS, ENTRIES)
    machine.install("broken", "raise RuntimeError", {"sst.commands": {"broken": "broken:app"}})
    probe = Probe.on(machine)

    assert machine.sst("greet", "hello").stderr == ""
    probed = probe.read()
    assert "greeting" in probed.modules
    assert "sst_core.provider_commands" not in probed.modules

    assert machine.sst("build").stderr == ""
    assert probe.read().imported("greeting", "broken", "rich") == set()


def test_a_name_that_is_taken_stays_with_the_products_own(machine: Machine) -> None:
    machine.project('build = ["echo", "the real one"]')
    machine.install("thief", "def build(): print('stolen')", {"sst.commands": {"build": "thief:build"}})

    run = machine.sst("build")

    assert (run.returncode, run.stdout) == (0, "the real one\n")
    (line,) = run.stderr.splitlines()
    assert "'build' (thief 1.0) is ignored: the name is taken" in line
    assert machine.sst("build", env={"SST_DISABLE_PLUGINS": "thief"}).stderr == ""
    help_ = machine.sst("--help")
    assert "thief" not in help_.stdout


def test_a_name_that_is_taken_says_nothing_into_a_prompt(machine: Machine) -> None:
    machine.install("thief", "", {"sst.commands": {"build": "thief:build"}})

    run = machine.sst(env={"_SST_COMPLETE": "complete_bash", "COMP_WORDS": "sst bu", "COMP_CWORD": "1"})

    assert (run.stdout.split(), run.stderr) == (["build"], "")


def test_of_two_plugins_with_one_name_the_first_by_its_target_is_kept(machine: Machine) -> None:
    machine.install("alpha", "def run(): print('alpha')", {"sst.commands": {"both": "alpha:run"}})
    machine.install("beta", "def run(): print('beta')", {"sst.commands": {"both": "beta:run"}})

    run = machine.sst("both")

    assert run.stdout == "alpha\n"
    assert "'both' (beta 1.0) is ignored" in run.stderr
    assert machine.sst("both", env={"SST_DISABLE_PLUGINS": "alpha"}).stdout == "beta\n"


def test_completion_goes_into_a_group(machine: Machine) -> None:
    machine.install("greeting", _COMMANDS, ENTRIES)

    run = machine.sst(env={"_SST_COMPLETE": "complete_bash", "COMP_WORDS": "sst greet h", "COMP_CWORD": "2"})

    assert run.stdout.split() == ["hello"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("biuld", "build"), ("gret", "greet"), ("waev", "wave"), ("greet helo", "hello")],
)
def test_a_slip_is_answered_with_the_command_that_was_meant(machine: Machine, typed: str, meant: str) -> None:
    machine.install("greeting", _COMMANDS, ENTRIES)
    probe = Probe.on(machine)

    run = machine.sst(*typed.split())

    assert (run.returncode, run.stdout) == (2, "")
    assert f"No such command '{typed.rsplit(maxsplit=1)[-1]}'. Did you mean '{meant}'?" in run.stderr
    assert probe.read().imported("greeting", "pluggy") == ({"greeting"} if " " in typed else set())


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("name", ["two words", "$(id)", "-x", "x\x1b[2J"])
def test_a_name_that_nobody_could_type_is_ignored(machine: Machine, name: str) -> None:
    machine.project('build = ["true"]')
    machine.install("odd", "raise RuntimeError", {"sst.commands": {name: "odd:run"}})

    run = machine.sst("build")

    assert run.returncode == 0
    (line,) = run.stderr.splitlines()
    why, _, switch = line.partition("; SST_DISABLE_PLUGINS=")
    assert why.endswith("(odd 1.0) is ignored: nobody could type its name")
    assert machine.sst("build", env={"SST_DISABLE_PLUGINS": switch.removesuffix(" switches it off")}).stderr == ""
    assert "\x1b" not in line
    assert "Commands of plugins" not in machine.sst("--help").stdout
    completed = machine.sst(env={"_SST_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "sst "})
    assert name not in completed.stdout


_NESTED = """
import typer
from typer.core import TyperGroup

class Shortened(TyperGroup):
    def get_command(self, ctx, typed):
        return next((self.commands[name] for name in self.commands if name.startswith(typed)), None)

class Made(TyperGroup):
    def list_commands(self, ctx): return ["listed"]
    def get_command(self, ctx, typed):
        one = typer.Typer(add_completion=False)
        one.command()(lambda: print("made", typed))
        return typer.main.get_command(one)

app = typer.Typer()
near = typer.Typer(cls=Shortened)
far = typer.Typer()
made = typer.Typer(cls=Made)
app.add_typer(near, name="near")
near.add_typer(far, name="far")
app.add_typer(made, name="made")

def go(name: str = "you"): print("gone", name)

far.command("first")(go)
far.command("second")(go)

@made.callback()
def nothing(): pass
"""

PATHS = {
    "near far first --name secret": "near far first",
    "near far second": "near far second",
    "near fa second": "near far second",
    "made listed": "made listed",
    "made by-what-was-typed": "made",
}


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(("typed", "path"), PATHS.items(), ids=PATHS)
def test_nested_commands_are_known_by_the_names_they_are_registered_under(
    machine: Machine, watcher: Watcher, typed: str, path: str
) -> None:
    machine.install("nesting", _NESTED, {"sst.commands": {"nest": "nesting:app"}})

    run = machine.sst("nest", *typed.split())

    assert (run.returncode, run.stderr) == (0, "")
    assert watcher.ending() == (("nest", *path.split()), 0, "ok")
