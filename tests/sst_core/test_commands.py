"""The command table: a third party's command beside the product's own, and nothing imported but what is run."""

from machine import Machine
from probing import Probe
from watching import Watcher

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
    own, others = run.stdout.split("Commands of plugins:\n")
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

    told = [(tuple(event["command"]["path"]), event["command"]["origin"]) for event in watcher.told()]
    assert told == [(("greet", "hello"), "plugin")] * 2 + [(("wave",), "plugin")] * 2
    usage = machine.sst("wave", "--help").stdout
    assert usage.startswith("Usage: sst wave ")
    assert "Wave at somebody." in usage


def test_what_is_neither_is_an_error_that_names_who(machine: Machine) -> None:
    machine.install("greeting", _COMMANDS, ENTRIES)

    run = machine.sst("odd")

    assert run.returncode == 1
    assert run.stderr.startswith("sst: error: plugin 'odd' (greeting 1.0) is neither a Typer app nor a function")


def test_a_command_that_cannot_be_imported_is_an_error_with_a_traceback_for_its_author(machine: Machine) -> None:
    machine.install("greeting", "raise TypeError('inside')", ENTRIES)

    run = machine.sst("wave")
    debugged = machine.sst("wave", env={"SST_DEBUG_PLUGINS": "1"})

    assert (run.returncode, debugged.returncode) == (1, 1)
    assert run.stderr == "sst: error: plugin 'wave' (greeting 1.0) can't be imported: TypeError\n"
    assert "Traceback" in debugged.stderr
    assert "greeting.py" in debugged.stderr


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
