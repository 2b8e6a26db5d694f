"""What every command says of itself, found by walking from the top: to whoever reads it, and wherever it is read."""

import re
from collections.abc import Iterator

import pytest

from sst_core.testing import Machine

COLUMNS = 80


def commands_of(text: str) -> list[str]:
    """The names that a help text lists."""
    return re.findall(r"^  ([\w-]+)", text.partition("\nCommands:\n")[2], re.MULTILINE)


def helps(machine: Machine, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each command from `path` down, and its help."""
    ended = machine.sst(*path, "--help", env={"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1"})
    assert (ended.returncode, ended.stderr) == (0, ""), path
    yield path, ended.stdout
    for name in commands_of(ended.stdout):
        yield from helps(machine, (*path, name))


def test_each_has_an_example_and_fits_a_narrow_terminal_in_plain_text(machine: Machine) -> None:
    seen = dict(helps(machine))

    assert {("build",), ("telemetry", "show"), ("plugins", "new"), ("collector", "serve")} <= seen.keys()
    for path, text in seen.items():
        program = " ".join(("sst", *path))
        assert re.search(rf"^  Example: {program}\b", text, re.MULTILINE), program
        assert all(len(line) <= COLUMNS for line in text.splitlines()), program
        # No frames, which a screen reader would read out, and no colour where there is no terminal.
        assert not re.search(r"[^\n -~]", text), program


@pytest.mark.parametrize("path", [(), ("build",), ("telemetry",), ("collector", "serve")])
def test_no_colour_is_none_on_a_terminal_too(machine: Machine, path: tuple[str, ...]) -> None:
    screen = machine.terminal(*path, "--help", env={"NO_COLOR": "1", "TERM": "xterm-256color"}).end()

    assert screen.exit_code == 0
    assert "\x1b" not in screen.text


EXAMPLES = re.compile(r"^  Example: sst (.+(?:\n  \S.+)*)$", re.MULTILINE)


def test_the_examples_are_command_lines_that_are_understood(machine: Machine) -> None:
    machine.environ["SST_TELEMETRY_DISABLED"] = "1"
    for path, text in helps(machine):
        (example,) = EXAMPLES.findall(text)
        words = example.split()
        # With `--help` behind it the command line is parsed as far as that, and nothing is done.
        ended = machine.sst(*words, "--help")
        assert ended.returncode == 0, (path, words, ended.stderr)
