"""Whose project it is, which tool does the work, and what is said where there is none."""

import json
import os
import re
import socket
from pathlib import Path

import pytest

from permissions import give_away
from sst_core import SST, Choice
from sst_core.testing import Machine
from sst_sam_apps import TEMPLATE, write

# What stands in for the SAM CLI: it shows what it was handed.
SHOWING = """#!/bin/sh
echo "$0" "$@"
env | grep -E '^(SAM_CLI_TELEMETRY|AWS_DEFAULT_REGION|AWS_REGION|AWS_PROFILE)=' | sort
"""


@pytest.fixture
def sam(machine: Machine) -> Path:
    """A project of SAM's, and a `sam` on the PATH that shows what it is handed."""
    write(machine.folder / "template.yaml", TEMPLATE)
    program = write(machine.root / "bin" / "sam", SHOWING)
    program.chmod(0o755)
    machine.environ["PATH"] = f"{program.parent}{os.pathsep}{machine.environ['PATH']}"
    return program


def test_the_tool_is_told_what_to_build_and_to_report_nothing(machine: Machine, sam: Path) -> None:
    machine.environ["SAM_CLI_TELEMETRY"] = "1"

    ended = machine.sst("build", "--stage", "dev", "--region", "eu-west-1", "--verbose", "--", "--use-container")

    folder = machine.folder
    assert ended.stdout.splitlines() == [
        f"{sam} build --debug --template-file {folder}/template.yaml --build-dir {folder}/.sst/build/dev/sam"
        " --use-container",
        "AWS_DEFAULT_REGION=eu-west-1",
        "AWS_REGION=eu-west-1",
        "SAM_CLI_TELEMETRY=0",
    ]
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_deployment_says_what_is_needed_and_nothing_that_is_said_already(machine: Machine, sam: Path) -> None:
    machine.environ["SST_STAGE"] = "dev"
    built = machine.folder / ".sst" / "build" / "dev" / "sam" / "template.yaml"
    stack = f"--template-file {built} --stack-name {machine.folder.name}-dev"

    def deployed(*arguments: str) -> str:
        return next(line for line in machine.sst("deploy", *arguments).stdout.splitlines() if " deploy " in line)

    needed = "--no-fail-on-empty-changeset --resolve-s3 --capabilities=CAPABILITY_IAM"
    assert deployed() == f"{sam} deploy {stack} {needed}"
    typed = ("--s3-bucket", "mine", "--capabilities", "CAPABILITY_NAMED_IAM")
    assert deployed("--", *typed) == f"{sam} deploy {stack} --no-fail-on-empty-changeset {' '.join(typed)}"
    assert deployed("--", "--s3-bucket=mine").split(stack)[1] == (
        " --no-fail-on-empty-changeset --capabilities=CAPABILITY_IAM --s3-bucket=mine"
    )
    write(machine.folder / "samconfig.toml", '[default.global.parameters]\ns3_bucket = "mine"\n')
    config = f"--config-file {machine.folder}/samconfig.toml"
    assert deployed() == f"{sam} deploy {config} {stack} --no-fail-on-empty-changeset --capabilities=CAPABILITY_IAM"
    write(machine.folder / "samconfig.toml", '[dev.deploy.parameters]\nstack_name = "theirs"\nresolve_s3 = true\n')
    assert deployed("--profile", "team") == (
        f"{sam} deploy {config} --config-env dev --profile team --template-file {built} --stack-name theirs"
        " --no-fail-on-empty-changeset --capabilities=CAPABILITY_IAM"
    )


def test_a_tool_that_is_missing_is_127_and_how_to_get_it(machine: Machine) -> None:
    write(machine.folder / "template.yaml", TEMPLATE)

    ended = machine.sst("build", "--stage", "dev", env={"PATH": str(machine.home)})

    assert (ended.returncode, ended.stdout) == (127, "")
    assert "sam is not installed" in ended.stderr
    assert "with [sam] behind it" in ended.stderr


def test_a_failing_build_is_not_deployed(machine: Machine, sam: Path) -> None:
    write(sam, '#!/bin/sh\necho "$1"\nexit 3\n').chmod(0o755)

    ended = machine.sst("deploy", "--stage", "dev")

    assert (ended.returncode, ended.stdout) == (3, "build\n")


def test_two_providers_that_claim_it_are_named_with_the_line_that_decides(machine: Machine, sam: Path) -> None:
    file = machine.project('build = ["echo", "the task"]')
    write(machine.folder / "cdk.json", "{}")

    ended = machine.sst("build")

    assert ended.returncode == 2
    for claim in (
        "tasks (it has [tasks])",
        "sam (template.yaml is a template of AWS SAM)",
        "cdk (it has a cdk.json)",
        f"Say which in {file}: provider = ",
    ):
        assert claim in ended.stderr
    file.write_text(f'provider = "tasks"\n{file.read_text()}')
    assert machine.sst("build").stdout == "the task\n"


@pytest.mark.parametrize(
    ("file", "content"), [("template.yaml", "Resources: {}\n"), ("samconfig.toml", "version = 0.1\n")]
)
def test_what_says_nothing_of_sam_is_not_claimed(machine: Machine, file: str, content: str) -> None:
    write(machine.folder / file, content)

    assert "Nothing here says how to build" in machine.sst("build").stderr


