"""A plugin on a test's machine: registered in every way, run in every way, told what it is told."""

import gc
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from sst_core import Command, Context, Origin, Outcome, Result, hookimpl, testing
from sst_core.testing import Asked, Finished, Invoked, Machine, Probe, Provided, Watcher
from sst_core.testing.machine import new_machine
from sst_core.testing.terminal import Screen, Terminal

HELLO = """
import sys
from sst_core import hookimpl

@hookimpl
def on_command_finished(command, outcome):
    print(*command.path, outcome.result.value, file=sys.stderr)
"""


class Noting:
    """A plugin that is an object of the test's own."""

    def __init__(self) -> None:
        self.told: list[tuple[Command, Outcome]] = []

    @hookimpl
    def on_command_finished(self, context: Context, command: Command, outcome: Outcome) -> None:
        assert context.ci is None
        self.told.append((command, outcome))


@pytest.fixture
def project(machine: Machine) -> Machine:
    """A machine with a project that builds."""
    machine.project('build = ["sh", "-c", "echo built; exit 3"]')
    return machine


def test_where_another_program_runs_the_project_is_its(machine: Machine) -> None:
    machine.program = Path("acme")

    assert machine.project() == machine.folder / "acme.toml"


def test_a_file_is_a_plugin_in_both_ways(project: Machine, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "hello_there.py"
    file.parent.mkdir()
    file.write_text(HELLO)
    project.plug(file)

    for run in (project.sst("build"), project.in_process("build")):
        assert (run.returncode, run.stdout, run.stderr) == (3, "built\n", "build error\n")
    assert project.on_terminal("build").text.endswith("built\nbuild error\n")


def test_a_module_is_a_plugin_in_both_ways(project: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "elsewhere" / "greeting"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "hello.py").write_text(HELLO)
    monkeypatch.syspath_prepend(package.parent)
    from importlib import import_module

    try:
        project.plug(import_module("greeting.hello"))

        assert project.sst("build").stderr == project.in_process("build").stderr == "build error\n"
    finally:  # other tests have a module of that name, and monkeypatch would put this one back
        del sys.modules["greeting"], sys.modules["greeting.hello"]


def test_an_object_is_a_plugin_in_this_process(project: Machine) -> None:
    noting = Noting()
    project.plug(noting)

    assert project.in_process("build").returncode == 3

    ((command, outcome),) = noting.told
    assert command == Command(("build",), Origin.CORE)
    assert (outcome.exit_code, outcome.result) == (3, Result.ERROR)
    assert "'plugged' (plugged 1.0) failed in loading" in project.sst("build").stderr


def test_a_project_is_plugged_as_its_pyproject_says(project: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "sst-hello"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "sst_hello.py").write_text(HELLO)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "sst-hello"\nversion = "2.0"\n[project.entry-points."sst.plugins"]\nhello = "sst_hello"\n'
    )
    project.plug_project(folder)

    assert project.sst("build").stderr == "build error\n"
    assert project.sst("build", env={"SST_DISABLE_PLUGINS": "sst-hello"}).stderr == ""


@pytest.mark.parametrize("way", ["sst", "in_process"])
def test_the_watcher_gives_what_each_hook_was_called_with(project: Machine, watcher: Watcher, way: str) -> None:
    getattr(project, way)("build", "--", "--fast")

    invoked, asked, provided, finished = watcher.calls
    assert isinstance(invoked, Invoked)
    assert isinstance(asked, Asked)
    assert isinstance(provided, Provided)
    assert isinstance(finished, Finished)
    assert asked.settings == {"tasks": {"build": ["sh", "-c", "echo built; exit 3"]}}
    assert asked.root == provided.project.root == project.folder
    assert (provided.action, provided.options.arguments) == ("build", ("--fast",))
    assert invoked.context.product.catalogue["command"].key == "command"
    assert watcher.ending() == (("build",), 3, "error")


