"""What the CDK CLI is told, and which one is not used."""

import json
import os
from pathlib import Path

import pytest

from permissions import give_away
from sst_core.testing import Machine

# What stands in for the CDK CLI: it shows what it was handed.
SHOWING = """#!/bin/sh
echo "$@"
env | grep -E '^(CDK_DISABLE.*|AWS_REGION|AWS_DEFAULT_REGION|AWS_PROFILE|SST_STAGE)=' | sort
"""


@pytest.fixture
def cdk(machine: Machine) -> Path:
    """A project of the CDK's, and a `cdk` in its `node_modules` that shows what it is handed."""
    (machine.folder / "cdk.json").write_text("{}")
    (machine.folder / "cdk.json").chmod(0o644)
    package = machine.folder / "node_modules" / "aws-cdk"
    (package / "bin").mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": "aws-cdk", "version": "2.1148.1"}))
    (package / "bin" / "cdk").write_text(SHOWING)
    (package / "bin" / "cdk").chmod(0o755)
    binaries = machine.folder / "node_modules" / ".bin"
    binaries.mkdir()
    (binaries / "cdk").symlink_to("../aws-cdk/bin/cdk")
    machine.environ["SST_STAGE"] = "dev"
    return package


def common(machine: Machine) -> str:
    return f"--no-notices --no-version-reporting --output {machine.folder}/.sst/build/dev/cdk --context stage=dev"


@pytest.mark.parametrize(
    ("action", "arguments", "words"),
    [
        ("build", (), "synth {} --quiet"),
        ("remove", (), "destroy {} --all --force"),
        ("remove", ("Orders", "--exclusively"), "destroy {} --force Orders --exclusively"),
        ("remove", ("--exclusively", "Orders"), "destroy {} --force --exclusively Orders"),
        ("remove", ("--no-color", "-e", "Orders"), "destroy {} --force --no-color -e Orders"),
        ("remove", ("--concurrency", "2"), "destroy {} --all --force --concurrency 2"),
        ("remove", ("--concurrency", "2", "Orders"), "destroy {} --force --concurrency 2 Orders"),
        ("remove", ("--concurrency=2", "Orders"), "destroy {} --force --concurrency=2 Orders"),
        ("diff", ("--strict",), "diff {} --strict"),
    ],
)
def test_each_command_is_the_tools_own(
    machine: Machine, cdk: Path, action: str, arguments: tuple[str, ...], words: str
) -> None:
    ended = machine.sst(action, "--", *arguments)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[0] == words.format(common(machine))


def test_it_is_told_to_report_nothing_and_where_it_is(machine: Machine, cdk: Path) -> None:
    machine.environ["CDK_DISABLE_CLI_TELEMETRY"] = "no"

    ended = machine.sst("deploy", "--region", "eu-west-1", "--profile", "team", "--verbose")

    outputs = machine.folder / ".sst" / "build" / "dev" / "cdk-outputs.json"
    assert ended.stdout.splitlines() == [
        f"deploy {common(machine)} --profile team --verbose --all --require-approval never --outputs-file {outputs}",
        "AWS_DEFAULT_REGION=eu-west-1",
        "AWS_PROFILE=team",
        "AWS_REGION=eu-west-1",
        "CDK_DISABLE_CLI_TELEMETRY=1",
        "CDK_DISABLE_VERSION_CHECK=1",
        "SST_STAGE=dev",
    ]


def test_on_a_terminal_the_tool_may_ask(machine: Machine, cdk: Path) -> None:
    machine.environ["SST_TELEMETRY_DISABLED"] = "1"

    assert "--force" not in machine.on_terminal("remove").text
    assert "--require-approval" not in machine.on_terminal("deploy").text


def test_the_release_that_was_a_mistake_is_refused(machine: Machine, cdk: Path) -> None:
    (cdk / "package.json").write_text(json.dumps({"name": "aws-cdk", "version": "3.0.0"}))

    ended = machine.sst("build")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "is aws-cdk 3.0.0, which can't read what apps make now" in ended.stderr
    assert "npm install --save-dev aws-cdk@^2" in ended.stderr


def test_a_tool_that_is_missing_is_127_and_is_not_fetched(machine: Machine, cdk: Path) -> None:
    (machine.folder / "node_modules" / ".bin" / "cdk").unlink()
    fetching = machine.root / "bin"
    fetching.mkdir()
    for name in ("npx", "npm"):
        (fetching / name).write_text("#!/bin/sh\n: > fetched\n")
        (fetching / name).chmod(0o755)

    ended = machine.sst("build", env={"PATH": os.pathsep.join([str(fetching), "/nowhere"])})

    assert (ended.returncode, ended.stdout) == (127, "")
    assert "npm install --save-dev aws-cdk@^2" in ended.stderr
    assert not (machine.folder / "fetched").exists()


