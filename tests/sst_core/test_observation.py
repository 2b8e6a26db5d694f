"""How commands end: what the shell gets and what plugins are told agree, in every way there is."""

import json
import signal
from collections.abc import Callable

import pytest

from sst_core import SST, Consent, Origin
from sst_core.testing import Finished, Invoked, Machine, Watcher

pytestmark = pytest.mark.usefixtures("no_leaks")

_ENDINGS = """
import os, signal, sys, typer
from sst_core import SstError, ConfigurationError

app = typer.Typer(rich_markup_mode=None)
nested = typer.Typer()
app.add_typer(nested, name="group")
alone = typer.Typer()
app.add_typer(alone, name="alone")
unit = typer.Typer()

class Odd(SstError):
    exit_code = 42

@app.callback()
def root(): pass

@app.command()
def ok(): print("done")

@app.command()
def returns(): return 7

@app.command()
def raises(): raise ValueError("what went wrong")

@app.command("exit-none")
def exit_none(): sys.exit()

@app.command("exit-zero")
def exit_zero(): sys.exit(0)

@app.command("exit-three")
def exit_three(): sys.exit(3)

@app.command("exit-words")
def exit_words(): sys.exit("these words")

@app.command("typer-exit")
def typer_exit(): raise typer.Exit(4)

@app.command("typer-exit-zero")
def typer_exit_zero(): raise typer.Exit

@app.command("bad-parameter")
def bad_parameter(): raise typer.BadParameter("no")

@app.command("own-error")
def own_error(): raise Odd("an error of the program's own")

@app.command("configuration")
def configuration(): raise ConfigurationError("a file is wrong")

@app.command()
def abort(): raise typer.Abort

@app.command()
def prompt(): typer.prompt("who")

@app.command()
def confirm(): typer.confirm("sure?", abort=True); print("confirmed")

@app.command()
def reads(): input()

@app.command()
def interrupt(): raise KeyboardInterrupt

@app.command("interrupted-tool")
def interrupted_tool(): raise typer.Exit(130)

@app.command("needs")
def needs(name: str, count: int = 1): pass

@app.command()
def waits():
    print("waiting", flush=True)
    signal.pause()

@nested.command()
def inner(): raise typer.Exit(5)

@alone.callback(invoke_without_command=True)
def by_itself(ctx: typer.Context, code: int = 6):
    if ctx.invoked_subcommand is None: raise typer.Exit(code)

@alone.command()
def below(): raise typer.Exit(8)

@unit.command()
def only(code: int = 9): raise typer.Exit(code)

def plain(code: int = 10): raise typer.Exit(code)
"""

ENTRIES = {"sst.commands": {"end": "endings:app", "unit": "endings:unit", "plain": "endings:plain"}}

ENDINGS = [
    ("end ok", 0, "ok"),
    ("end returns", 0, "ok"),
    ("end raises", 1, "error"),
    ("end exit-none", 0, "ok"),
    ("end exit-zero", 0, "ok"),
    ("end exit-three", 3, "error"),
    ("end exit-words", 1, "error"),
    ("end typer-exit", 4, "error"),
    ("end typer-exit-zero", 0, "ok"),
    ("end bad-parameter", 2, "error"),
    ("end own-error", 42, "error"),
    ("end configuration", 2, "error"),
    ("end abort", 1, "abort"),
    ("end prompt", 1, "abort"),
    ("end confirm", 1, "abort"),
    ("end reads", 1, "abort"),
    ("end interrupt", 130, "interrupt"),
    ("end interrupted-tool", 130, "interrupt"),
    ("end group inner", 5, "error"),
    ("end alone", 6, "error"),
    ("end alone below", 8, "error"),
    ("unit", 9, "error"),
    ("plain", 10, "error"),
]


@pytest.fixture
def endings(machine: Machine) -> Machine:
    """A machine with a plugin whose commands end in every way."""
    machine.install("endings", _ENDINGS, ENTRIES)
    return machine


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(("line", "code", "result"), ENDINGS, ids=[line for line, _, _ in ENDINGS])
def test_the_shell_and_the_plugins_are_told_the_same(
    endings: Machine, watcher: Watcher, line: str, code: int, result: str
) -> None:
    run = endings.sst(*line.split())

    assert run.returncode == code
    assert watcher.ending() == (tuple(line.split()), code, result)
    assert "Traceback" not in run.stderr


