"""Every block of the README and of the docs is run by a test, here or where it says, or is no command and read as what
it is. One that is neither fails."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from collecting import a_run
from permissions import give_away
from reading import ROOT, Block, blocks_of
from sst_collector.doctor import examine
from sst_collector.journal.writing import Journal
from sst_collector.loader import load
from sst_collector.publishing.publication import publish
from sst_collector.warehouse.clock_ahead import ClockAheadError, refuse_if_ahead
from sst_collector.warehouse.duckdb.warehouse import opened
from sst_core import SST
from sst_core.cli import command_table
from sst_core.testing import PROGRAM, Machine

TASKS = [f'{name} = ["true"]' for name in ("build", "start", "deploy", "remove", "diff")]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
BLOCKS = [block for page in PAGES for block in blocks_of(page)]

WHOLE = {
    "docs/adopting.md": "test_walkthroughs.py",
    "docs/collecting-plugins.md": "test_walkthroughs.py",
    "docs/verify-it-yourself.md": "test_docs.py",
    "docs/writing-a-plugin.md": "test_tutorial.py",
}
"""Pages that another test runs from the first block to the last."""
PUT_TO_USE = ("nginx", "caddyfile", "ini")
"""What tests/sst_collector/test_documented.py has the real program read."""
NO_COMMAND = {
    "docs/hooks.md: sst: plugin 'hello' (hello-sst 1.0) failed in loading: it needs the module yaml, which is not "
    "installed; SST_DISABLE_PLUGINS=hello switches it off",
    "docs/scaling.md: 97 d · 86,400 s/d · 38 B = 318 GB for each 1,000 events a second,",
    "docs/scaling.md: at 1,000/s: 42 d · 86,400 s/d · 1,000/s · 16 B = 58 GB",
    "docs/scaling.md:             TLS, any balancer; nothing is sticky",
}
"""An output that is shown, arithmetic, a drawing."""
NEEDS_ROOT = ("systemctl enable --now sst-collector", "journalctl -u sst-collector -f")
"""Run by tests/sst_collector/test_documented.py in a tree of its own, where nothing is started."""
NEEDS_DOCKER = ("docker build --tag sst-collector .", "docker run --detach --publish 127.0.0.1:8777:8777 ")
"""Run, with the Dockerfile above them, by tests/containers."""
NEEDS_SERVERS = "clickhouse://"
"""Understood by the command line here; run on real servers by tests/sst_collector."""


def kind_of(block: Block) -> str:
    """Whose it is."""
    if block.page in WHOLE:
        return "a page that is run whole"
    if block.language.startswith("{"):
        return "the site's"  # a directive, and the site's build fails for a wrong one
    if block.language in PUT_TO_USE:
        return "put to use"
    if str(block) in NO_COMMAND:
        return "no command"
    if block.language:
        return block.language
    first = block.lines[0]
    return next((kind for kind, begins in BEGINNINGS.items() if re.match(begins, first)), "commands")


BEGINNINGS = {"plugin": r"# hello\.py$", "toml": r"\[\w+\]$|\w+ = \"", "python": r"\w+ = [a-z]+\."}
KINDS = {
    *("a page that is run whole", "the site's", "put to use", "no command"),
    *("plugin", "toml", "json", "python", "dockerfile", "commands", "sh", "bash"),
}


def of_kind(*kinds: str) -> list[Block]:
    """All of them."""
    return [block for block in BLOCKS if kind_of(block) in kinds]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_of_a_kind_that_something_looks_at(block: Block) -> None:
    assert kind_of(block) in KINDS


def test_what_is_said_to_be_no_command_is_there() -> None:
    assert {str(block) for block in BLOCKS} >= NO_COMMAND


@pytest.mark.parametrize("page", WHOLE)
def test_a_page_that_is_run_whole_is_run_by_the_test_that_is_named(page: str) -> None:
    assert f'{Path(page).name}"' in (Path(__file__).parent / WHOLE[page]).read_text()


@pytest.mark.parametrize("language", PUT_TO_USE)
def test_what_is_put_to_use_is_put_to_use(language: str) -> None:
    (_,) = [block for block in BLOCKS if block.language == language]

    assert f'block("{language}")' in (ROOT / "tests/sst_collector/test_documented.py").read_text()


def commands_of(block: Block) -> Iterator[str]:
    """Each by itself, less what it is handed on stdin."""
    text = re.sub(r"(<<'(\w+)'\n).*?^\2\n", r"\1", block.text, flags=re.DOTALL | re.MULTILINE)
    for line in replace(block, text=text).lines:
        if not line.startswith("#"):
            yield from re.split(r" && ", re.sub(r" +# .*", "", line.strip()))


IN_A_TABLE = re.findall(r"^\| `(sst [^`]+)` \|", (ROOT / "docs/using.md").read_text(), re.MULTILINE)
COMMANDS = [(block, command) for block in of_kind("commands", "bash", "sh") for command in commands_of(block)]


def understood(words: list[str]) -> None:
    """Have the command line parse them, and run nothing. Raises what Typer raises of a wrong one."""
    context: Any = None
    command: Any = command_table(SST)
    while True:
        context = command.make_context(words[0], words[1:], parent=context)
        rest = [*context._protected_args, *context.args]
        if not hasattr(command, "resolve_command") or not rest:
            return
        name, command, rest = command.resolve_command(context, rest)
        words = [name, *rest]


def extras_of(requirement: str) -> set[str]:
    """Those that it names."""
    return set(re.findall(r"\w+", (re.findall(r"\[(.*)\]", requirement) or [""])[0]))


@pytest.mark.parametrize(("block", "command"), COMMANDS, ids=lambda value: str(value).rpartition(": ")[2])
def test_a_command_is_one_that_there_is(block: Block, command: str) -> None:
    words = shlex.split(command)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    match words:
        case ["sst", "--install-completion"]:
            pass  # it takes effect as it is parsed: run below, on a machine of its own
        case (
            ["python3", "-c", _, "warehouse.duckdb", *_]
            | ["rm", "-f", "journal/*"]
            | ["python3", "-", _, "<<END"]
            | ["chown", "-h", "--reference=.", "warehouse.*"]
        ):
            pass  # run below, on one
        case ["npx", "sst", *rest] | ["sst", *rest]:
            understood(["sst", *rest])
        case ["python3", "-m", "nox", "-s", session]:
            assert f"python3 -m nox -s {session}" in (ROOT / ".ci" / "run").read_text().splitlines()
        case ["python3", "-m", "pip", "install", "nox"]:
            assert "\npython3 -m pip install --constraint constraints.txt nox\n" in (ROOT / ".ci" / "run").read_text()
        case ["/opt/sst/bin/pip", "install", what]:
            assert what.partition("[")[0] == "."  # not by name: on the index that is another project's
            assert extras_of(what) <= set(project["optional-dependencies"])
        case ["npm", "install", "--save-dev", package]:
            name, _, version = package.rpartition("@")
            tested = json.loads((ROOT / "tests/sst_cdk/package.json").read_text())
            needs = {**tested.get("dependencies", {}), **tested.get("devDependencies", {})}[name]
            assert re.findall(r"\d+", needs)[0] == version.lstrip("^")
        case ["python3", "-m", "venv", ".venv"] | [".", ".venv/bin/activate"]:
            assert ".venv/" in (ROOT / ".gitignore").read_text().splitlines()
        case ["python3", "-m", "venv", folder]:
            unit = next(block for block in BLOCKS if block.language == "ini")
            assert f"ExecStart={folder}/bin/sst " in unit.text
        case ["cd", folder]:
            assert (ROOT / folder).is_dir()
        case ["export", assignment]:
            variable = assignment.partition("=")[0]
            assert f'"{variable}"' in (ROOT / "plugins/sst_collector/warehouse/clickhouse/address.py").read_text()
        case _:
            assert command.startswith((*NEEDS_ROOT, *NEEDS_DOCKER)), "nobody runs this"


@pytest.mark.parametrize("command", IN_A_TABLE)
def test_a_command_of_the_table_is_one_that_there_is(command: str) -> None:
    understood(shlex.split(command))


def test_a_command_that_there_is_not_is_noticed() -> None:
    for wrong in ("sst telemetry disable --nope", "sst bild", "sst collector stats --data x --window 31"):
        with pytest.raises(typer.TyperException):
            understood(wrong.split())


@pytest.fixture
def reader(machine: Machine) -> Machine:
    """Somebody with a project whose tasks do nothing."""
    machine.project(*TASKS)
    machine.environ["PATH"] = os.pathsep.join([str(PROGRAM.parent), machine.environ["PATH"]])
    return machine


OPERATORS = "docs/collector.md"
NEEDS_AN_APP_OF_AWS = "--outputs-file"
"""A task doesn't know what it gives out."""
RUNNABLE = [
    block
    for block in of_kind("commands", "bash", "sh")
    if "sst " in block.text and block.page != OPERATORS and NEEDS_AN_APP_OF_AWS not in block.text
]


