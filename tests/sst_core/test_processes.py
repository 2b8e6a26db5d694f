"""Running a tool: its exit code is ours, and each signal reaches it exactly once."""

import errno
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from installed import PYTHON
from sst_core import read_tool, run_tool
from sst_core.processes import ToolNotFoundError
from sst_core.testing import PROGRAM, Machine, Watcher

# Says what it gets and goes on, until SIGTERM: then it says how often, and ends with 7.
_COUNTER = """
import os, signal, sys, time
got = []
def say(*words):
    os.write(1, (" ".join(words) + "\\n").encode())
def on(number, frame):
    got.append(signal.Signals(number).name)
    say("got", got[-1])
    if number == signal.SIGTERM:
        say("all:", *got)
        sys.exit(7)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, on)
say("ready")
while True:
    time.sleep(0.05)  # a pause would sleep through a signal that came just before it
"""

_DISPOSITIONS = "import signal; print(*(signal.getsignal(n) == signal.SIG_IGN for n in (signal.SIGINT, signal.SIGHUP)))"


def python(code: str, *arguments: str) -> list[str]:
    return [*PYTHON, "-c", code, *arguments]


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_the_tools_own(tmp_path: Path, code: int) -> None:
    assert run_tool(python(f"raise SystemExit({code})"), tmp_path) == code


@pytest.mark.parametrize("number", [9, 15, 2, 11])
def test_a_signal_that_ended_it_is_128_and_its_number(tmp_path: Path, number: int) -> None:
    code = "import os, resource, signal, sys; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); "
    code += "signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getpid(), int(sys.argv[1]))"

    assert run_tool(python(code, str(number)), tmp_path) == 128 + number


def test_it_runs_in_the_folder_with_the_environment_it_is_given(tmp_path: Path) -> None:
    code = "import os, pathlib; pathlib.Path('there').write_text(os.environ['GIVEN'])"

    assert run_tool(python(code), tmp_path, {**os.environ, "GIVEN": "yes"}) == 0
    assert (tmp_path / "there").read_text() == "yes"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-tool-anywhere"], "No such file"),
        (["./not-executable"], "Permission denied"),
        (["."], "Permission denied"),
        (["tool\0"], "null byte"),
    ],
)
def test_a_tool_that_cannot_be_run_is_127_in_words(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "not-executable").write_text("")

    with pytest.raises(ToolNotFoundError, match=words) as caught:
        run_tool(arguments, tmp_path)

    assert caught.value.exit_code == 127
    assert str(caught.value).startswith(arguments[0])
    assert str(tmp_path) in str(caught.value)


def test_signals_are_handled_as_before_when_it_has_ended(tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]

    run_tool(python(""), tmp_path)
    with pytest.raises(ToolNotFoundError):
        run_tool(["no-such-tool-anywhere"], tmp_path)

    assert [signal.getsignal(number) for number in numbers] == before


def project(machine: Machine, code: str) -> None:
    machine.project(f"start = [{shlex.quote(sys.executable)!r}, '-c', '''{code}''']")


def test_control_c_reaches_the_tool_once_and_its_exit_code_comes_back(machine: Machine, watcher: Watcher) -> None:
    project(machine, _COUNTER)
    terminal = machine.terminal("start")
    terminal.wait_for("ready")

    terminal.type("\x03")
    terminal.wait_for("got SIGINT")
    # Whatever was handed on because of the first signal arrives before what is handed on because of this one.
    terminal.process.send_signal(signal.SIGTERM)
    screen = terminal.end()

    assert "all: SIGINT SIGTERM\n" in screen.text
    assert screen.exit_code == 7
    assert watcher.ending() == (("start",), 7, "error")


def test_an_interrupt_of_this_process_alone_is_not_handed_on(machine: Machine) -> None:
    """The terminal gives Ctrl-C to both: one that were handed on as well would reach the tool twice."""
    project(machine, _COUNTER)
    terminal = machine.terminal("start")
    terminal.wait_for("ready")

    terminal.type("")  # once it waits: what comes while it still starts the tool is handed on
    terminal.process.send_signal(signal.SIGINT)
    terminal.process.send_signal(signal.SIGTERM)

    assert "all: SIGTERM\n" in terminal.end().text


