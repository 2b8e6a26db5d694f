"""A plugin can't break the command that it watches; who did what is said in one line; blocking prevents the import."""

import json
import signal
import time

import pytest

from sst_core import __version__ as SST_VERSION
from sst_core.testing import PROGRAM, Finished, Invoked, Machine, Probe, Watcher

PRIVATE = "correct-horse"

_OBSERVER = "from sst_core import hookimpl, PluginError\n\n"

BROKEN = {
    "exception in invoked": (
        f"@hookimpl\ndef on_command_invoked(): raise ValueError('{PRIVATE}')",
        "on_command_invoked",
        "ValueError",
    ),
    "exception in finished": (
        f"@hookimpl\ndef on_command_finished(outcome): raise LookupError('{PRIVATE}')",
        "on_command_finished",
        "LookupError",
    ),
    "exit in invoked": (f"@hookimpl\ndef on_command_invoked(): raise SystemExit('{PRIVATE}')", "invoked", "SystemExit"),
    "exit with zero": ("@hookimpl\ndef on_command_invoked(): raise SystemExit(0)", "invoked", "SystemExit"),
    "exit in finished": ("@hookimpl\ndef on_command_finished(): raise SystemExit(9)", "finished", "SystemExit"),
    "base exception": (
        f"class Odd(BaseException): pass\n@hookimpl\ndef on_command_invoked(): raise Odd('{PRIVATE}')",
        "invoked",
        "Odd",
    ),
    "the core's own error": (
        f"@hookimpl\ndef on_command_invoked(): raise PluginError('{PRIVATE}')",
        "on_command_invoked",
        "PluginError",
    ),
    "exit of Typer's": ("import typer\n@hookimpl\ndef on_command_invoked(): raise typer.Exit(9)", "invoked", "Exit"),
    "abort of Typer's": ("import typer\n@hookimpl\ndef on_command_finished(): raise typer.Abort", "finished", "Abort"),
    "several tasks' exceptions": (
        "@hookimpl\ndef on_command_invoked(): raise BaseExceptionGroup('', [SystemExit(0), ValueError()])",
        "invoked",
        "BaseExceptionGroup",
    ),
    "recursion": (
        "@hookimpl\ndef on_command_invoked(): on_command_invoked()",
        "on_command_invoked",
        "RecursionError",
    ),
    "no more memory": ("@hookimpl\ndef on_command_invoked(): raise MemoryError", "invoked", "MemoryError"),
    "leaving in invoked": ("import os\n@hookimpl\ndef on_command_invoked(): os._exit(9)", "invoked", "SystemExit"),
    "leaving while imported": ("import os; os._exit(9)", "loading", "SystemExit"),
    "becoming another program": (
        "import os\n@hookimpl\ndef on_command_invoked(): os.execv('/bin/true', ['true'])",
        "invoked",
        "SystemExit",
    ),
    "becoming another program while imported": (
        "import os; os.execlpe('true', 'true', {})",
        "loading",
        "SystemExit",
    ),
    "a finalizer": (
        f"class Odd:\n    def __del__(self): raise ValueError('{PRIVATE}')\n@hookimpl\ndef on_command_invoked(): Odd()",
        "on_command_invoked",
        "ValueError",
    ),
    "a finalizer while imported": (
        "class Odd:\n    def __del__(self): raise SystemExit(3)\nOdd()",
        "loading",
        "SystemExit",
    ),
    "a thread": (
        f"import threading\ndef odd(): raise ValueError('{PRIVATE}')\n@hookimpl\ndef on_command_finished():\n"
        "    thread = threading.Thread(target=odd); thread.start(); thread.join()",
        "on_command_finished",
        "ValueError",
    ),
    "unknown hook": (
        "@hookimpl\ndef on_comand_invoked(): pass",
        "loading",
        "there is no hook on_comand_invoked; did you mean on_command_invoked?",
    ),
    "unknown hook like no other": (
        "@hookimpl\ndef zzz(): pass",
        "loading",
        "there is no hook zzz; there is build, deploy, detect_provider, diff, on_command_finished, on_command_invoked,",
    ),
    "unknown hook by its specname": (
        "@hookimpl(specname='biuld')\ndef mine(): pass",
        "loading",
        "there is no hook biuld; did you mean build?",
    ),
    "unknown argument": (
        "@hookimpl\ndef on_command_invoked(context, comand): pass",
        "loading",
        "on_command_invoked has no argument comand; did you mean command?",
    ),
    "unknown argument like no other": (
        "class Rogue:\n    @hookimpl\n    def on_command_invoked(self, argv): pass\nrogue_dist = Rogue()\n"
        "import sys; sys.modules[__name__] = rogue_dist",
        "loading",
        "on_command_invoked has no argument argv; there is context, command;",
    ),
    "wrapper": (
        "@hookimpl(wrapper=True)\ndef on_command_invoked(): return (yield)",
        "loading",
        "on_command_invoked is called for each plugin by itself and can't be wrapped",
    ),
    "old wrapper": (
        "@hookimpl(hookwrapper=True)\ndef on_command_finished(): yield",
        "loading",
        "on_command_finished is called for each plugin by itself and can't be wrapped",
    ),
    "wrapper around a question": (
        "@hookimpl(wrapper=True)\ndef detect_provider(): yield; return []",
        "loading",
        "detect_provider is called for each plugin by itself and can't be wrapped",
    ),
    "wrapper that is none": ("@hookimpl(wrapper=True)\ndef build(): pass", "loading", "it does not fit the hooks"),
    "coroutine": ("@hookimpl\nasync def on_command_invoked(): pass", "loading", "it can be neither async nor a gen"),
    "generator": ("@hookimpl\ndef on_command_finished(): yield", "loading", "it can be neither async nor a generator"),
    "class": (
        "class Rogue:\n    @hookimpl\n    def build(self): pass\nimport sys; sys.modules[__name__] = Rogue",
        "loading",
        "its entry point names a class; it has to name an instance",
    ),
    "the product's own object": (
        "import sst_tasks, sys; sys.modules[__name__] = sst_tasks.plugin",
        "loading",
        "it is the same object as 'tasks'",
    ),
    "an object that hides": (
        "class Rogue:\n    def __dir__(self): raise OSError\nimport sys; sys.modules[__name__] = Rogue()",
        "loading",
        "OSError",
    ),
    "exception in detection": (
        f"@hookimpl\ndef detect_provider(): raise ValueError('{PRIVATE}')",
        "detect_provider",
        "ValueError",
    ),
    "exit in detection": ("@hookimpl\ndef detect_provider(): raise SystemExit(0)", "detect_provider", "SystemExit"),
    "no answer in detection": (
        "@hookimpl\ndef detect_provider(): return True",
        "detect_provider",
        "it answered with bool, and has to with Detected or None",
    ),
    "missing dependency": (
        "import no_such_module_anywhere",
        "loading",
        "it needs the module no_such_module_anywhere, which is not installed",
    ),
    "newer core": ("from sst_core import Later", "loading", "has no Later"),
    "exception while imported": (f"raise RuntimeError('{PRIVATE}')", "loading", "RuntimeError"),
    "exit while imported": (f"raise SystemExit('{PRIVATE}')", "loading", "SystemExit"),
    "syntax error": ("def (", "loading", "SyntaxError in rogue_dist.py, line 3"),
}