@pytest.mark.parametrize("block", RUNNABLE, ids=str)
def test_what_a_user_runs_works(reader: Machine, block: Block) -> None:
    """As it stands: `npx` is what finds the original client."""
    script = block.text.replace("npx sst", "sst")
    if "--install-completion" in script:
        script += "true\n"  # or bash becomes it, and it looks for the shell that it was run in

    run = reader.sst("-euc", script, program=("bash",))

    assert run.returncode == 0, run.stderr


def test_what_needs_an_app_of_aws_is_run_on_one() -> None:
    (block,) = [block for block in of_kind("commands") if NEEDS_AN_APP_OF_AWS in block.text]
    tested = "".join((ROOT / "tests" / file).read_text() for file in ("sst_sam/test_cycle.py", "examples/test_shop.py"))

    for command in commands_of(block):
        assert all(f'"{word}"' in tested for word in shlex.split(command)[1:2]), command
    assert '"--outputs-file"' in tested


def test_what_an_operator_runs_works_elsewhere() -> None:
    """Each `sst collector` of the collector's page is run by the tests of its help, or needs a ClickHouse."""
    run = {"serve", "export", "stats", "doctor"}
    commands = [command for block, command in COMMANDS if block.page == OPERATORS and "sst coll" in command]

    assert len(commands) >= 5
    for command in commands:
        assert NEEDS_SERVERS in command or shlex.split(command)[2] in run, command