def test_control_c_that_the_tool_does_not_handle_ends_both_with_130(machine: Machine, watcher: Watcher) -> None:
    machine.project("start = ['sh', '-c', 'echo ready; exec sleep 1000']")
    terminal = machine.terminal("start")
    terminal.wait_for("ready")

    terminal.type("\x03")

    assert terminal.end().exit_code == 130
    assert watcher.ending() == (("start",), 130, "interrupt")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_this_process_is_handed_on(machine: Machine, watcher: Watcher, number: signal.Signals) -> None:
    project(machine, _COUNTER)
    terminal = machine.terminal("start")
    terminal.wait_for("ready")

    terminal.process.send_signal(number)
    terminal.wait_for(f"got {number.name}")
    if number != signal.SIGTERM:
        terminal.process.send_signal(signal.SIGTERM)
    screen = terminal.end()

    assert screen.text.count(f"got {number.name}") == 1
    assert screen.exit_code == 7
    assert watcher.ending() == (("start",), 7, "error")


def test_what_was_ignored_from_the_start_stays_ignored_for_both(machine: Machine) -> None:
    project(machine, _DISPOSITIONS)
    ignoring = ("sh", "-c", 'trap "" INT HUP; exec "$0" "$@"', str(PROGRAM))

    assert machine.sst("start", program=ignoring).stdout == "True True\n"
    assert machine.sst("start").stdout == "False False\n"


def test_an_ignored_control_c_ends_nothing(machine: Machine) -> None:
    project(machine, _COUNTER.replace("signal.SIGINT, ", ""))
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$0" start', str(PROGRAM)],
        cwd=machine.folder,
        env=machine.environ,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    os.killpg(process.pid, signal.SIGINT)
    process.send_signal(signal.SIGTERM)

    assert process.communicate(timeout=30)[0] == "got SIGTERM\nall: SIGTERM\n"
    assert process.returncode == 7


def test_a_tool_that_is_not_there_is_127_with_words(machine: Machine) -> None:
    machine.project('build = ["no-such-tool-anywhere"]')

    run = machine.sst("build")

    assert run.returncode == 127
    words = f"sst: error: no-such-tool-anywhere can't be run in {machine.folder}: No such file or directory. "
    assert run.stderr.startswith(words)


def test_output_is_streamed_and_input_is_the_users(machine: Machine) -> None:
    project(machine, 'print("name?", flush=True); print("hello", input())')
    terminal = machine.terminal("start")
    terminal.wait_for("name?")
    terminal.type("you\n")

    screen = terminal.end()

    assert screen.text.endswith("hello you\n")
    assert screen.exit_code == 0