def test_a_table_of_its_own_claims_a_project_too(machine: Machine, cdk: Path) -> None:
    (machine.folder / "cdk.json").unlink()
    (machine.folder / "sst.toml").write_text("[cdk]\n")
    (machine.folder / "sst.toml").chmod(0o644)

    assert machine.sst("build").stdout.startswith("synth ")


@pytest.mark.parametrize("told", ["[cdk]\n", 'provider = "cdk"\n[cdk]\n'])
def test_a_strangers_app_is_not_run_where_a_table_claims_the_project(machine: Machine, cdk: Path, told: str) -> None:
    (machine.folder / "sst.toml").write_text(told)
    (machine.folder / "sst.toml").chmod(0o644)
    give_away(machine.folder / "cdk.json")

    ended = machine.sst("build")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{machine.folder / 'cdk.json'} belongs to somebody else" in ended.stderr


def test_what_cannot_be_synthesized_is_not_served(machine: Machine, cdk: Path) -> None:
    (cdk / "bin" / "cdk").write_text('#!/bin/sh\necho "$1"\nexit 4\n')

    ended = machine.sst("start")

    assert (ended.returncode, ended.stdout) == (4, "synth\n")


@pytest.mark.parametrize("manifest", [None, "{", "{}", "[]", '"text"', "[" * 100_000])
def test_a_cloud_assembly_that_cannot_be_read_is_named(machine: Machine, cdk: Path, manifest: str | None) -> None:
    assembly = machine.folder / ".sst" / "build" / "dev" / "cdk"
    if manifest is not None:
        assembly.mkdir(parents=True)
        (assembly / "manifest.json").write_text(manifest)

    ended = machine.sst("start")

    assert ended.returncode == 2
    assert f"There is no cloud assembly in {assembly} that could be read." in ended.stderr


@pytest.mark.parametrize("template", [None, "{", "[" * 100_000])
def test_a_template_that_cannot_be_read_is_named(machine: Machine, cdk: Path, template: str | None) -> None:
    assembly = machine.folder / ".sst" / "build" / "dev" / "cdk"
    assembly.mkdir(parents=True)
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "one.json"}}
    (assembly / "manifest.json").write_text(json.dumps({"artifacts": {"One": stack}}))
    if template is not None:
        (assembly / "one.json").write_text(template)

    ended = machine.sst("start")

    assert ended.returncode == 2
    assert f"{assembly / 'one.json'} is no template that could be read." in ended.stderr


IN_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""A locale in which a text file is not UTF-8, as where it is Latin-1."""


def test_what_the_tool_writes_is_utf_8_whatever_the_locale(machine: Machine, cdk: Path) -> None:
    outputs = '{"One": {"Greeting": "Grüße"}}'
    (cdk / "bin" / "cdk").write_text(f"#!/bin/sh\necho '{outputs}' > .sst/build/dev/cdk-outputs.json\n")
    (machine.folder / ".sst" / "build" / "dev").mkdir(parents=True)

    ended = machine.sst("deploy", "--json", env=IN_ASCII)

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["stacks"][0]["outputs"] == {"Greeting": "Grüße"}


def test_what_the_app_was_made_into_is_utf_8_whatever_the_locale(machine: Machine, cdk: Path) -> None:
    assembly = machine.folder / ".sst" / "build" / "dev" / "cdk"
    assembly.mkdir(parents=True)
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "one.json", "stackName": "Grüße"}}
    (assembly / "manifest.json").write_text(json.dumps({"artifacts": {"One": stack}}, ensure_ascii=False), "utf-8")
    (assembly / "one.json").write_text('{"Description": "Grüße", "Resources": {}}', "utf-8")

    assert "There is nothing to serve" in machine.sst("start", env=IN_ASCII).stderr


def test_an_app_that_gives_nothing_out_has_no_outputs(machine: Machine, cdk: Path) -> None:
    ended = machine.sst("deploy", "--json")

    assert ended.returncode == 0
    assert json.loads(ended.stdout)["stacks"] == []


def test_a_cdk_that_npm_did_not_install_says_for_itself_what_it_cannot_do(machine: Machine, cdk: Path) -> None:
    (cdk / "package.json").unlink()

    assert machine.sst("build").returncode == 0
