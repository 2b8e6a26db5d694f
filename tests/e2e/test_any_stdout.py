"""Every command that prints, with a stdout that takes few letters, in folders whose names are no text."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sst_core import SST, Consent
from sst_core.testing import PROGRAM, Machine
from streaming import unread

ENCODINGS = ["ascii", "latin-1", "utf-8"]
NAME = b"caf\xe9 \xc3\x9c \xe2\x80\xa6 \x1b[31m\nTelemetry is on. \x7f"
"""Not UTF-8, nor all of it Latin-1, and it would steer a terminal and tell a line of its own."""
COMMANDS = {
    "--version": 0,
    "--help": 0,
    "build": 0,
    "build --help": 0,
    "telemetry": 0,
    "telemetry --json": 0,
    "telemetry --help": 0,
    "telemetry status": 0,
    "telemetry show": 0,
    "telemetry show --json": 0,
    "telemetry show --preview build": 0,
    "telemetry catalog": 0,
    "telemetry purge": 0,
    "telemetry flush": 0,
    "telemetry forget": 0,
    "telemetry enable": 0,
    "telemetry disable": 0,
    "telemetry enable --project": 0,
    "telemetry disable --project": 0,
    "plugins list": 0,
    "plugins doctor": 0,
    "plugins doctor --json": 0,
    "plugins new sst-hello": 0,
    "plugins --help": 0,
    "collector --help": 0,
    "collector serve --help": 0,
    "collector doctor --data data": 1,
    "collector stats --data data": 1,
    "collector export --data data site": 1,
    "nothing": 2,
}


@pytest.fixture
def oddly_named(machine: Machine) -> Machine:
    """A machine whose every folder is called so, whose user has seen the notice."""
    machine.home, machine.folder = (Path(machine.root, folder, os.fsdecode(NAME)) for folder in ("home", "work"))
    try:
        machine.home.mkdir()
        machine.folder.mkdir()
    except OSError:
        pytest.skip("this file system's names have to be text")
    machine.environ["HOME"] = str(machine.home)
    machine.project('build = ["true"]')
    Consent(SST, machine.environ, machine.folder, ci=None).grant()
    return machine


def ran(machine: Machine, encoding: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The command with such a stdout, and strict."""
    environ = {**machine.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
    command = [str(PROGRAM), *arguments]
    return subprocess.run(command, cwd=machine.folder, env=environ, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(("words", "code"), COMMANDS.items(), ids=COMMANDS)
def test_what_is_printed_can_be_printed_and_steers_no_terminal(oddly_named: Machine, words: str, code: int) -> None:
    for encoding in ("utf-8", "ascii"):
        ended = ran(oddly_named, encoding, *words.split())

        told = ended.stderr.decode()
        assert ended.returncode == code, told
        assert "This is a bug" not in told
        for letter in ended.stdout.decode(encoding) + told:
            assert letter == "\n" or letter.isprintable()
        if ended.stdout.isascii():
            break  # what is told in letters that any stdout can print is told in these


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_folder_is_named_by_what_can_be_read_of_it(oddly_named: Machine, encoding: str) -> None:
    off = ran(oddly_named, encoding, "telemetry", "disable", "--project").stdout.decode(encoding)
    status = ran(oddly_named, encoding, "telemetry").stdout.decode(encoding)

    assert (oddly_named.folder / "sst.toml").read_text().endswith("[telemetry]\nenabled = false\n")
    for told in (off, status):
        assert r"caf\udce9 " in told
        assert r"\x1b[31m\nTelemetry is on. \x7f" in told
    assert status.startswith("Telemetry is off.\n")
    assert "Telemetry is on." not in status.splitlines()


def test_json_names_it_exactly(oddly_named: Machine) -> None:
    status = json.loads(ran(oddly_named, "ascii", "telemetry", "--json").stdout)

    assert str(oddly_named.folder / "sst.toml") in {source["where"] for source in status["sources"]}


def test_an_error_names_a_folder_without_steering_the_terminal(oddly_named: Machine) -> None:
    (oddly_named.folder / "sst.toml").write_text("[")

    ended = ran(oddly_named, "utf-8", "build")

    assert ended.returncode == 2
    assert rb"\x1b[31m" in ended.stderr
    assert b"\x1b" not in ended.stderr


def test_a_stdout_that_is_closed_is_none(oddly_named: Machine) -> None:
    script = 'exec "$@" >&-'
    ended = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, str(PROGRAM), "telemetry"],
        cwd=oddly_named.folder,
        env=oddly_named.environ,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


UNWRITTEN = "sst: error: What was asked for can't be written to stdout: No space left on device.\n"


def in_shell(machine: Machine, words: str, redirected: str) -> subprocess.CompletedProcess[str]:
    return machine.sst("-c", f'exec "$0" {words} {redirected}', str(PROGRAM), program=("sh",))


@pytest.mark.parametrize("words", ["--version", "--help", "telemetry --json", "telemetry", "plugins list", "talk"])
def test_a_full_stdout_is_named_and_the_command_has_failed(machine: Machine, words: str) -> None:
    machine.install("talk", "def talk(): print('hello')", {"sst.commands": {"talk": "talk:talk"}})

    ended = in_shell(machine, words, ">/dev/full")

    assert (ended.returncode, ended.stderr) == (1, UNWRITTEN)


@pytest.mark.parametrize("words", ["--version", "--help", "telemetry", "plugins --help"])
def test_a_full_stdout_is_named_where_it_is_unbuffered_too(machine: Machine, words: str) -> None:
    machine.environ["PYTHONUNBUFFERED"] = "1"

    ended = in_shell(machine, words, ">/dev/full")

    assert (ended.returncode, ended.stderr) == (1, UNWRITTEN)


def test_a_file_that_a_plugins_command_could_not_write_is_not_taken_for_stdout(machine: Machine) -> None:
    code = "import typer\ndef odd(): typer.echo('hello', file=open('/dev/full', 'w', buffering=1))"
    machine.install("odd", code, {"sst.commands": {"odd": "odd:odd"}})

    ended = in_shell(machine, "odd", "")

    assert ended.returncode == 1
    assert ended.stderr.startswith("sst: error: the command of plugin 'odd' (odd 1.0) failed: ")


def test_a_full_stdout_is_no_matter_to_who_failed_already(machine: Machine) -> None:
    machine.install("odd", "def odd(): print('hello'); raise SystemExit(7)", {"sst.commands": {"odd": "odd:odd"}})

    ended = in_shell(machine, "odd", ">/dev/full")

    assert (ended.returncode, ended.stderr) == (7, "")


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["", "unbuffered"])
@pytest.mark.parametrize("words", ["--bogus", "bild", "build --bogus", "build", ""])
def test_a_stderr_that_nobody_can_read_changes_no_exit_code_and_no_stdout(
    machine: Machine, words: str, redirected: str, unbuffered: str
) -> None:
    machine.environ["PYTHONUNBUFFERED"] = unbuffered
    ended = in_shell(machine, words, redirected)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "")


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["", "unbuffered"])
@pytest.mark.parametrize("words", ["--bogus", "build"])
def test_words_on_a_pipe_that_nobody_reads_change_no_exit_code_either(
    machine: Machine, words: str, unbuffered: str
) -> None:
    machine.environ["PYTHONUNBUFFERED"] = unbuffered
    ended = machine.sst(words, program=unread(2, str(PROGRAM)))

    assert (ended.returncode, ended.stdout) == (2, "")


def test_completing_into_a_pipe_that_nobody_reads_is_no_words(machine: Machine) -> None:
    machine.environ |= {"_SST_COMPLETE": "complete_bash", "COMP_WORDS": "sst b", "COMP_CWORD": "1"}

    ended = machine.sst(program=unread(1, str(PROGRAM)))

    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_failure_that_follows_on_a_mistake_is_told(machine: Machine) -> None:
    code = """
import typer
def odd():
    try:
        raise typer.BadParameter("a mistake")
    except typer.BadParameter:
        raise ConnectionRefusedError(111, "Connection refused")
"""
    machine.install("odd", code, {"sst.commands": {"odd": "odd:odd"}})

    ended = machine.sst("odd")

    assert ended.returncode == 1
    assert "Connection refused" in ended.stderr


def test_a_pipe_that_nobody_reads_is_no_words(machine: Machine) -> None:
    machine.install("talk", "def talk(): print('hello')", {"sst.commands": {"talk": "talk:talk"}})

    for words in ("--version", "talk"):
        ended = machine.sst(words, program=unread(1, str(PROGRAM)))
        assert (ended.returncode, ended.stderr) == (1, "")