# A tool that ends at once when it is told to, and leaves a process of its own that knows nothing of it.
_LEAVING = """
import os, signal, subprocess, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: os._exit(9))
code = "import os, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
code += "signal.signal(signal.SIGHUP, signal.SIG_IGN); time.sleep(1); "  # which the terminal's end sends
code += "print('left', os.getpid(), flush=True); time.sleep(1000)"
subprocess.Popen([sys.executable, "-c", code])
time.sleep(1000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose orphan a process is")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_tool_that_is_interrupted_leaves_no_orphan(machine: Machine, number: signal.Signals) -> None:
    project(machine, _LEAVING)
    terminal = machine.terminal("start", env={"SST_TELEMETRY_DISABLED": "1"})
    terminal.wait_for("left ")
    terminal.wait_for("\n")
    orphan = int(terminal.text.split()[1])

    if number == signal.SIGINT:
        terminal.type("\x03")
    else:
        terminal.process.send_signal(number)

    assert terminal.end().exit_code == 9
    with pytest.raises(ProcessLookupError):
        os.kill(orphan, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose orphan a process is")
def test_an_orphan_that_ignores_the_end_is_killed(machine: Machine) -> None:
    project(
        machine, _LEAVING.replace("code +=", "code += 'signal.signal(signal.SIGTERM, signal.SIG_IGN); '; code +=", 1)
    )
    terminal = machine.terminal("start", env={"SST_TELEMETRY_DISABLED": "1"})
    terminal.wait_for("left ")
    terminal.wait_for("\n")
    orphan = int(terminal.text.split()[1])

    terminal.process.send_signal(signal.SIGTERM)

    assert terminal.end().exit_code == 9
    with pytest.raises(ProcessLookupError):
        os.kill(orphan, 0)


# A tool whose helper detaches a process, and that ends at once when it is told to.
_DETACHING = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, lambda *_: os._exit(9))
code = "import subprocess, sys; left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'], "
code += "stdin=-3, stdout=-3, stderr=-3, start_new_session=True); print('left', left.pid, flush=True)"
time.sleep(0.5)
subprocess.run([sys.executable, "-c", code])
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose orphan a process is")
def test_what_has_made_a_session_of_its_own_outlives_a_tool_that_is_interrupted(machine: Machine) -> None:
    project(machine, _DETACHING)
    terminal = machine.terminal("start", env={"SST_TELEMETRY_DISABLED": "1"})
    terminal.wait_for("ready")
    left = int(terminal.text.split()[1])

    terminal.type("\x03")

    assert terminal.end().exit_code == 9
    os.kill(left, signal.SIGKILL)


# At work for as long as it takes to be watched.
_SLOWLY_LEAVING = """
import subprocess, time
print(subprocess.Popen(["sleep", "1000"], stdout=-3, stderr=-3).pid)
time.sleep(0.5)
"""


def test_what_a_tool_leaves_in_the_background_of_its_own_accord_is_left_alone(machine: Machine) -> None:
    project(machine, _SLOWLY_LEAVING)

    left = int(machine.sst("start").stdout)

    os.kill(left, signal.SIGKILL)


# Has orphans for as long as it runs, and says how many of them are still in the list of processes when all have ended.
_LEAVING_MANY = """
import os, subprocess, sys, time
time.sleep(0.5)
code = "import subprocess; print(subprocess.Popen(['sleep', '0.1'], stdout=-3, start_new_session={}).pid)"
pids = [int(subprocess.check_output([sys.executable, "-c", code.format(own)])) for own in (False, True) * 5]
def listed():
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
for _ in range(100):
    if listed():
        time.sleep(0.1)
print(len(pids), "left", len(listed()))
sys.exit(7)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose orphan a process is")
def test_an_orphan_that_ends_is_gone_while_the_tool_still_runs(machine: Machine) -> None:
    project(machine, _LEAVING_MANY)

    ended = machine.sst("start")

    assert (ended.returncode, ended.stdout) == (7, "10 left 0\n")


# Becomes the program, with the end of children ignored.
_IGNORING = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose orphan a process is")
@pytest.mark.parametrize(
    ("code", "words"), [("raise SystemExit(7)", ""), (_LEAVING_MANY, "10 left 0\n")], ids=["short", "long"]
)
def test_a_failure_is_one_where_whoever_started_us_ignores_its_children(
    machine: Machine, code: str, words: str
) -> None:
    project(machine, code)

    ended = machine.sst("start", program=(*python(_IGNORING), str(PROGRAM)))

    assert (ended.returncode, ended.stdout) == (7, words)


