"""Completion in the shells that there are: names from what is installed, and no plugin imported for them."""

import os
from collections.abc import Mapping

import pytest

from required_programs import needed
from sst_core.testing import PROGRAM, Machine, Probe

_PLUGIN = """
import typer
print("imported")
app = typer.Typer(rich_markup_mode=None)

@app.callback()
def root(): pass

@app.command()
def hello(name: str = "you"): print("hello", name)
"""

# A stranger's summary, with all that means something to a shell or to rich.
SUMMARY = """[/b] "What" it's `id` $HOME $(id) (is): a\\b; & | * ? #"""
WORDS = "/b What its id HOME id is ab"

PROTOCOLS: Mapping[str, Mapping[str, str]] = {
    "bash": {"_SST_COMPLETE": "complete_bash", "COMP_WORDS": "sst WORD", "COMP_CWORD": "1"},
    "zsh": {"_SST_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "sst WORD"},
    "fish": {
        "_SST_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_ARGS": "sst WORD",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    },
}


@pytest.fixture
def greeted(machine: Machine) -> Machine:
    """A machine with two plugins' commands: one greets, and one can't be imported."""
    machine.install("greeting", _PLUGIN, {"sst.commands": {"greet": "greeting:app"}})
    machine.install("broken", "raise RuntimeError('imported')", {"sst.commands": {"grumble": "broken:app"}})
    assert machine.plugins is not None
    metadata = machine.plugins / "greeting-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("What greeting does.", SUMMARY))
    machine.environ["PATH"] = os.pathsep.join([str(PROGRAM.parent), machine.environ["PATH"]])
    return machine


def asked(shell: str, word: str) -> dict[str, str]:
    """The environment in which `shell` asks what may stand where `word` is being typed."""
    return {name: value.replace("WORD", word) for name, value in PROTOCOLS[shell].items()}


@pytest.mark.parametrize("shell", PROTOCOLS)
def test_names_are_completed_without_importing_who_brought_them(greeted: Machine, shell: str) -> None:
    probe = Probe.on(greeted)

    run = greeted.sst(env=asked(shell, "gr"))

    assert (run.returncode, run.stderr) == (0, "")
    assert "greet" in run.stdout
    assert "grumble" in run.stdout
    assert "build" not in run.stdout
    assert probe.read().imported("greeting", "broken", "rich", "pluggy") == set()


@pytest.mark.parametrize("shell", PROTOCOLS)
@pytest.mark.parametrize(
    ("typed", "offered"),
    [("telemetry show --preview gr", {"greet", "grumble"}), ("plugins doctor gr", {"greet", "grumble"})],
)
def test_values_that_are_names_are_completed_without_importing_who_brought_them(
    greeted: Machine, shell: str, typed: str, offered: set[str]
) -> None:
    greeted.install("hostile", "", {"sst.commands": {"gr$(id)": "hostile:app"}, "sst.plugins": {"gr`id`": "hostile"}})
    probe = Probe.on(greeted)
    environ = asked(shell, typed)
    if shell == "bash":
        environ["COMP_CWORD"] = str(len(typed.split()))

    run = greeted.sst(env=environ)

    assert (run.returncode, run.stderr) == (0, "")
    assert all(name in run.stdout for name in offered)
    assert "build" not in run.stdout
    assert "id" not in run.stdout
    assert probe.read().imported("greeting", "broken", "hostile") == set()


@pytest.mark.parametrize("shell", PROTOCOLS)
def test_a_command_that_can_not_be_imported_says_nothing_into_the_prompt(greeted: Machine, shell: str) -> None:
    environ = asked(shell, "grumble x")
    if shell == "bash":
        environ["COMP_CWORD"] = "2"

    run = greeted.sst(env=environ)

    assert run.stderr == ""
    assert "Traceback" not in run.stdout


def test_fish_shows_a_line_on_each(greeted: Machine) -> None:
    lines = greeted.sst(env=asked("fish", "gr")).stdout.splitlines()

    assert [line.rstrip() for line in lines] == [f"greet\t{WORDS}", "grumble\tWhat broken does."]


def test_fish_completes(greeted: Machine) -> None:
    fish = needed("fish")
    assert greeted.sst("-c", "sst --install-completion", program=(fish,)).returncode == 0

    run = greeted.sst("-c", "complete --do-complete 'sst gr'; complete --do-complete 'sst greet h'", program=(fish,))

    lines = [line.rstrip() for line in run.stdout.splitlines()]
    assert lines == [f"greet\t{WORDS}", "grumble\tWhat broken does.", "hello"]
    assert run.stderr == ""


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=str
)
def test_what_installing_says_is_coloured_where_that_is_wanted(
    machine: Machine, environ: Mapping[str, str], coloured: bool
) -> None:
    bash = needed("bash")
    screen = machine.terminal("-c", "sst --install-completion; true", program=(bash,), env=environ).end()

    assert "bash completion installed in" in screen.text
    assert ("\x1b[32m" in screen.text) is coloured


