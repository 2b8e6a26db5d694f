"""What machines read of a deployment, and what people see of a long step."""

import json
import os
import subprocess

import pytest

from sst_core.testing import PATIENCE, Machine

_GIVING = """
import sys
from sst_core import Change, Detected, ProviderResult, Stack, hookimpl, run_tool, timed

@hookimpl
def detect_provider(context, root, settings):
    return Detected("giving", "it is a test")

@hookimpl
def deploy(context, project, options):
    command = [sys.executable, "-c", "print('the tool says')"]
    code = timed("giving it", lambda: run_tool(command, project.root, to_stderr=options.json))
    code = code or int((options.arguments or ("0",))[0])
    return ProviderResult(code, (Stack("orders-dev", {"Url": "http://x"}),))

@hookimpl
def diff(context, project, options):
    changes = (Change("Add", "Orders", "AWS::SQS::Queue"),)
    return ProviderResult(0, (Stack("orders-dev", {}, changes),))
"""


@pytest.fixture
def giving(machine: Machine) -> Machine:
    machine.install("giving", _GIVING, {"sst.plugins": {"giving": "giving"}})
    return machine


def test_json_is_all_of_stdout(giving: Machine) -> None:
    ended = giving.sst("deploy", "--stage", "dev", "--region", "eu-west-1", "--json")

    assert ended.returncode == 0
    assert ended.stderr == "the tool says\n"
    assert json.loads(ended.stdout) == {
        "command": "deploy",
        "provider": "giving",
        "stage": "dev",
        "region": "eu-west-1",
        "exit_code": 0,
        "stacks": [{"name": "orders-dev", "outputs": {"Url": "http://x"}, "changes": None}],
    }


def test_changes_are_told_by_what_happens_to_what(giving: Machine) -> None:
    (stack,) = json.loads(giving.sst("diff", "--json").stdout)["stacks"]

    assert stack["changes"] == [{"action": "Add", "resource": "Orders", "type": "AWS::SQS::Queue"}]


def test_a_failure_is_json_with_its_exit_code(giving: Machine) -> None:
    ended = giving.sst("deploy", "--json", "--", "3")

    assert ended.returncode == 3
    assert json.loads(ended.stdout)["exit_code"] == 3


def test_outputs_go_into_the_file_when_it_is_deployed_and_not_otherwise(giving: Machine) -> None:
    below = giving.folder / "below"
    below.mkdir()

    assert giving.sst("deploy", "--outputs-file", "failed.json", "--", "3").returncode == 3
    assert giving.sst("deploy", "--outputs-file", "out/outputs.json", folder=below).returncode == 0

    assert not (giving.folder / "failed.json").exists()
    written = below / "out" / "outputs.json"
    assert json.loads(written.read_text()) == {"orders-dev": {"Url": "http://x"}}


def test_outputs_may_be_secrets_and_have_the_mode_that_the_person_gives(giving: Machine) -> None:
    kept = giving.folder / "kept.json"
    kept.touch(mode=0o600)
    modest = ("sh", "-c", 'umask 077 && exec "$0" "$@"', str(giving.program))

    assert giving.sst("deploy", "--outputs-file", "kept.json").returncode == 0
    assert giving.sst("deploy", "--outputs-file", "new.json", program=modest).returncode == 0

    assert [(giving.folder / name).stat().st_mode & 0o777 for name in ("kept.json", "new.json")] == [0o600, 0o600]
    assert json.loads(kept.read_text()) == {"orders-dev": {"Url": "http://x"}}


def test_outputs_go_through_a_link_and_into_a_pipe(giving: Machine) -> None:
    target, link, pipe = (giving.folder / name for name in ("target.json", "link.json", "pipe"))
    link.symlink_to(target)
    os.mkfifo(pipe)

    assert giving.sst("deploy", "--outputs-file", "link.json").returncode == 0
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        assert giving.sst("deploy", "--outputs-file", "pipe").returncode == 0
        read, _ = reader.communicate(timeout=PATIENCE)

    assert link.is_symlink()
    assert json.loads(read) == json.loads(target.read_text()) == {"orders-dev": {"Url": "http://x"}}


def test_a_file_that_cannot_be_written_is_said_and_so_is_what_was_done(giving: Machine) -> None:
    (giving.folder / "taken").write_text("")

    ended = giving.sst("deploy", "--json", "--outputs-file", "taken/outputs.json")

    assert ended.returncode == 1
    assert "It is deployed, but " in ended.stderr
    assert json.loads(ended.stdout)["stacks"][0]["name"] == "orders-dev"


def test_a_task_gives_out_nothing_that_we_could_write(machine: Machine) -> None:
    machine.project('deploy = ["touch", "deployed"]')

    ended = machine.sst("deploy", "--outputs-file", "outputs.json")

    assert ended.returncode == 2
    assert "Only the task itself knows what it gives out." in ended.stderr
    assert not (machine.folder / "deployed").exists()
    assert json.loads(machine.sst("deploy", "--json").stdout)["stacks"] == []


def test_a_long_step_is_on_a_time_line_at_a_terminal_and_nowhere_else(giving: Machine) -> None:
    screen = giving.on_terminal("deploy", env={"SST_TELEMETRY_DISABLED": "1"})
    ended = giving.sst("deploy")

    lines = screen.text.splitlines()
    assert lines[0].endswith(" s] giving it")
    assert lines[1] == "the tool says"
    assert " s] giving it: done after " in lines[2]
    assert (ended.stdout, ended.stderr) == ("the tool says\n", "")