def test_a_command_is_named_as_registered_and_never_as_typed(endings: Machine, watcher: Watcher) -> None:
    endings.sst("end", "needs", "a-secret", "--count", "9876543210123", env={"TOKEN": "a-secret-too"})

    assert watcher.ending() == (("end", "needs"), 0, "ok")
    told = watcher.log.read_bytes()
    assert b"needs" in told
    assert b"secret" not in told
    assert b"9876543210123" not in told
    assert [call.command.origin for call in watcher.notified] == [Origin.PLUGIN] * 2


def test_text_of_exceptions_is_never_handed_over(endings: Machine, watcher: Watcher) -> None:
    run = endings.sst("end", "raises")

    assert "ValueError: what went wrong" in run.stderr
    assert b"what went wrong" not in watcher.log.read_bytes()


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    "line",
    [
        "end needs",
        "end needs a b",
        "end needs a --count many",
        "end ok --nope",
        "end nope",
        "end",
        "end alone nope",
        "end alone --code x",
        "unit extra",
        "plain --nope",
        "build --nope",
        "nope",
    ],
)
def test_a_line_that_does_not_parse_fires_nothing(endings: Machine, watcher: Watcher, line: str) -> None:
    run = endings.sst(*line.split())

    assert run.returncode == 2
    assert "Usage:" in run.stderr + run.stdout
    assert watcher.calls == ()


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("line", ["--help", "--version", "end --help", "end ok --help", "build --help", "plain --help"])
def test_help_and_version_fire_nothing(endings: Machine, watcher: Watcher, line: str) -> None:
    assert endings.sst(*line.split()).returncode == 0
    assert watcher.calls == ()


def test_the_products_own_commands_have_the_origin_core(machine: Machine, watcher: Watcher) -> None:
    machine.project('build = ["sh", "-c", "exit 23"]')

    assert machine.sst("build").returncode == 23
    assert watcher.ending() == (("build",), 23, "error")
    assert {call.command.origin for call in watcher.notified} == {Origin.CORE}


def test_a_group_of_the_product_is_observed_by_itself_and_below(machine: Machine, watcher: Watcher) -> None:
    assert machine.sst("telemetry", "--json").returncode == 0
    assert watcher.ending() == (("telemetry",), 0, "ok")
    watcher.log.unlink()

    assert machine.sst("telemetry", "status").returncode == 0
    assert watcher.ending() == (("telemetry", "status"), 0, "ok")


def test_the_ci_service_is_told_from_a_closed_list(machine: Machine, watcher: Watcher) -> None:
    machine.project('build = ["true"]')

    machine.sst("build", env={"GITHUB_ACTIONS": "a-secret"})

    assert watcher.invoked[0].context.ci == "github-actions"
    assert watcher.invoked[0].context.product is SST


def test_control_c_ends_a_command_of_python_with_130(endings: Machine, watcher: Watcher) -> None:
    terminal = endings.terminal("end", "waits")
    terminal.wait_for("waiting")
    terminal.type("\x03")

    assert terminal.end().exit_code == 130
    assert watcher.ending() == (("end", "waits"), 130, "interrupt")


def test_a_no_at_a_prompt_is_an_abort_and_a_yes_is_not(endings: Machine, watcher: Watcher) -> None:
    terminal = endings.terminal("end", "confirm")
    terminal.wait_for("sure?")
    terminal.type("n\n")
    assert terminal.end().exit_code == 1
    assert watcher.ending() == (("end", "confirm"), 1, "abort")
    watcher.log.unlink()

    terminal = endings.terminal("end", "confirm")
    terminal.wait_for("sure?")
    terminal.type("y\n")
    screen = terminal.end()
    assert (screen.exit_code, "confirmed" in screen.text) == (0, True)
    assert watcher.ending() == (("end", "confirm"), 0, "ok")


def test_control_c_at_a_prompt_is_told_as_it_ends(endings: Machine, watcher: Watcher) -> None:
    terminal = endings.terminal("end", "prompt")
    terminal.wait_for("who")
    terminal.type("\x03")

    code = terminal.end().exit_code
    assert code != 0
    assert watcher.ending()[1] == code