def test_a_plain_template_is_claimed_by_a_line(machine: Machine, sam: Path) -> None:
    write(machine.folder / "stack.yaml", "Resources: {}\n")
    (machine.folder / "template.yaml").unlink()
    write(machine.folder / "sst.toml", 'stage = "dev"\n[sam]\ntemplate = "stack.yaml"\n')

    assert f"--template-file {machine.folder}/stack.yaml" in machine.sst("build").stdout


@pytest.mark.parametrize("file", ["template.yaml", "cdk.json"])
def test_a_strangers_file_decides_nothing(machine: Machine, file: str) -> None:
    write(machine.folder / file, TEMPLATE).chmod(0o666)

    ended = machine.sst("build", "--stage", "dev")

    assert ended.returncode == 2
    assert f"{machine.folder / file} can be written by others" in ended.stderr


@pytest.mark.parametrize(
    ("told", "file"), [("[sam]\n", "template.yaml"), ('[sam]\ntemplate = "stack.yaml"\n', "stack.yaml")]
)
def test_a_strangers_template_is_not_built_where_a_table_claims_the_project(
    machine: Machine, sam: Path, told: str, file: str
) -> None:
    write(machine.folder / "sst.toml", told)
    give_away(write(machine.folder / file, TEMPLATE))

    ended = machine.sst("build", "--stage", "dev")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{machine.folder / file} belongs to somebody else" in ended.stderr


@pytest.mark.parametrize("file", ["template.yaml", "cdk.json"])
def test_a_file_that_is_not_trusted_is_no_matter_where_another_provider_knows_the_project(
    machine: Machine, file: str
) -> None:
    machine.project('build = ["echo", "the task"]')
    (machine.folder / file).symlink_to(machine.folder / "elsewhere")

    ended = machine.sst("build")

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "the task\n", "")


@pytest.mark.usefixtures("one_row_a_process")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[", "is not valid TOML"),
        (f"x = {'[' * 5000}", "is not valid TOML"),
        (f"{'a.' * 4000}a = 1", "is not valid TOML"),
        ("default = 3", "has to be a table"),
        ("default.deploy = 3", "has to be a table"),
    ],
)
def test_a_samconfig_that_is_broken_is_named(machine: Machine, sam: Path, content: str, words: str) -> None:
    write(machine.folder / "samconfig.toml", content)

    ended = machine.sst("deploy", "--stage", "dev")

    assert ended.returncode == 2
    assert f"{machine.folder / 'samconfig.toml'}" in ended.stderr
    assert words in ended.stderr


def test_what_is_recorded_is_the_command_and_nothing_of_the_provider(machine: Machine, sam: Path) -> None:
    machine.sst("telemetry", "enable")

    machine.sst("deploy", "--stage", "production", "--region", "eu-west-1", "--profile", "team")

    (run,) = machine.queued()
    recorded = run.read_text()
    assert json.loads(recorded)["command"] == "deploy"
    assert not [word for word in ("sam", "production", "eu-west-1", "team", machine.folder.name) if word in recorded]


def test_no_provider_is_a_value_of_the_catalogue() -> None:
    values = [value for field in SST.catalogue if isinstance(field.kind, Choice) for value in field.kind.values]

    assert not {"sam", "cdk", "tasks"} & set(values)


@pytest.mark.parametrize("action", ["diff", "start"])
def test_a_failing_build_is_neither_compared_nor_served(machine: Machine, sam: Path, action: str) -> None:
    write(sam, '#!/bin/sh\necho "$1"\nexit 3\n').chmod(0o755)
    write(machine.folder / "template.yaml", TEMPLATE)
    source = re.findall(r"CodeUri: *(\S+)", TEMPLATE)[0].strip("\"'")
    write(machine.folder / source / "requirements.txt", "")

    ended = machine.sst(action, "--stage", "dev")

    assert (ended.returncode, ended.stdout) == (3, "build\n")


@pytest.mark.parametrize("template", ['"nowhere.yaml"', "3", '"."'])
def test_a_template_that_is_no_file_is_said(machine: Machine, template: str) -> None:
    file = write(machine.folder / "sst.toml", f"[sam]\ntemplate = {template}\n")

    ended = machine.sst("build", "--stage", "dev")

    assert ended.returncode == 2
    assert f"{file}: [sam] template has to be the path of a template." in ended.stderr


def test_no_template_at_all_is_said_with_the_names_it_may_have(machine: Machine) -> None:
    write(machine.folder / "sst.toml", "[sam]\n")

    ended = machine.sst("build", "--stage", "dev")

    assert ended.returncode == 2
    assert f"There is no template in {machine.folder}: none of template." in ended.stderr


SERVED = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Here:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      CodeUri: src/
      Handler: handler.handler
      Events:
        Get:
          Type: HttpApi
          Properties: {Path: /here, Method: get}
  Elsewhere:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      CodeUri: s3://bucket/code.zip
      Handler: handler.handler
      Events:
        Get:
          Type: HttpApi
          Properties: {Path: /elsewhere, Method: get}
"""


def test_what_has_requirements_is_built_before_it_is_served(machine: Machine, sam: Path) -> None:
    pytest.importorskip("awslambdaric")
    write(machine.folder / "template.yaml", SERVED)
    write(machine.folder / "src" / "requirements.txt", "")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = machine.sst("start", "--stage", "dev", "--", "--port", f"{port}")

    assert ended.stdout.startswith(f"{sam} build ")
    assert (ended.returncode, f"Port {port} can't be listened on" in ended.stderr) == (1, True), ended.stderr