@pytest.mark.parametrize("action", ["build", "start", "deploy", "remove", "diff"])
def test_the_watcher_tells_which_action_a_provider_was_asked_for(
    machine: Machine, watcher: Watcher, action: str
) -> None:
    machine.project(f'{action} = ["true"]')

    assert machine.in_process(action).returncode == 0

    (provided,) = watcher.provided
    assert (provided.action, provided.project.provider) == (action, "tasks")


@pytest.mark.parametrize(
    ("leaving", "code", "said"), [("'a word'", 1, "a word\n"), ("None", 0, ""), ("4", 4, ""), ("True", 1, "")]
)
def test_a_run_in_this_process_ends_as_the_process_would(machine: Machine, leaving: str, code: int, said: str) -> None:
    command = f"import sys, typer\napp = typer.Typer()\n@app.command()\ndef leave(): sys.exit({leaving})\n"
    machine.install("leaving", command, {"sst.commands": {"leave": "leaving:app"}})

    for run in (machine.sst("leave"), machine.in_process("leave")):
        assert (run.returncode, run.stdout, run.stderr) == (code, "", said)


def test_a_run_in_this_process_leaves_frozen_what_was_frozen(project: Machine) -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        project.in_process("build")
        assert gc.get_freeze_count() >= frozen
    finally:
        gc.unfreeze()


def test_a_screen_that_ends_without_what_was_waited_for_fails(project: Machine) -> None:
    terminal = project.terminal("build")

    with pytest.raises(AssertionError, match="ended without 'never'"):
        terminal.wait_for("never")
    assert terminal.end().exit_code == 3


def test_what_is_read_in_two_parts_is_seen_as_one() -> None:
    process = subprocess.Popen(["true"])
    ours, theirs = os.pipe()
    terminal = Terminal(process, ours)
    for part in (b"caf\xc3", b"\xa9\r", b"\nopen"):
        os.write(theirs, part)
        terminal._read()
    os.close(theirs)

    assert terminal.end() == Screen(0, "caf\xe9\nopen")


def test_the_probe_tells_what_was_imported(project: Machine) -> None:
    probe = Probe.on(project)
    project.sst("build")

    seen = probe.read()
    assert seen.imported("typer", "pluggy", "httpx") == {"typer", "pluggy"}
    assert ("modules" not in {kind for kind, _ in seen.events}) and seen.events

    (probe.log).write_text("('open', 'x')\n")
    with pytest.raises(AssertionError, match="did not end by itself"):
        probe.read()


def test_a_run_in_this_process_leaves_it_as_it_was(project: Machine, tmp_path: Path) -> None:
    file = tmp_path / "changing.py"
    file.write_text(
        "import os, signal, sys\n"
        "os.environ['CHANGED'] = '1'\nos.chdir('/')\nsys.path.append('/changed')\n"
        "signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
    )
    project.plug(file)
    before = dict(os.environ), Path.cwd(), list(sys.path), sys.stdout, sys.stderr

    for _ in range(2):  # the second imports it anew
        project.leaks.clear()
        project.in_process("--help")
        run = project.in_process("build")
        assert (dict(os.environ), Path.cwd(), list(sys.path), sys.stdout, sys.stderr) == before
        assert "changing" not in sys.modules
        assert gc.get_freeze_count() == 0
        assert project.leaks == [
            "the variable CHANGED is another",
            "the working directory is /",
            "the handler of SIGALRM is another",
        ]
        assert "CHANGED" not in run.stderr


def test_what_a_plugin_puts_in_its_own_place_is_not_there_for_the_next_run(machine: Machine, tmp_path: Path) -> None:
    machine.project('build = ["true"]')
    file = tmp_path / "hiding.py"
    file.write_text(
        "import sys\nprint('imported')\nclass Hiding:\n    def __getattr__(self, name): raise OSError(name)\n"
        "sys.modules[__name__] = sys.modules[__name__ + '.inner'] = Hiding()\n"
    )
    machine.plug(file)

    for _ in range(2):
        assert "imported\n" in machine.in_process("build").stderr
        assert not {"hiding", "hiding.inner"} & set(sys.modules)


