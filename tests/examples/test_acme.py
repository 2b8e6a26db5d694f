"""The example of another Typer program: what it took on, what it kept, and that nothing it says is ours."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collecting import Collector, collectors
from projects import install, write_script
from sst_core.testing import PROGRAM, Machine
from waiting import eventually

ACME = Path(__file__).parents[2] / "examples" / "acme"

PLUGIN = """
import sys
from sst_core import hookimpl

@hookimpl
def on_command_finished(command, outcome):
    print("told of", " ".join(command.path), command.origin.value, outcome.exit_code, file=sys.stderr)

def hello(name: str = "you"):
    print("hello", name)

def broken():
    raise RuntimeError("boom")
"""


@pytest.fixture
def acme(machine: Machine) -> Machine:
    """A machine on which acme is installed, as it is and, as `plain/acme`, as it was before."""
    machine.program = install(machine, ACME) / "acme"
    plain = machine.program.parent / "plain"
    plain.mkdir()
    write_script(plain / "acme", "acme.cli:app")
    return machine


def plain(machine: Machine) -> tuple[str, ...]:
    """Acme as it was before it adopted anything."""
    return (str(machine.program.parent / "plain" / "acme"),)


def test_it_takes_two_lines() -> None:
    lines = (ACME / "src" / "acme" / "cli.py").read_text().splitlines()
    first = lines.index("from sst_core import adopt  # noqa: E402 - here, to show all that it takes")

    assert [line.partition("(")[0] for line in lines[first:] if line][1:] == ["main = adopt"]
    assert "sst" not in "".join(lines[:first])


AS_BEFORE = [
    ["--version"],
    ["items", "--help"],
    ["report", "--help"],
    ["items", "list"],
    ["report"],
    ["--verbose", "items", "add", "tea"],
    ["items", "tags", "add", "nothing", "x"],
    ["items", "tags", "add"],
    ["clear", "--no-such-option"],
    ["nonsense"],
    ["clear"],
    ["--file", "nowhere/list.json", "items", "add", "tea"],
]


@pytest.mark.parametrize("arguments", AS_BEFORE, ids=" ".join)
def test_its_own_commands_are_as_they_were(acme: Machine, arguments: list[str]) -> None:
    before = acme.sst(*arguments, program=plain(acme))
    (acme.folder / "list.json").unlink(missing_ok=True)
    now = acme.sst(*arguments)

    same_script = before.stderr.replace(plain(acme)[0], str(acme.program))
    assert (now.returncode, now.stdout, now.stderr) == (before.returncode, before.stdout, same_script)


@pytest.mark.parametrize("env", [{}, {"TYPER_STANDARD_TRACEBACK": "1"}], ids=["pretty", "standard"])
def test_a_traceback_is_as_it_was(acme: Machine, env: dict[str, str]) -> None:
    acme.environ["ACME_FILE"] = str(acme.folder)  # a folder can't be read as a file

    before = acme.sst("items", "list", program=plain(acme), env=env)
    now = acme.sst("items", "list", env=env)

    assert now.returncode == before.returncode == 1
    assert "IsADirectoryError" in now.stderr
    assert now.stderr == before.stderr.replace("bin/plain/acme", "bin/acme")
    assert "sst" not in now.stderr


def test_help_lists_one_command_more(acme: Machine) -> None:
    before, now = acme.sst("--help", program=plain(acme)).stdout, acme.sst("--help").stdout

    (added,) = [line for line in now.splitlines() if "telemetry" in line]
    words = [line.split() for line in now.splitlines() if line != added]
    assert words == [line.split() for line in before.splitlines()]
    assert added.split() == ["│", "telemetry", "See", "and", "control", "what", "is", "recorded.", "│"]


def test_nothing_that_its_user_sees_is_ours(acme: Machine) -> None:
    acme.install("acme_hello", PLUGIN, {"acme.commands": {"broken": "acme_hello:broken", "gone": "acme_gone:app"}})
    said = [
        acme.on_terminal("report").text,
        acme.on_terminal("--help").text,
        *(
            run.stdout + run.stderr
            for arguments in (
                ["telemetry"],
                ["telemetry", "--help"],
                ["telemetry", "--json"],
                ["telemetry", "catalog"],
                ["telemetry", "enable"],
                ["telemetry", "enable", "--help"],
                ["telemetry", "show"],
                ["telemetry", "show", "--preview", "items"],
                ["telemetry", "show", "--preview", "nonsense"],
                ["telemetry", "disable", "--project"],
                ["telemetry", "forget"],
                ["telemetry", "flush"],
                ["telemetry", "disable"],
                ["broken"],
                ["gone"],
            )
            for run in [acme.sst(*arguments)]
        ),
        *(str(path.relative_to(acme.home.parent)) for path in acme.home.rglob("*")),
        *(path.read_text() for path in acme.home.rglob("*") if path.is_file()),
        acme.sst("report", env={"ACME_TELEMETRY_DEBUG": "1"}).stderr,
    ]

    text = "\n".join(said)
    assert "acme records of each run" in text
    assert "ACME_TELEMETRY_DISABLED" in text
    assert "the command of plugin 'broken' (acme_hello 1.0) failed: RuntimeError: boom" in text
    assert "home/.local/state/acme/telemetry.lock" in said
    assert "acme.toml says enabled = false" in text
    assert "sst" not in text.lower()


def test_what_its_users_run_becomes_its_own_numbers(acme: Machine, tmp_path: Path, own_collector: Collector) -> None:
    acme.environ["ACME_TELEMETRY_URL"] = f"http://127.0.0.1:{own_collector.port}/events"
    acme.install("acme_hello", PLUGIN, {"acme.commands": {"hello": "acme_hello:hello"}})

    shown = acme.on_terminal("report").text
    assert "To learn what is used, acme records" in shown
    assert "This run is not recorded" in shown
    assert acme.queued() == []

    # The first recorded run has a sender started, which imports acme and finds what it needs there.
    assert acme.sst("report").stdout == "0 things\n"
    eventually(lambda: json.loads(acme.sst("telemetry", "--json").stdout)["queued"] == 0, "a delivery by the sender")
    for arguments in (["items", "add", "tea"], ["items", "tags", "add", "tea", "hot"], ["hello"], ["clear", "--yes"]):
        assert acme.sst(*arguments).returncode == 0
    assert acme.sst("report", env={"ACME_TELEMETRY_DISABLED": "1"}).returncode == 0
    assert acme.sst("telemetry", "flush").returncode == 0

    expected = {"report": 1, "items": 2, "plugin": 1, "clear": 1}
    eventually(lambda: own_collector.runs() == expected, f"{expected} in /stats.json")
    (version,) = own_collector.stats()["windows"]["30"]["version"]
    assert version["value"] == "2.4.1"
    assert own_collector.stats()["rejected"] == 0


def test_what_its_collector_took_in_is_exported_and_printed_as_its_own(
    acme: Machine, own_collector: Collector, tmp_path: Path
) -> None:
    acme.environ["ACME_TELEMETRY_URL"] = f"http://127.0.0.1:{own_collector.port}/events"
    for arguments in (["telemetry", "enable"], ["report"], ["telemetry", "flush"]):
        assert acme.sst(*arguments).returncode == 0
    eventually(lambda: own_collector.runs() == {"report": 1}, "a run in /stats.json")
    options = ("--data", str(own_collector.data), "--product", "acme.cli:main")

    exported = subprocess.run(
        [PROGRAM, "collector", "export", tmp_path / "site", *options], env=acme.environ, capture_output=True, check=True
    )
    printed = subprocess.run(
        [PROGRAM, "collector", "stats", *options], env=acme.environ, capture_output=True, check=True, text=True
    )

    assert exported.stderr == b""
    pages = "".join(page.read_text() for page in (tmp_path / "site").glob("*.html"))
    assert "acme in numbers" in pages
    assert "sstVersion" not in pages
    assert "version " in printed.stdout


def test_an_envelope_of_ssts_old_client_is_refused_by_its_collector_and_nothing_else_is(
    own_collector: Collector,
) -> None:
    old = {
        "context": {"anonymousId": "a" * 64, "projectId": "p", "sessionId": "b" * 64},
        "environment": {
            "systemPlatform": "linux", "systemRelease": "6", "systemArchitecture": "x64", "cpuCount": 4,
            "cpuModel": "m", "cpuSpeed": 1.0, "memoryInMb": 1.0, "isCI": False, "ciName": None, "sstVersion": "1.18.4",
        },
        "events": [{"name": "CLI_COMMAND", "properties": {"command": "clear"}}],
    }  # fmt: skip

    receipt = own_collector.client.post("/events", content=json.dumps(old).encode())

    assert receipt.status_code == 200
    assert (receipt.json()["accepted"], len(receipt.json()["rejected"])) == (0, 1)


def test_a_preview_of_its_own_command_is_what_would_be_recorded(acme: Machine) -> None:
    shown = acme.sst("telemetry", "show", "--preview", "report", "--json")

    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["events"][0]["properties"]["command"] == "report"
    assert acme.sst("telemetry", "show", "--preview", "nothing").returncode == 2


@pytest.fixture
def own_collector(acme: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A real collector of acme's catalogue."""
    monkeypatch.setenv("PYTHONPATH", acme.environ["PYTHONPATH"])
    with collectors(tmp_path / "collector") as start:
        yield start("--product", "acme.cli:main")