def test_children_are_ignored_again_when_it_has_ended(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert read_tool(python("print('read'); raise SystemExit(7)"), tmp_path) == (7, "read\n")
        with pytest.raises(ToolNotFoundError):
            run_tool(["no-such-tool-anywhere"], tmp_path)
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_child_that_somebody_else_waits_for_is_left_to_them(tmp_path: Path) -> None:
    before = subprocess.Popen(python("import time; time.sleep(0.5); raise SystemExit(3)"))
    codes: list[int] = []
    has_run = threading.Event()

    def meanwhile() -> None:
        has_begun.wait()
        process = subprocess.Popen(python("raise SystemExit(5)"))
        with suppress(ChildProcessError):  # it was not left
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        has_ended.touch()
        has_run.wait()
        codes.append(process.wait())

    has_begun, has_ended = threading.Event(), tmp_path / "ended"
    thread = threading.Thread(target=meanwhile)
    thread.start()
    code = f"import pathlib, time; ended = pathlib.Path({str(has_ended)!r})\nwhile not ended.exists(): time.sleep(0.01)"
    threading.Timer(0.7, has_begun.set).start()  # by then it is at work for long enough to be watched
    assert run_tool(python(f"{code}\ntime.sleep(0.5)\nraise SystemExit(7)"), folder=tmp_path) == 7
    has_run.set()
    thread.join()

    assert codes == [5]
    assert before.wait() == 3
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL


def test_a_child_of_a_thread_that_has_ended_is_left_too(tmp_path: Path) -> None:
    has_begun = threading.Event()
    started: list[subprocess.Popen[bytes]] = []

    def meanwhile() -> None:
        has_begun.wait()
        started.append(subprocess.Popen(python("import time; time.sleep(1.6); raise SystemExit(3)")))
        time.sleep(1)  # meanwhile orphans end

    thread = threading.Thread(target=meanwhile)
    thread.start()
    threading.Timer(0.7, has_begun.set).start()
    leaving = "for i in $(seq 30); do (sleep 0.05 &); sleep 0.1; done; exit 7"
    assert run_tool(["sh", "-c", leaving], folder=tmp_path) == 7
    thread.join()

    assert started[0].wait() == 3


def test_whoever_is_told_of_children_that_end_goes_on_being_told(tmp_path: Path) -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGCHLD, lambda number, _: told.append(number))
    try:
        assert run_tool(python("import time; time.sleep(0.5); raise SystemExit(7)"), folder=tmp_path) == 7
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert told


# Ends before what it has started, which keeps the stdout that it was given.
_ENDING_FIRST = """
import pathlib, subprocess, time
time.sleep(0.5)
pathlib.Path("names them").touch()
subprocess.Popen(["sleep", "0.5"])
raise SystemExit(7)
"""


@pytest.mark.parametrize("names_them", [True, False], ids=["always", "not at first"])
def test_a_tool_that_ends_while_it_is_read_is_not_taken_for_an_orphan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names_them: bool
) -> None:
    """Also where the system didn't name our children when it began."""
    real = os.getpid
    monkeypatch.setattr(os, "getpid", lambda: real() if names_them or (tmp_path / "names them").exists() else 0)

    assert read_tool(python(_ENDING_FIRST), tmp_path) == (7, "")


def test_what_is_read_is_stdout_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; print('read'); print('seen', file=sys.stderr); sys.exit(3)"

    assert read_tool(python(code), tmp_path) == (3, "read\n")
    assert capfd.readouterr() == ("", "seen\n")


def test_stdout_can_be_kept_for_our_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_tool(python("import sys; sys.stdout.write('said')"), tmp_path, to_stderr=True) == 0
    assert capfd.readouterr() == ("", "said")


def test_a_tool_knows_whether_a_person_is_reading(machine: Machine) -> None:
    """Colours hang on this: what is between us and the terminal is nothing."""
    project(machine, "import sys; print(*(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)))")

    assert machine.sst("start").stdout == "False False False\n"
    assert "True True True\n" in machine.on_terminal("start", env={"SST_TELEMETRY_DISABLED": "1"}).text


@pytest.mark.parametrize("way", ["not there", "failing"])
def test_where_the_system_has_no_handle_on_a_process_the_run_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def failing(_process: int) -> int:
        raise OSError(errno.ENOSYS, "an old kernel")

    if way == "failing":
        monkeypatch.setattr(os, "pidfd_open", failing, raising=False)
    else:
        monkeypatch.delattr(os, "pidfd_open", raising=False)

    assert run_tool(python("import time; time.sleep(0.3); raise SystemExit(7)"), folder=tmp_path) == 7


def test_what_is_kept_from_a_closed_stderr_goes_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)

    assert run_tool(python("print('spoken')"), folder=tmp_path, to_stderr=True) == 0
    assert capfd.readouterr() == ("", "")


def test_a_signal_that_comes_before_the_tool_is_there_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.Popen

    def interrupted(*arguments: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    ours: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: ours.append(number))
    try:
        assert run_tool(python("import time; time.sleep(60)"), folder=tmp_path) == 128 + signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ours == []