def test_nothing_of_the_tests_own_environment_shows_through(
    machine: Machine, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SST_TELEMETRY_DISABLED", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "GITHUB_ACTIONS", "SST_NO_PLUGINS"):
        monkeypatch.setenv(variable, "/from-outside")

    for run in (machine.sst("telemetry", "--json"), machine.in_process("telemetry", "--json")):
        assert (run.returncode, run.stderr) == (0, "")
        assert "from-outside" not in run.stdout
        assert str(machine.home) in run.stdout
    assert [call.context.ci for call in watcher.invoked] == [None, None]


def test_a_plugin_that_is_installed_beside_the_product_is_left_out_until_it_is_plugged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / "beside"
    metadata = beside / "sst_hello-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sst-hello\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[sst.plugins]\nhello = hello_beside\n")
    (beside / "hello_beside.py").write_text(HELLO)
    monkeypatch.syspath_prepend(beside)
    machine = new_machine(tmp_path)
    machine.project('build = ["true"]')

    assert machine.in_process("build").stderr == ""
    machine.plug(tmp_path / "beside" / "hello_beside.py", name="sst-hello")
    assert machine.in_process("build").stderr == "build ok\n"


def test_consent_is_a_command_as_for_anybody(machine: Machine) -> None:
    machine.project('build = ["true"]')
    machine.in_process("build")
    assert machine.queued() == []

    machine.in_process("telemetry", "enable")
    machine.in_process("build", env={"SST_TELEMETRY_URL": "http://127.0.0.1:9/events"})

    assert len(machine.queued()) == 1


def test_all_that_collect_are_seen_however_many_notices_that_takes(machine: Machine) -> None:
    for number in range(4):
        name = f"company-telemetry-plugin-{number}"
        machine.install(name, "", {"sst.telemetry": {name: name}})

    machine.see_notice()
    machine.sst("build")

    assert len(machine.queued()) == 1


def test_what_is_exported_is_documented() -> None:
    assert testing.__all__ == sorted(testing.__all__, key=lambda name: (not name.isupper(), name))
    for name in testing.__all__:
        exported = getattr(testing, name)
        if isinstance(exported, type):
            assert exported.__doc__
            assert all(
                getattr(member, "__doc__", None)
                for member_name, member in vars(exported).items()
                if not member_name.startswith("_") and (callable(member) or isinstance(member, property | classmethod))
            )


def test_the_classes_need_no_pytest(machine: Machine) -> None:
    run = machine.sst(
        "-c",
        "import sys; from sst_core.testing import Machine; print('pytest' in sys.modules)",
        program=(sys.executable,),
    )

    assert run.stdout == "False\n"


def test_a_module_that_is_no_file_is_an_object(project: Machine) -> None:
    codes: list[int] = []
    noting = types.ModuleType("made_up")
    noting.on_command_finished = hookimpl(lambda outcome: codes.append(outcome.exit_code))  # type: ignore[attr-defined]
    project.plug(noting)

    assert project.in_process("build").stdout == "built\n"
    assert codes == [3]


def test_a_probe_tells_of_a_process_what_it_did_and_what_it_imported(tmp_path: Path) -> None:
    """Once: the next process begins anew."""
    log = tmp_path / "probed"
    log.write_text("('open', '/a file')\n('import', 'json')\n('modules', 'json sys')\n")
    probed = Probe(log).read()
    assert probed.events == (("open", "/a file"), ("import", "json"))
    assert probed.imported("json", "httpx") == {"json"}
    assert not log.exists()
    log.write_text("('open', '/a file')\n")
    with pytest.raises(AssertionError, match="did not end by itself"):
        Probe(log).read()


def test_what_was_typed_too_late_is_typed_into_nothing_and_waits_for_nobody(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = machine.terminal("--version")
    terminal.wait_for("\n")
    terminal.process.wait()
    monkeypatch.setattr("sst_core.testing.terminal.PATIENCE", 3600.0)  # longer than a test may take
    terminal.type("y")
    assert terminal.end().exit_code == 0