def test_a_kill_is_the_only_end_that_nobody_is_told_of(endings: Machine, watcher: Watcher) -> None:
    terminal = endings.terminal("end", "waits")
    terminal.wait_for("waiting")
    terminal.process.send_signal(signal.SIGKILL)

    assert terminal.end().exit_code == -signal.SIGKILL
    assert [type(call) for call in watcher.calls] == [Invoked]


def test_a_crash_says_what_and_how_to_see_where(endings: Machine) -> None:
    short = endings.sst("end", "raises").stderr
    full = endings.sst("end", "raises", env={"SST_DEBUG_PLUGINS": "1"}).stderr

    assert short.startswith(
        "sst: error: the command of plugin 'end' (endings 1.0) failed: ValueError: what went wrong. "
    )
    assert "SST_DEBUG_PLUGINS=1" in short
    assert "Traceback" in full
    assert "endings.py" in full


_INSIDE = """
import os, typer

def run(ctx: typer.Context, names: list[str]):
    for name in names:
        code = ctx.find_root().command.main([name], obj=ctx.obj, standalone_mode=False)
        print(name, "ended with", code, flush=True)
    if names[1:] == ["build"]: raise ValueError

group = typer.Typer(add_completion=False)

@group.callback()
def first(ctx: typer.Context, withdraw: bool = False):
    run(ctx, ["build"])
    if withdraw:
        os.environ["SST_TELEMETRY_DISABLED"] = "1"
        run(ctx, ["build"])

@group.command()
def then(): raise typer.Exit(3)
"""


@pytest.fixture
def inside(machine: Machine) -> Machine:
    """A machine with commands that run others, in the same process."""
    machine.project('build = ["sh", "-c", "echo built; exit 4"]')
    machine.install("inside", _INSIDE, {"sst.commands": {"run": "inside:run", "group": "inside:group"}})
    return machine


@pytest.fixture
def recorded(inside: Machine) -> Callable[[], list[str]]:
    """What of that machine's runs is recorded, by the commands' names; its user has seen the notice."""
    Consent(SST, inside.environ, inside.folder, ci=None).grant()
    return lambda: [json.loads(path.read_bytes())["command"] for path in inside.queued()]


def test_a_command_that_another_one_runs_is_a_part_of_it(
    inside: Machine, watcher: Watcher, recorded: Callable[[], list[str]]
) -> None:
    run = inside.sst("run", "build")

    assert (run.returncode, run.stdout, run.stderr) == (0, "built\nbuild ended with 4\n", "")
    assert watcher.ending() == (("run",), 0, "ok")
    assert len(watcher.provided) == 1
    assert recorded() == ["plugin"]


def test_a_command_that_fails_after_it_ran_another_is_named(inside: Machine, watcher: Watcher) -> None:
    run = inside.sst("run", "build", "build")

    assert run.returncode == 1
    assert run.stdout.count("built\n") == 2
    assert run.stderr.startswith("sst: error: the command of plugin 'run' (inside 1.0) failed: ValueError")
    assert watcher.ending() == (("run",), 1, "error")


def test_what_runs_before_a_command_is_told_of_by_itself(
    inside: Machine, watcher: Watcher, recorded: Callable[[], list[str]]
) -> None:
    run = inside.sst("group", "then")

    assert (run.returncode, run.stdout, run.stderr) == (3, "built\nbuild ended with 4\n", "")
    assert [(type(each), each.command.path) for each in watcher.notified] == [
        (Invoked, ("build",)),
        (Finished, ("build",)),
        (Invoked, ("group", "then")),
        (Finished, ("group", "then")),
    ]
    assert sorted(recorded()) == ["build", "plugin"]


def test_what_runs_after_consent_was_withdrawn_is_not_recorded(
    inside: Machine, watcher: Watcher, recorded: Callable[[], list[str]]
) -> None:
    assert inside.sst("group", "--withdraw", "then").returncode == 3

    assert [each.command.path for each in watcher.finished] == [("build",), ("build",), ("group", "then")]
    assert recorded() == ["build"]
