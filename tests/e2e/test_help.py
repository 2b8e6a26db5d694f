"""What every command says of itself, found by walking from the top: 80 columns of plain text wherever it is read, with
an example that works."""

import re
import shlex
import signal
import subprocess
from collections.abc import Mapping

import pytest

from sst_core import ExitCode
from sst_core.sst import COMMAND_HELP
from sst_core.testing import PATIENCE, Machine
from waiting import eventually

WIDTH = 80
ESCAPE = "\x1b"
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "nothing set": {},
    "NO_COLOR": {"NO_COLOR": "1"},
    "FORCE_COLOR": {"FORCE_COLOR": "1"},
}
TASKS = [f'{name} = ["true"]' for name in ("build", "start", "deploy", "remove", "diff")]
_EXAMPLES = re.compile(r"^  Examples?:(.*(?:\n    .*)*)", re.MULTILINE)


@pytest.fixture
def wide(machine: Machine) -> Machine:
    """A machine whose terminal knows colours."""
    machine.environ |= {"COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    return machine


def examples_of(text: str) -> list[list[str]]:
    """The words of each example, as a shell reads them."""
    (found,) = _EXAMPLES.findall(text)
    return [shlex.split(line) for line in found.replace("\\\n", " ").splitlines() if line]


def example_of(text: str) -> list[str]:
    """The first."""
    return examples_of(text)[0]


def test_every_command_is_walked_over(helps: Mapping[str, str]) -> None:
    groups = {path.partition(" ")[2].partition(" ")[0] for path in helps}

    assert groups == {"", "build", "start", "deploy", "remove", "diff", "collector", "plugins", "telemetry"}
    assert len(helps) > 25


def test_each_has_an_example_of_itself_that_can_be_copied(helps: Mapping[str, str]) -> None:
    for path, text in helps.items():
        for example in examples_of(text):
            assert example[: len(path.split())] == path.split()


def test_what_a_command_can_be_given_is_in_its_examples(helps: Mapping[str, str]) -> None:
    for path, text in helps.items():
        given = [" ".join(example[len(path.split()) :]) for example in examples_of(text)]
        for placeholder in re.findall(r"[\[{](?!OPTIONS|ARGS)(.*?)[\]}]", text.partition("\n")[0]):
            shape = r"(^|\s)-- \S" if placeholder.startswith("-- ") else r"^[^\s-]"
            assert any(re.search(shape, words) for words in given), (path, placeholder)


def test_the_first_help_has_every_exit_code_of_the_cores(helps: Mapping[str, str]) -> None:
    words = " ".join(helps["sst"].split())

    assert re.findall(r"(\d+) [a-zA-Z]", words.partition("Exit codes: ")[2]) == [str(int(code)) for code in ExitCode]


def test_options_name_what_they_take_in_words_of_one_shape(helps: Mapping[str, str]) -> None:
    for path, text in helps.items():
        options = text.partition("\nOptions:\n")[2].partition("\n\n")[0]
        for line in re.findall(r"^  (-[^\n]*?)(?:  .*)?$", options, re.MULTILINE):
            assert re.fullmatch(r"(-h, )?--[\w-]+(, --[\w-]+)*( [A-Z][A-Z:]*)?", line), (path, line)


def test_the_list_says_of_each_what_its_own_help_begins_with(helps: Mapping[str, str]) -> None:
    for name, line in COMMAND_HELP.items():
        said = " ".join(helps[f"sst {name}"].split("\n\n")[1].split())
        assert said.startswith(line), name


def test_each_fits_a_narrow_terminal_in_plain_text(helps: Mapping[str, str]) -> None:
    for path, text in helps.items():
        assert all(len(line) <= WIDTH for line in text.splitlines()), path
        # No frames, which a screen reader would read out, and no colour.
        assert not re.search(r"[^\n -~]", text), path


def test_no_line_on_a_command_is_cut(helps: Mapping[str, str]) -> None:
    for path, text in helps.items():
        assert not re.search(r"\.\.\.$", text.partition("\nCommands:\n")[2], re.MULTILINE), path


@pytest.mark.parametrize("setting", SETTINGS)
def test_whatever_is_set_it_is_the_same_in_a_pipe_and_on_a_terminal(
    wide: Machine, helps: Mapping[str, str], setting: str
) -> None:
    for path in ("sst", "sst build", "sst telemetry", "sst collector serve"):
        words, env = (*path.split()[1:], "--help"), SETTINGS[setting]
        assert wide.sst(*words, env=env).stdout == helps[path]
        assert wide.on_terminal(*words, env=env).text == helps[path]


def test_where_colour_is_wanted_each_is_plain_on_a_terminal(wide: Machine, helps: Mapping[str, str]) -> None:
    for path, text in helps.items():
        assert wide.on_terminal(*path.split()[1:], "--help", env=SETTINGS["FORCE_COLOR"]).text == text


@pytest.mark.parametrize("setting", SETTINGS)
def test_whatever_is_set_a_mistake_is_told_in_plain_text(wide: Machine, setting: str) -> None:
    for words in ((), ("build",), ("telemetry", "show")):
        piped = wide.sst(*words, "--no", env=SETTINGS[setting]).stderr

        assert ESCAPE not in piped
        assert wide.on_terminal(*words, "--no", env=SETTINGS[setting]).text == piped


def test_a_mistake_is_told_with_where_to_read_on(wide: Machine, helps: Mapping[str, str]) -> None:
    for path in helps:
        run = wide.in_process(*path.split()[1:], "--no-such-option")

        assert (run.returncode, run.stdout) == (2, ""), path
        assert "No such option: --no-such-option" in run.stderr
        assert f"{path} --help' for help." in run.stderr


COLLECTOR = "sst collector"


def test_the_examples_work(machine: Machine, helps: Mapping[str, str]) -> None:
    machine.project(*TASKS)

    for path, text in helps.items():
        if not path.startswith(COLLECTOR):
            for example in examples_of(text):
                run = machine.sst(*example[1:])

                assert run.returncode == 0, (example, run.stderr)


def test_the_collectors_examples_work_one_after_the_other(machine: Machine, helps: Mapping[str, str]) -> None:
    short = example_of(helps[COLLECTOR])
    assert example_of(helps[f"{COLLECTOR} serve"]) == [*short, "--port", "8777"]
    with subprocess.Popen(
        [machine.program, *short[1:], "--port", "0"],
        cwd=machine.folder,
        env=machine.environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as served:
        try:
            assert served.stdout is not None
            assert served.stdout.readline().startswith("listening on http")
            eventually((machine.folder / "events" / "snapshot.json").exists, "something is published")
            for name in ("doctor", "stats", "export"):
                run = machine.sst(*example_of(helps[f"{COLLECTOR} {name}"])[1:])
                assert run.returncode == 0, (name, run.stdout, run.stderr)
            assert (machine.folder / "public" / "index.html").exists()
        finally:
            served.send_signal(signal.SIGTERM)
            assert served.wait(PATIENCE) == 0


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize("words", ["build --stage", "telemetry show --preview", "collector serve --data"])
def test_an_option_without_its_value_is_told_with_the_usage(machine: Machine, words: str) -> None:
    command, _, option = words.rpartition(" ")

    run = machine.sst(*words.split())

    assert run.returncode == 2
    assert run.stderr.startswith(f"Usage: sst {command} [OPTIONS]")
    assert f"\nTry 'sst {command} --help' for help.\n\nError: Option '{option}' requires an argument.\n" in run.stderr


def test_the_example_of_a_move_is_understood(machine: Machine, helps: Mapping[str, str]) -> None:
    run = machine.sst(*example_of(helps[f"{COLLECTOR} move"])[1:])

    assert run.returncode == 2
    assert "--warehouse" not in run.stderr
    assert "events" in run.stderr