def test_plugins_are_told_of_its_commands_and_bring_their_own(acme: Machine) -> None:
    entries = {
        "acme.plugins": {"hello": "acme_hello"},
        "acme.commands": {"hello": "acme_hello:hello", "items": "acme_hello:hello"},
    }
    acme.install("acme_hello", PLUGIN, entries)

    hello = acme.sst("hello", "--name", "tea")
    assert (hello.stdout, hello.stderr.splitlines()[-1]) == ("hello tea\n", "told of hello plugin 0")
    assert "the command of plugin 'items' (acme_hello 1.0) is ignored: the name is taken" in hello.stderr
    assert acme.sst("items", "list").stderr.splitlines()[-1] == "told of items list core 0"
    assert acme.sst("report").stderr.splitlines()[-1] == "told of report core 0"
    assert "told" not in acme.sst("report", env={"ACME_NO_PLUGINS": "1"}).stderr
    listed = acme.sst("--help").stdout
    assert listed.index("Commands of plugins") < listed.index("What acme_hello does.")
    assert "Did you mean 'hello'" in acme.sst("helo").stderr


def test_its_own_command_called_plugins_is_told_of_like_any_other(acme: Machine) -> None:
    acme.install("acme_hello", PLUGIN, {"acme.plugins": {"hello": "acme_hello"}})
    own = "import acme.cli\nacme.cli.app.command('plugins')(lambda: print('its own'))\nacme.cli.main()\n"

    ended = acme.sst("plugins", program=(sys.executable, "-c", own))

    assert ended.stdout == "its own\n"
    assert ended.stderr.splitlines()[-1] == "told of plugins core 0"


