"""The provider that needs nothing: the project's own commands, run as they are written."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from permissions import NOBODY, give_away
from sst_core import printable
from sst_core.testing import PATIENCE, PROGRAM, Machine

pytestmark = pytest.mark.usefixtures("no_leaks")

# What a task can see of how it was started.
REPORT = "import json, os, sys; print(json.dumps({'folder': os.getcwd(), 'arguments': sys.argv[1:]}))"


def task(name: str, *words: str) -> str:
    """A line of `sst.toml`."""
    return f"{name} = {json.dumps(words)}"


def test_a_task_runs_in_the_projects_folder_from_any_folder_below(machine: Machine) -> None:
    machine.project(task("build", sys.executable, "-c", REPORT))
    below = machine.folder / "src" / "deep"
    below.mkdir(parents=True)

    ended = machine.sst("build", folder=below)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {"folder": str(machine.folder), "arguments": []}


def test_the_nearest_project_is_the_one(machine: Machine) -> None:
    machine.project('build = ["echo", "outer"]')
    inner = machine.folder / "inner"
    inner.mkdir()
    machine.project('build = ["echo", "inner"]', folder=inner)

    assert machine.sst("build", folder=inner).stdout == "inner\n"
    assert machine.sst("build").stdout == "outer\n"


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("action", ["build", "start", "deploy", "remove", "diff"])
def test_every_action_runs_the_task_of_its_name(machine: Machine, action: str) -> None:
    machine.project(*(task(name, "echo", f"this is {name}") for name in ("build", "start", "deploy", "remove", "diff")))

    assert machine.sst(action).stdout == f"this is {action}\n"


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("code", [0, 1, 2, 3, 127, 130, 255])
def test_the_exit_code_is_the_tasks_own(machine: Machine, code: int) -> None:
    machine.project(task("build", "sh", "-c", f"exit {code}"))

    ended = machine.sst("build")

    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")


def test_a_task_that_a_signal_ended_ends_as_a_shell_says_it(machine: Machine) -> None:
    machine.project(task("build", "sh", "-c", "kill -KILL $$"))

    assert machine.sst("build").returncode == 128 + signal.SIGKILL


def test_what_follows_the_dashes_is_the_tasks_as_it_is(machine: Machine) -> None:
    machine.project(task("build", sys.executable, "-c", REPORT, "first"))
    typed = ["--flag", "-x", "two words", "$HOME", "*", "", "--", "a;b", "é"]

    assert json.loads(machine.sst("build", "--", *typed).stdout)["arguments"] == ["first", *typed]


def test_no_shell_looks_at_a_task(machine: Machine) -> None:
    machine.project(task("build", "echo", "$HOME", "`id`", "*", "&&", "false"))

    assert machine.sst("build").stdout == "$HOME `id` * && false\n"


def test_output_comes_as_it_is_made_on_the_stream_it_was_made_for(machine: Machine) -> None:
    machine.project(task("start", "sh", "-c", "echo out; echo err >&2; read line; echo got $line"))
    with subprocess.Popen(
        [PROGRAM, "start"],
        cwd=machine.folder,
        env=machine.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "out\n"
        assert process.stderr.readline() == "err\n"
        assert process.poll() is None, "it is still at work"

        assert process.communicate("an answer\n", PATIENCE) == ("got an answer\n", "")
        assert process.returncode == 0


# Notes each signal as it arrives, before Python makes one of two that come close together.
COUNTING = """
import os, select, signal, sys
ours, theirs = os.pipe()
os.set_blocking(theirs, False)
signal.set_wakeup_fd(theirs)
signal.signal(signal.SIGINT, lambda *_: None)
print("seen 0", flush=True)
for number in range(1, 6):
    os.read(ours, 1)
    print("seen", number, flush=True)
more = select.select([ours], [], [], 0.5)[0]
print("and", len(os.read(ours, 100)) if more else 0, "more", flush=True)
sys.exit(7)
"""


def test_ctrl_c_reaches_a_task_once_and_its_own_end_is_what_counts(machine: Machine) -> None:
    machine.project(task("start", sys.executable, "-c", COUNTING))
    terminal = machine.terminal("start", env={"SST_TELEMETRY_DISABLED": "1"})

    for number in range(5):
        terminal.wait_for(f"seen {number}\n")
        terminal.type("\x03")

    screen = terminal.end()
    assert screen.exit_code == 7
    assert "and 0 more\n" in screen.text
    assert "Traceback" not in screen.text


def test_ctrl_c_leaves_no_orphan(machine: Machine) -> None:
    machine.project(
        task("start", sys.executable, "-c", "import os, time; print(os.getpid(), '.', flush=True); time.sleep(60)")
    )
    terminal = machine.terminal("start", env={"SST_TELEMETRY_DISABLED": "1"})
    terminal.wait_for(".")
    process = int(terminal.text.split()[0])

    terminal.type("\x03")

    assert terminal.end().exit_code == 130
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_being_ended_ends_the_task(machine: Machine) -> None:
    machine.project(task("start", "sh", "-c", "echo $$; exec sleep 60"))
    with subprocess.Popen(
        [PROGRAM, "start"], cwd=machine.folder, env=machine.environ, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())

        process.terminate()

        assert process.wait(PATIENCE) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.fixture
def folder_of_sh(tmp_path: Path) -> Path:
    """A PATH without python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    return folder