def test_after_going_back_as_the_page_says_no_week_is_published_a_second_time(tmp_path: Path) -> None:
    """The backup is of the middle of a week: some of it is in the warehouse, some in the journal."""
    block = of_operators("INSERT INTO published_weeks")
    during, after = datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
    journal = Journal(tmp_path / "journal", lambda: during)
    with opened(tmp_path / "warehouse.duckdb", SST.catalogue) as warehouse:
        journal.write([json.dumps(a_run()).encode() for _ in range(12)])
        load(journal.rotate(), warehouse)
    journal.write([json.dumps(a_run()).encode() for _ in range(12)])
    journal.close()

    run_by_an_operator(block, tmp_path)

    journal = Journal(tmp_path / "journal", lambda: after)
    with opened(tmp_path / "warehouse.duckdb", SST.catalogue) as warehouse:
        load(journal.rotate(), warehouse)
        for now in (after, after + timedelta(weeks=1), after + timedelta(weeks=2)):
            assert publish(warehouse, SST.catalogue, 10, now) == []


def test_after_a_clock_that_was_ahead_what_the_page_says_has_weeks_published_again(tmp_path: Path) -> None:
    """What was published of weeks to come, and what was filed there, is gone; what arrived since is not."""
    right, ahead = datetime(2026, 12, 1, tzinfo=UTC), datetime(2028, 1, 5, tzinfo=UTC)

    def arrives(runs: int, now: datetime) -> Sequence[Path]:
        journal = Journal(tmp_path / "journal", lambda: now)
        journal.write([json.dumps(a_run()).encode() for _ in range(runs)])
        return journal.rotate()

    with opened(tmp_path / "warehouse.duckdb", SST.catalogue) as warehouse:
        for runs, now in ((11, right), (12, ahead), (13, ahead + timedelta(weeks=1))):
            load(arrives(runs, now), warehouse)
            publish(warehouse, SST.catalogue, 10, now)
        with pytest.raises(ClockAheadError, match="2028-W02 is in the warehouse"):
            refuse_if_ahead(warehouse, right)
    arrives(14, ahead)
    segments = arrives(15, right)

    (tmp_path / "lock").touch()
    if os.geteuid() == 0:
        give_away(tmp_path)
    run_by_an_operator(of_operators("DELETE FROM"), tmp_path)

    assert (tmp_path / "warehouse.stale").stat().st_uid == tmp_path.stat().st_uid
    looked_at = {checked.what: checked.advice for checked in examine(tmp_path, None, 3600, right, None)}
    assert looked_at["the warehouse holds 11 runs, and 1 published week"] is None
    with opened(tmp_path / "warehouse.duckdb", SST.catalogue) as warehouse:
        refuse_if_ahead(warehouse, right)
        assert warehouse.kept_weeks() == ["2026-W49"]  # or it could not be moved
        load(segments, warehouse)
        publish(warehouse, SST.catalogue, 10, right + timedelta(weeks=2))
        told = {week.week: week.cells[0].runs for week in warehouse.published_weeks(since="")}
    assert told == {"2026-W49": 11, "2026-W50": 15}