def install(machine: Machine, code: str, *, name: str = "rogue", group: str = "sst.plugins") -> None:
    """A plugin of that name, from a distribution `<name>_dist` of version 2.5."""
    machine.install(f"{name}_dist", _OBSERVER + code, {group: {name: f"{name}_dist"}}, version="2.5")


@pytest.mark.usefixtures("no_leaks", "one_row_a_process")
@pytest.mark.parametrize(("code", "where", "what"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_costs_one_line_and_nothing_else(
    machine: Machine, watcher: Watcher, code: str, where: str, what: str
) -> None:
    machine.project('build = ["sh", "-c", "echo built; exit 3"]')
    install(machine, code)

    # Were it not held, it would be the tests' own process that it ends.
    run = Machine.sst(machine, "build") if "import os" in code else machine.sst("build")

    assert (run.returncode, run.stdout) == (3, "built\n")
    (line,) = run.stderr.splitlines()
    assert line.startswith("sst: plugin 'rogue' (rogue_dist 2.5) failed in ")
    assert where in line
    assert what in line
    assert "SST_DISABLE_PLUGINS=rogue switches it off" in line
    assert PRIVATE not in line
    assert watcher.ending() == (("build",), 3, "error"), "other plugins are told as if nothing had happened"


def test_the_line_says_what_switches_it_off(machine: Machine) -> None:
    machine.project('build = ["true"]')
    install(machine, BROKEN["exception in invoked"][0])

    run = machine.sst("build", env={"SST_DISABLE_PLUGINS": "rogue"})

    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("code", [BROKEN["exception in invoked"][0], BROKEN["exception while imported"][0]])
def test_debugging_adds_the_traceback(machine: Machine, code: str) -> None:
    machine.project('build = ["true"]')
    install(machine, code)

    run = machine.sst("build", env={"SST_DEBUG_PLUGINS": "1"})

    assert run.returncode == 0
    assert run.stderr.startswith("sst: plugin 'rogue'")
    assert "Traceback" in run.stderr
    assert "rogue_dist.py" in run.stderr
    assert PRIVATE in run.stderr


STRICT = ("exception in finished", "exit with zero", "base exception", "wrapper", "exit while imported")


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(("code", "where", "what"), [BROKEN[kind] for kind in STRICT], ids=STRICT)
def test_strict_makes_it_the_commands_failure(machine: Machine, code: str, where: str, what: str) -> None:
    machine.project('build = ["true"]')
    install(machine, code)

    run = machine.sst("build", env={"SST_STRICT_PLUGINS": "1"})

    assert run.returncode == 1
    assert where in run.stderr
    assert what in run.stderr


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("hook", ["on_command_invoked", "on_command_finished"])
def test_an_interrupt_in_a_plugin_is_the_users(machine: Machine, watcher: Watcher, hook: str) -> None:
    machine.project('build = ["sh", "-c", "echo built"]')
    install(machine, f"@hookimpl\ndef {hook}(): raise KeyboardInterrupt", name="zz")

    run = machine.sst("build")

    assert run.returncode == 130
    assert run.stdout == ("" if hook == "on_command_invoked" else "built\n")


def test_who_was_told_of_a_beginning_is_told_of_its_end(machine: Machine, watcher: Watcher) -> None:
    machine.project('build = ["true"]')
    # Registered first, so called last: the watcher has been told when this is interrupted.
    install(machine, "@hookimpl\ndef on_command_invoked(): raise KeyboardInterrupt", name="aa")

    assert machine.sst("build").returncode == 130
    assert watcher.ending() == (("build",), 130, "interrupt")


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    "bad",
    [
        "@hookimpl\ndef on_command_invoked(bogus): pass",
        "@hookimpl(wrapper=True)\ndef on_command_invoked(): return (yield)",
        "@hookimpl\ndef on_no_such_thing(): pass",
    ],
)
def test_a_plugin_that_is_refused_leaves_no_hook_behind(machine: Machine, watcher: Watcher, bad: str) -> None:
    machine.project('build = ["sh", "-c", "echo built"]')
    good = (
        "@hookimpl\ndef build(): raise RuntimeError('still registered')\n"
        "@hookimpl\ndef on_command_finished(): raise RuntimeError('still registered')\n"
    )
    install(machine, good + bad)

    run = machine.sst("build")

    assert (run.returncode, run.stdout) == (0, "built\n")
    (line,) = run.stderr.splitlines()
    assert "failed in loading" in line
    assert watcher.ending() == (("build",), 0, "ok")


def test_of_two_with_one_name_the_second_is_refused_unimported(machine: Machine, watcher: Watcher) -> None:
    machine.project('build = ["true"]')
    machine.install("second", "raise RuntimeError", {"sst.plugins": {"watcher": "zsecond:nothing"}}, version="3.0")

    run = machine.sst("build")

    assert run.returncode == 0
    (line,) = run.stderr.splitlines()
    assert "'watcher' (second 3.0)" in line
    assert "'watcher' (watcher 1.0) has that name already" in line
    assert "SST_DISABLE_PLUGINS=second switches it off" in line
    assert len(watcher.finished) == 1
    quiet = machine.sst("build", env={"SST_DISABLE_PLUGINS": "second"})
    assert quiet.stderr == ""
    assert len(watcher.finished) == 2


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("name", ["tasks", "telemetry"])
def test_nobody_takes_the_name_of_one_of_the_products_own(consenting: Machine, name: str) -> None:
    consenting.install("thief", "raise RuntimeError('imported')", {"sst.plugins": {name: "thief"}})

    run = consenting.sst("build")

    assert run.returncode == 0
    (line,) = run.stderr.splitlines()
    assert f"'{name}' (sst " in line
    assert "SST_DISABLE_PLUGINS=thief switches it off" in line
    assert len(consenting.queued()) == 1


def test_telemetrys_own_failures_are_silent_unless_asked_for(consenting: Machine) -> None:
    consenting.queue.rmdir()
    consenting.queue.write_text("not a folder")

    run = consenting.sst("build")
    asked = consenting.sst("build", env={"SST_DEBUG_PLUGINS": "1"})

    assert (run.returncode, run.stderr) == (0, "")
    assert asked.returncode == 0
    assert "sst: plugin 'telemetry' (sst " in asked.stderr
    assert "Traceback" in asked.stderr


def test_a_strangers_collecting_plugin_that_fails_is_named(consenting: Machine) -> None:
    install(consenting, "@hookimpl\ndef on_command_invoked(): raise ValueError", group="sst.telemetry")
    assert consenting.sst("telemetry", "enable").returncode == 0

    run = consenting.sst("build")

    assert run.returncode == 0
    (line,) = run.stderr.splitlines()
    assert line.startswith("sst: plugin 'rogue' (rogue_dist 2.5) failed in on_command_invoked: ValueError")


def test_a_strangers_collecting_plugin_waits_for_consent(consenting: Machine) -> None:
    install(consenting, "", group="sst.telemetry")
    probe = Probe.on(consenting)

    consenting.sst("build")
    unseen = probe.read()
    assert unseen.imported("rogue_dist", "sst_telemetry") == set()

    consenting.sst("telemetry", "enable")
    probe.read()
    consenting.sst("build")
    assert probe.read().imported("rogue_dist", "sst_telemetry") == {"rogue_dist", "sst_telemetry"}

    consenting.sst("build", env={"DO_NOT_TRACK": "1"})
    assert probe.read().imported("rogue_dist", "sst_telemetry") == set()


def test_in_ci_a_collecting_plugin_waits_for_the_notice_in_the_log(consenting: Machine) -> None:
    """Telemetry's own commands show none, and so load nobody who collects."""
    install(consenting, "", group="sst.telemetry")
    probe = Probe.on(consenting)

    status = consenting.sst("telemetry", env={"CI": "true"})
    assert probe.read().imported("rogue_dist") == set()
    assert status.returncode == 0

    build = consenting.sst("build", env={"CI": "true"})
    assert probe.read().imported("rogue_dist") == {"rogue_dist"}
    assert "rogue_dist" in build.stderr


def test_hooks_are_handed_frozen_data(machine: Machine) -> None:
    machine.project('build = ["sh", "-c", "exit 3"]')
    install(
        machine,
        """
import dataclasses
@hookimpl
def on_command_finished(context, command, outcome):
    for told in (context, command, outcome):
        try:
            setattr(told, dataclasses.fields(told)[0].name, 0)
        except dataclasses.FrozenInstanceError:
            print("frozen", hasattr(told, "__dict__"))
""",
    )

    run = machine.sst("build")

    assert (run.returncode, run.stderr) == (3, "frozen False\n" * 3)


CHATTY = """
import sys
import time
print("while imported")
sys.stdout = None

@hookimpl
def on_command_invoked():
    sys.stdout.write("invoked")
    print("in invoked")
    sys.stdout = sys.stderr = open("/dev/full", "w")

@hookimpl
def detect_provider(): print("in detect_provider")

@hookimpl
def on_command_finished():
    print("in finished")
    raise ValueError
"""


@pytest.mark.parametrize("arguments", [("telemetry", "--json"), ("build",)], ids=" ".join)
def test_what_a_plugin_prints_is_not_in_the_commands_output(machine: Machine, arguments: tuple[str, ...]) -> None:
    machine.project('build = ["echo", "{}"]')
    said = machine.sst(*arguments).stdout
    install(machine, CHATTY)

    run = machine.sst(*arguments)

    assert (run.returncode, run.stdout) == (0, said)
    assert json.loads(run.stdout) is not None
    asked = ["in detect_provider"] if arguments == ("build",) else []
    *printed, failure = run.stderr.splitlines()
    assert printed == ["while imported", "invokedin invoked", *asked, "in finished"]
    assert "failed in on_command_finished: ValueError" in failure


def test_a_plugin_that_says_nothing_where_nobody_listens(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')
    install(machine, CHATTY)

    run = machine.sst("-c", f'exec "{PROGRAM}" build 2>&-', program=("sh",))

    assert (run.returncode, run.stdout) == (0, "built\n")


KEPT = """
import os, sys
from os import _exit
if os.fork() == 0: os._exit(5)
print("child", os.waitstatus_to_exitcode(os.wait()[1]), file=sys.stderr)

@hookimpl
def build(project):
    print("built", flush=True)
    try: _exit(6)
    finally: print("it raised, though no hold is on")

@hookimpl
def detect_provider():
    from sst_core import Detected
    return Detected("rogue", "it says so")
"""


def test_a_child_may_end_and_so_may_a_provider(machine: Machine) -> None:
    install(machine, KEPT)

    run = machine.sst("build")

    assert (run.returncode, run.stdout, run.stderr) == (6, "built\n", "child 5\n")


@pytest.mark.parametrize("become", ["execvp('sh', {})", "execvpe('sh', {}, os.environ)"])
def test_a_thread_may_end_itself_and_a_child_may_become_another_program(machine: Machine, become: str) -> None:
    machine.project('build = ["echo", "built"]')
    install(
        machine,
        "import os, sys, threading\n@hookimpl\ndef on_command_invoked():\n"
        "    thread = threading.Thread(target=sys.exit, args=(3,)); thread.start(); thread.join()\n"
        f"    if os.fork() == 0: os.{become.format(['sh', '-c', 'exit 5'])}\n"
        "    print('child', os.waitstatus_to_exitcode(os.wait()[1]))",
    )

    run = machine.sst("build")

    assert (run.returncode, run.stdout, run.stderr) == (0, "built\n", "child 5\n")


# What docs/hooks.md says of what the core can't hold: the exit code, stdout, and whether a traceback is seen.
OUT_OF_HAND = {
    "C's own exit": ("import posix; posix._exit(9)", 9, "", False),
    "a descriptor that is closed": ("import os; os.close(1)", 1, "", False),
    "leaving when Python ends": ("import atexit, os; atexit.register(os._exit, 7)", 7, "built\n", False),
    "raising when Python ends": ("import atexit\n@atexit.register\ndef odd(): 1/0", 0, "built\n", True),
    "a finalizer that runs later": ("class Odd:\n    def __del__(self): 1/0\nkept = Odd()", 0, "built\n", True),
    "a thread that raises later": (
        "import threading\ndef odd(): threading.main_thread().join(); 1/0\n"
        "@hookimpl\ndef on_command_finished(): threading.Thread(target=odd).start()",
        0,
        "built\n",
        True,
    ),
}


@pytest.mark.parametrize("name", OUT_OF_HAND)
def test_what_the_core_cannot_hold_is_what_the_docs_say(machine: Machine, name: str) -> None:
    code, exit_code, stdout, is_traced = OUT_OF_HAND[name]
    machine.project('build = ["echo", "built"]')
    install(machine, code)

    run = machine.sst("build")

    assert (run.returncode, run.stdout, "Traceback" in run.stderr) == (exit_code, stdout, is_traced)
    run = machine.sst("build", env={"SST_NO_PLUGINS": "1"})
    assert (run.returncode, run.stdout, run.stderr) == (0, "built\n", "")


def test_what_ends_the_process_behind_pythons_back_is_kept_out_by_name(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')
    install(machine, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    assert machine.sst("build").returncode == -signal.SIGKILL, "this the core can't hold, and says so in its docs"
    for environ in ({"SST_DISABLE_PLUGINS": "rogue"}, {"SST_NO_PLUGINS": "1"}):
        run = machine.sst("build", env=environ)
        assert (run.returncode, run.stdout, run.stderr) == (0, "built\n", "")
    assert machine.sst("--help").returncode == 0, "which imports none"


@pytest.mark.parametrize(
    ("code", "where"),
    [
        ("import time; print('waits', flush=True); time.sleep(600)", "loading"),
        ("import time\n@hookimpl\ndef on_command_invoked(): print('waits'); time.sleep(600)", "on_command_invoked"),
        (
            "import time\n@hookimpl\ndef detect_provider():\n"
            "    try: print('waits'); time.sleep(600)\n"
            "    except KeyboardInterrupt as error: raise BaseExceptionGroup('several', [error])",
            "detect_provider",
        ),
    ],
    ids=["loading", "invoked", "several tasks"],
)
def test_a_plugin_that_hangs_is_named_when_its_user_gives_up(machine: Machine, code: str, where: str) -> None:
    machine.project('build = ["echo", "built"]')
    install(machine, code)

    terminal = machine.terminal("build", env={"SST_TELEMETRY_DISABLED": "1", "PYTHONUNBUFFERED": "1"})
    terminal.wait_for("waits")
    terminal.type("\x03")
    screen = terminal.end()

    assert screen.exit_code == 130
    line = f"sst: interrupted in plugin 'rogue' (rogue_dist 2.5), {where}; SST_DISABLE_PLUGINS=rogue switches it off"
    assert line in " ".join(screen.text.split())
    assert max(map(len, screen.text.splitlines())) <= 80
    assert "Traceback" not in screen.text
    assert "built" not in screen.text


def test_a_thread_that_does_not_end_is_named_when_its_user_gives_up(machine: Machine) -> None:
    machine.project('build = ["echo", "built"]')
    waiting = "threading.Thread(target=time.sleep, args=(600,), name='of rogue').start(); print('waits')"
    install(machine, f"import threading, time\n@hookimpl\ndef on_command_finished(): {waiting}")

    terminal = machine.terminal("build", env={"SST_TELEMETRY_DISABLED": "1"})
    terminal.wait_for("waits")
    time.sleep(0.5)  # nothing is seen of the command's last step
    terminal.type("\x03")
    screen = terminal.end()

    assert screen.exit_code == 130
    line = "sst: interrupted while it waited for threads that were left running: of rogue"
    assert " ".join(screen.text.split()).endswith(line)
    assert "Traceback" not in screen.text
    assert "built" in screen.text


REQUIRED = {
    "sst>=99.1": ", and this is ",
    "SST ~= 99.1 ; python_version > '3'": ", and this is ",
    "sst[collector]>1,==99.*": ", and this is ",
    "sst>=0.0.1": None,
    "sst<0.0.1": None,
    "sst": None,
    "other>=99": None,
    "sst>=" + "9" * 5000: ", and this is ",
    "sst>=0." + "0" * 5000 + "1": None,
}


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(("requirement", "words"), REQUIRED.items(), ids=[each[:20] for each in REQUIRED])
def test_a_plugin_made_for_a_newer_core_says_which(machine: Machine, requirement: str, words: str | None) -> None:
    machine.project('build = ["true"]')
    code = "@hookimpl\ndef on_command_invoked(context): context.later"
    install(machine, code)
    assert machine.plugins is not None
    with (machine.plugins / "rogue_dist-2.5.dist-info" / "METADATA").open("a") as file:
        file.write(f"Requires-Dist: {requirement}\n")

    run = machine.sst("build")

    assert run.returncode == 0
    (line,) = run.stderr.splitlines()
    assert "AttributeError" in line
    if words:
        assert f"; it requires {requirement.partition(';')[0].strip()}{words}{SST_VERSION};" in line
    else:
        assert "requires" not in line


def test_a_name_that_would_steer_the_terminal_does_not(machine: Machine) -> None:
    machine.project('build = ["true"]')
    install(machine, "raise ValueError", name="rogue")
    assert machine.plugins is not None
    points = machine.plugins / "rogue_dist-2.5.dist-info" / "entry_points.txt"
    points.write_text("[sst.plugins]\nro gue\x1b[2J = rogue_dist\n")

    run = machine.sst("build")

    (line,) = run.stderr.splitlines()
    assert "\x1b" not in line
    assert r"plugin 'ro gue\x1b[2J' (rogue_dist 2.5)" in line
    assert "SST_DISABLE_PLUGINS=rogue_dist switches it off" in line
    assert machine.sst("build", env={"SST_DISABLE_PLUGINS": "rogue_dist"}).stderr == ""


_CLS = r"od\x1b[2Jd"
STEERING = {
    "what its answer is called": (
        "",
        f"return type('{_CLS}', (), {{}})()",
        f"it answered with {_CLS}, and has to",
    ),
    "what it tells in words": (
        "",
        f"raise PluginError('{_CLS}\\nin two lines')",
        f"error: {_CLS}\nin two lines\n",
    ),
    "what it claims": (
        "",
        f"return Detected('{_CLS}', 'a\\nb')",
        f"The provider {_CLS} does not know how to build",
    ),
    "one of two claims": (
        'build = ["true"]',
        f"return Detected('{_CLS}', 'a\\nb')",
        rf": {_CLS} (a\nb), tasks (it has [tasks]). ",
    ),
    "a claim that is none": ("", "return Detected(1, None)", "its claim has to say provider and because in words"),
    "what a provider is called that fails": (
        "",
        f"return Detected('{_CLS}', 'a')\n@hookimpl\ndef build(): raise ValueError('{_CLS}')",
        f"the provider {_CLS} failed in build: ValueError: {_CLS}\n",
    ),
}


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(("task", "body", "words"), STEERING.values(), ids=STEERING)
def test_what_a_plugin_says_does_not_steer_the_terminal(machine: Machine, task: str, body: str, words: str) -> None:
    if task:
        machine.project(task)
    install(machine, f"from sst_core import Detected\n@hookimpl\ndef detect_provider(): {body}")

    run = machine.sst("build")

    assert run.returncode != 0
    assert "\x1b" not in run.stderr
    assert words in run.stderr


def test_names_do_not_steer_it_where_they_are_listed_or_compared(machine: Machine) -> None:
    install(machine, "@hookimpl\ndef detect_provider(): return None", name="rogue")
    assert machine.plugins is not None
    points = machine.plugins / "rogue_dist-2.5.dist-info" / "entry_points.txt"
    points.write_text(
        "[sst.plugins]\na\x1b[2J = rogue_dist\nb\x1b[2J = rogue_dist\n[sst.commands]\nrogue = rogue_dist:x\n"
    )

    run = machine.sst("build")
    strict = machine.sst("build", env={"SST_STRICT_PLUGINS": "1"})
    crashed = machine.sst("rogue")

    assert r"plugin 'b\x1b[2J' (rogue_dist 2.5) failed in loading: it is the same object as 'a\x1b[2J';" in run.stderr
    assert "knows the folder: " in run.stderr
    assert r"a\x1b[2J" in run.stderr.partition("knows the folder: ")[2]
    assert "\x1b" not in run.stderr + strict.stderr + crashed.stderr


def test_a_hook_that_another_core_may_have_is_no_error_where_its_author_says_so(
    machine: Machine, watcher: Watcher
) -> None:
    machine.project('build = ["true"]')
    install(machine, "@hookimpl(optionalhook=True)\ndef on_command_considered(mood): raise ValueError")

    run = machine.sst("build")

    assert (run.returncode, run.stderr) == (0, "")


_TELLS = """
import sys
@hookimpl{options}
def on_command_invoked(): sys.stderr.write(__name__[:2] + " ")
@hookimpl{options}
def detect_provider(): sys.stderr.write(__name__[:2] + "? ")
"""

ORDER = {"aa": ("sst.plugins", ""), "bb": ("sst.telemetry", ""), "cc": ("sst.plugins", "")}
MARKED = {"dd": ("sst.plugins", "(trylast=True)"), "ee": ("sst.plugins", "(tryfirst=True)")}


def test_plugins_are_called_in_the_order_that_the_hooks_promise(consenting: Machine) -> None:
    for name, (group, options) in {**ORDER, **MARKED}.items():
        install(consenting, _TELLS.format(options=options), name=name, group=group)
    assert consenting.sst("telemetry", "enable").returncode == 0

    run = consenting.sst("build")

    assert run.stderr == "ee bb cc aa dd ee? bb? cc? aa? dd? "


# What another version of the core could look like: put in before any plugin is loaded.
_ANOTHER_CORE = """
import sst_core.hookspecs as specs

def mark(name, **options):
    setattr(specs, name, specs.hookspec(**options)(getattr(specs, name)))
"""

_DEPRECATED = """
def on_command_considered(context): pass

specs.on_command_considered = on_command_considered
mark("on_command_considered", warn_on_impl=DeprecationWarning(
    "on_command_considered is deprecated since 0.2 and goes in 0.4; use on_command_invoked"))
mark("on_command_finished", warn_on_impl_args={"context": DeprecationWarning(
    "on_command_finished(context) is deprecated since 0.2 and goes in 0.4; use command.context")})
"""

_BEHIND = "@hookimpl\ndef on_command_considered(): pass\n\n@hookimpl\ndef on_command_finished(context, outcome): pass\n"


def another_core(machine: Machine, changes: str) -> None:
    """Have the machine's core be of another version."""
    assert machine.plugins is not None
    (machine.plugins / "sitecustomize.py").write_text(_ANOTHER_CORE + changes)


def test_what_is_deprecated_is_told_to_the_author_by_name_and_to_no_user(machine: Machine, watcher: Watcher) -> None:
    machine.project('build = ["true"]')
    install(machine, _BEHIND)
    another_core(machine, _DEPRECATED)

    run = machine.sst("build")
    debugged = machine.sst("build", env={"SST_DEBUG_PLUGINS": "1"})
    python = machine.sst("build", env={"PYTHONWARNINGS": "always::DeprecationWarning"})

    assert (run.returncode, run.stderr) == (0, "")
    who = "sst: plugin 'rogue' (rogue_dist 2.5): "
    assert [line for line in debugged.stderr.splitlines() if "rogue" in line] == [
        f"{who}on_command_considered is deprecated since 0.2 and goes in 0.4; use on_command_invoked (rogue_dist.py:3)",
        f"{who}on_command_finished(context) is deprecated since 0.2 and goes in 0.4; use command.context "
        "(rogue_dist.py:6)",
    ]
    assert "rogue_dist.py:3: DeprecationWarning: on_command_considered is deprecated" in python.stderr
    assert [type(call) for call in watcher.notified] == [Invoked, Finished] * 3


def test_what_is_deprecated_is_what_the_doctor_finds(machine: Machine) -> None:
    install(machine, _BEHIND)
    another_core(machine, _DEPRECATED)

    run = machine.sst("plugins", "doctor", "--json")

    assert run.returncode == 1
    assert "it uses what is to go: on_command_considered is deprecated since 0.2 and goes in 0.4" in run.stdout


_INTERRUPTED = """
import sst_tasks
from sst_core import hookimpl

@hookimpl
def detect_provider(self): raise KeyboardInterrupt

sst_tasks.Tasks.detect_provider = detect_provider
"""


def test_an_interrupt_in_one_of_our_own_is_an_interrupt_and_no_word_more(machine: Machine) -> None:
    install(machine, "")
    another_core(machine, _INTERRUPTED)

    run = machine.sst("build")

    assert (run.returncode, run.stdout, run.stderr) == (130, "", "")


_WITH_ONE_ARGUMENT_MORE = """
from sst_core.plugins import Plugins

def on_command_invoked(context, command, mood): pass

def tell(self, context, command):
    self._notify("on_command_invoked", {"context": context, "command": command, "mood": "sunny"})

specs.on_command_invoked = specs.hookspec(on_command_invoked)
Plugins.on_command_invoked = tell
"""


def test_an_argument_is_added_without_breaking_a_plugin_that_does_not_know_it(
    machine: Machine, watcher: Watcher
) -> None:
    machine.project('build = ["true"]')
    code = "import sys\n@hookimpl\ndef on_command_invoked(mood, command): print(mood, *command.path, file=sys.stderr)"
    install(machine, code)

    assert "on_command_invoked has no argument mood; there is context, command;" in machine.sst("build").stderr
    assert watcher.ending() == (("build",), 0, "ok")
    watcher.log.unlink()
    another_core(machine, _WITH_ONE_ARGUMENT_MORE)
    assert machine.sst("build").stderr == "sunny build\n"
    assert watcher.ending() == (("build",), 0, "ok")


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("answer", ["3", "'done'", "object()"])
def test_a_provider_that_answers_with_something_else_has_failed(machine: Machine, answer: str) -> None:
    code = (
        "from sst_core import Detected, hookimpl\n"
        "@hookimpl\ndef detect_provider(): return Detected('odd', 'it is here')\n"
        f"@hookimpl\ndef build(): return {answer}\n"
    )
    machine.install("odd", code, {"sst.plugins": {"odd": "odd"}})

    ended = machine.sst("build")

    assert ended.returncode == 1
    assert "the provider odd failed in build: TypeError: it answered with " in ended.stderr
    assert "and has to with ProviderResult or None" in ended.stderr