PROMPT = "next> "


def on_terminal(machine: Machine, shell: str, keys: Mapping[str, str]) -> str:
    """Install completion as a user does, start a new shell, and type `keys`, each when the text before is there."""
    where = needed(shell)
    installed = machine.sst("-c", "sst --install-completion; true", program=(where,))
    assert (installed.returncode, installed.stderr) == (0, "")
    with (machine.home / f".{shell}rc").open("a") as file:
        file.write(f"\nPS1='{PROMPT}'\n")
    # What completes is on a terminal that knows nothing: what is on the screen is what was printed.
    terminal = machine.terminal(program=(where, "-i"), env={"TERM": "dumb", "COLUMNS": "200", "SHELL": where})
    if shell == "zsh":  # the first key only loads what Typer has installed
        terminal.wait_for(PROMPT)
        terminal.type("sst \t\x15")
        terminal.wait_for("\x07")
    for text, typed in keys.items():
        terminal.wait_for(text)
        terminal.type(typed)
    return terminal.end().text


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_completes_a_plugins_command_and_its_own(greeted: Machine, shell: str) -> None:
    typed = {PROMPT: "sst gree\t", "greet ": "hel\t", "hello ": "--name me\r", "hello me": "exit\r"}

    assert "hello me" in on_terminal(greeted, shell, typed)


# A subcommand, an option, and an option's value: what is typed, and what is then on the line.
COMPLETED: Mapping[str, str] = {
    "sst telemetry sta": "sst telemetry status ",
    "sst build --st": "sst build --stage ",
    "sst collector stats --window 9": "sst collector stats --window 90 ",
    "sst telemetry show --preview gree": "sst telemetry show --preview greet ",
    "sst plugins doctor tas": "sst plugins doctor tasks ",
    "sst plugins doctor grum": "sst plugins doctor grumble ",
}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_completes_the_products_own_commands_options_and_values(greeted: Machine, shell: str) -> None:
    keys, before = dict[str, str](), PROMPT
    for number, (typed, completed) in enumerate(COMPLETED.items()):
        # Each on a line of its own: of what is typed over another, a shell prints only what differs.
        keys |= {before: f"{typed}\t", completed: f"\x15echo seen''{number}\r"}
        before = f"seen{number}"

    assert "Traceback" not in on_terminal(greeted, shell, {**keys, before: "exit\r"})


def test_fish_completes_the_products_own_commands_options_and_values(greeted: Machine) -> None:
    fish = needed("fish")
    assert greeted.sst("-c", "sst --install-completion", program=(fish,)).returncode == 0

    questions = "".join(f"complete --do-complete '{typed}'; echo ==;" for typed in COMPLETED)
    run = greeted.sst("-c", questions, program=(fish,))

    offered = [[line.split("\t")[0].strip() for line in each.splitlines()] for each in run.stdout.split("==\n")]
    assert offered == [*([completed.split()[-1]] for completed in COMPLETED.values()), []]
    assert run.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_lists_the_commands_of_plugins_beside_the_products_own(greeted: Machine, shell: str) -> None:
    screen = on_terminal(greeted, shell, {PROMPT: "sst \t\t", "telemetry": "\x15exit\r"})

    assert all(name in screen for name in ("build", "greet", "grumble"))
    assert "Traceback" not in screen


def test_a_summary_is_words_to_zsh_and_no_code(greeted: Machine) -> None:
    screen = on_terminal(greeted, "zsh", {PROMPT: "sst gr\t", "grumble": "\x15exit\r"})

    assert f"greet    -- {WORDS}" in screen