def test_python_is_what_sst_runs_on_where_there_is_no_other(machine: Machine, folder_of_sh: Path) -> None:
    machine.project(task("build", "python", "-c", "import sys; print(sys.prefix)"))

    ended = machine.sst("build", env={"PATH": str(folder_of_sh)})

    assert (ended.returncode, ended.stdout) == (0, f"{sys.prefix}\n")


def test_a_python_on_the_path_comes_first(machine: Machine, folder_of_sh: Path) -> None:
    (folder_of_sh / "python").write_text("#!/bin/sh\necho from the path\n")
    (folder_of_sh / "python").chmod(0o755)
    machine.project(task("build", "python", "build.py"))

    assert machine.sst("build", env={"PATH": str(folder_of_sh)}).stdout == "from the path\n"


def test_a_program_of_the_projects_own_is_found_in_its_folder(machine: Machine) -> None:
    program = machine.folder / "build.sh"
    program.write_text("#!/bin/sh\necho mine\n")
    program.chmod(0o755)
    machine.project(task("build", "./build.sh"))
    below = machine.folder / "src"
    below.mkdir()

    assert machine.sst("build", folder=below).stdout == "mine\n"


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("program", ["no-such-program", "./no-such-program", "/", "a\0b"])
def test_a_program_that_cannot_be_run_is_an_error_in_words(machine: Machine, program: str) -> None:
    machine.project(task("build", program))

    ended = machine.sst("build")

    assert (ended.returncode, ended.stdout) == (127, "")
    assert ended.stderr.startswith(f"sst: error: {printable(program)} can't be run in {machine.folder}: ")
    advice = f"It is what [tasks] build in {machine.folder / 'sst.toml'} names. Install it, or name another there.\n"
    assert ended.stderr.endswith(advice)
    assert "Traceback" not in ended.stderr


SHAPES = ['"python build.py"', "[]", "3", "true", '["python", 3]', '[["python"]]', '[""]', "{ run = 1 }"]


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_task_that_is_no_list_of_words_is_named_with_its_place_and_how_to_write_it(
    machine: Machine, shape: str
) -> None:
    file = machine.project(f"build = {shape}")

    ended = machine.sst("build")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f'sst: error: {file}: build has to be a list of words, such as: build = ["program", "argument"]\n'
    )


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("shape", ['tasks = "build"', "tasks = []", "[[tasks]]"])
def test_tasks_that_are_no_table_are_named_with_their_place(machine: Machine, shape: str) -> None:
    file = machine.folder / "sst.toml"
    file.write_text(f"{shape}\n")

    ended = machine.sst("build")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"sst: error: {file}: tasks has to be a table. Write [tasks] on a line of its own.\n"


def test_a_task_that_is_not_there_is_named_with_the_line_to_add(machine: Machine) -> None:
    line = 'Add under [tasks]: deploy = ["program", "argument"]'
    file = machine.project()
    empty = machine.sst("deploy")
    machine.project('build = ["true"]', 'delpoy = ["true"]', '"x\\u001b\\n" = 1')
    slip = machine.sst("deploy")

    assert (empty.returncode, slip.returncode) == (2, 2)
    assert empty.stderr == f"sst: error: {file} has no task for deploy. {line}\n"
    assert slip.stderr == f"sst: error: {file} has no task for deploy, only for build, delpoy, x\\x1b\\n. {line}\n"


def test_the_outputs_are_the_tasks_own_matter(machine: Machine) -> None:
    machine.project('deploy = ["touch", "deployed"]')

    ended = machine.sst("deploy", "--outputs-file", "out.json")

    assert ended.returncode == 2
    assert ended.stderr.endswith("write that behind --: `sst deploy -- --outputs-file FILE`\n")
    assert not (machine.folder / "deployed").exists()


def test_without_a_project_the_lines_that_would_help_are_shown(machine: Machine) -> None:
    ended = machine.sst("build")

    assert ended.returncode == 2
    assert f"there is no sst.toml in {machine.folder} or above it" in ended.stderr
    assert '[tasks]\n    build = ["python", "build.py"]' in ended.stderr


def test_a_file_that_others_can_write_runs_nothing(machine: Machine) -> None:
    file = machine.project('build = ["echo", "hunter2"]')
    file.chmod(0o666)

    ended = machine.sst("build")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"sst: error: {file} can be written by others. Run: chmod go-w {file}\n"


def test_a_strangers_file_runs_nothing(machine: Machine) -> None:
    file = machine.project('build = ["echo", "hunter2"]')
    give_away(file)
    below = machine.folder / "mine"
    below.mkdir()

    for folder in (machine.folder, below):
        ended = machine.sst("build", folder=folder)

        assert (ended.returncode, ended.stdout) == (2, "")
        assert f"{file} belongs to somebody else (user id {NOBODY}), so it is not used." in ended.stderr


def test_a_link_to_somewhere_else_runs_nothing(machine: Machine, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file = machine.project('build = ["echo", "hunter2"]', folder=elsewhere)
    (machine.folder / "sst.toml").symlink_to(file)

    ended = machine.sst("build")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "is a symbolic link" in ended.stderr


def test_a_file_that_is_not_toml_is_named_with_the_line(machine: Machine) -> None:
    (machine.folder / "sst.toml").write_text("[tasks]\nbuild = python build.py\n")

    ended = machine.sst("build")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{machine.folder / 'sst.toml'} is not valid TOML" in ended.stderr
    assert "line 2" in ended.stderr