COMPLETED: dict[str, set[str]] = {
    "acme ": {"clear", "items", "report", "telemetry", "hello"},
    "acme telemetry dis": {"disable"},
    "acme telemetry show --preview cl": {"clear"},
    "acme telemetry show --preview he": {"hello"},
    "acme items t": {"tags"},
    "acme hello ": set(),
}


@pytest.mark.parametrize(("words", "completed"), COMPLETED.items())
def test_completion_knows_its_commands_and_the_added_ones(acme: Machine, words: str, completed: set[str]) -> None:
    acme.install("acme_hello", "raise SystemExit('imported')", {"acme.commands": {"hello": "acme_hello:hello"}})
    asking = {"_ACME_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}

    ended = acme.sst(env=asking)

    assert (set(ended.stdout.split()), ended.stderr) == (completed, "")


def test_the_audit_finds_it_as_the_sender_does(acme: Machine) -> None:
    program = (sys.executable, "-P", "-m", "sst_core.audit", "acme.cli:main")

    assert "11 fields" in acme.sst(program=program).stdout


def test_a_sender_of_a_program_that_runs_when_it_is_imported_is_told(acme: Machine) -> None:
    assert acme.plugins
    (acme.plugins / "eager.py").write_text("from acme.cli import main\nmain()\n")
    program = (sys.executable, "-P", "-m", "sst_core.audit", "eager:main")

    ended = acme.sst(program=program)

    assert ended.returncode == 1
    assert "acme runs when it is imported. Guard that" in ended.stderr.splitlines()[-1]