def of_operators(words: str) -> Block:
    (block,) = [block for block in of_kind("sh") if block.page == OPERATORS and words in block.text]
    return block


def run_by_an_operator(block: Block, folder: Path) -> None:
    environ = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    subprocess.run(["bash", "-euc", block.text.replace("python3", "python")], cwd=folder, env=environ, check=True)


def test_the_containers_entry_point_is_a_command() -> None:
    (block,) = of_kind("dockerfile")
    said = dict(line.split(" ", 1) for line in block.lines)

    understood(json.loads(said["ENTRYPOINT"]))
    assert extras_of(said["RUN"].split("'")[1]) == {"collector"}
    assert f"EXPOSE {_default_port()}" in block.lines


def _default_port() -> int:
    cli = import_module("sst_collector.cli")
    serve = get_command(cli.app).commands["serve"]  # type: ignore[attr-defined]
    (port,) = [parameter.default for parameter in serve.params if parameter.name == "port"]
    return int(port)


@pytest.mark.parametrize("block", of_kind("toml"), ids=str)
def test_a_configuration_is_one_that_commands_take(machine: Machine, block: Block) -> None:
    told = tomllib.loads(block.text)
    machine.project(*TASKS)
    (machine.folder / "sst.toml").write_text(block.text.replace("/opt/sam/bin/sam", "/bin/true"))
    if template := told.get("sam", {}).get("template"):
        (machine.folder / template).touch()

    run = machine.sst("build", "--stage", "dev")

    assert str(machine.folder / "sst.toml") not in run.stderr
    assert set(told) <= {"name", "provider", "stage", "region", "profile", "sam", "tasks"}


def test_the_plugin_says_how_a_command_ended(machine: Machine, tmp_path: Path) -> None:
    (block,) = of_kind("plugin")
    assert block.page == "docs/hooks.md"
    code, _, toml = block.text.partition("# pyproject.toml\n")
    (tmp_path / "written").mkdir()
    (tmp_path / "written" / "hello.py").write_text(code)
    points = tomllib.loads(toml)["project"]["entry-points"]
    machine.install("hello", code, points)
    machine.project('build = ["true"]')

    assert machine.sst("build").stderr == "build ok\n"


@pytest.mark.parametrize("block", of_kind("python"), ids=str)
def test_a_line_of_an_app_is_python(block: Block) -> None:
    assert ast.parse(block.text).body


def test_the_event_that_is_shown_is_one_that_is_sent() -> None:
    (block,) = of_kind("json")

    event = json.loads(block.text)
    assert SST.catalogue.envelope(a_run(command=event["properties"]["command"]))["events"] == [event]
