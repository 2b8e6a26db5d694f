"""A SAM app through its whole life, on an AWS on loopback: what counts is what exists there, never what is said."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clouds import BUCKET, SECONDS, Cloud, patiently
from sst_core.testing import Machine
from sst_sam_apps import name, write

pytestmark = pytest.mark.timeout(SECONDS * 3)


def test_an_app_is_built_compared_deployed_twice_and_removed(app: Machine, aws: Cloud) -> None:
    stack = f"{name(app)}-dev"

    looked = patiently(app, "diff", "--stage", "dev", "--json")
    assert looked.returncode == 0, looked.stderr
    (found,) = json.loads(looked.stdout)["stacks"]
    added = {(change["action"], change["type"]) for change in found["changes"]}
    assert {("Add", "AWS::Lambda::Function"), ("Add", "AWS::SQS::Queue"), ("Add", "AWS::DynamoDB::Table")} <= added
    assert stack not in aws.stacks(), "looking leaves nothing"
    assert aws.existing(stack) == ([], [], [])

    deployed = patiently(app, "deploy", "--stage", "dev", "--outputs-file", "outputs.json")
    assert deployed.returncode == 0, deployed.stderr + deployed.stdout
    (function,), (table,), (queue,) = aws.existing(stack)
    assert aws.functions()[function] == {"TABLE": table}
    assert json.loads((app.folder / "outputs.json").read_text()) == {stack: {"Queue": queue}}

    again = patiently(app, "deploy", "--stage", "dev", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["stacks"] == [{"name": stack, "outputs": {"Queue": queue}, "changes": None}]
    assert "Building codeuri" in again.stderr
    assert aws.existing(stack) == ([function], [table], [queue])

    removed = patiently(app, "remove", "--stage", "dev")
    assert removed.returncode == 0, removed.stderr
    assert aws.existing(stack) == ([], [], [])


def test_two_stages_at_once_have_nothing_in_common(app: Machine, aws: Cloud) -> None:
    with ThreadPoolExecutor(2) as both:
        ended = list(both.map(lambda stage: patiently(app, "deploy", "--stage", stage), ("one", "two")))

    assert [run.returncode for run in ended] == [0, 0], [run.stderr for run in ended]
    one, two = (aws.existing(f"{name(app)}-{stage}") for stage in ("one", "two"))
    assert [len(found) for found in (*one, *two)] == [1] * 6
    assert sorted(path.name for path in (app.folder / ".sst" / "build").iterdir()) == ["one", "two"]

    assert patiently(app, "remove", "--stage", "one").returncode == 0
    assert aws.existing(f"{name(app)}-one") == ([], [], [])
    assert aws.existing(f"{name(app)}-two") == two


def test_a_stage_of_samconfig_keeps_what_it_says(app: Machine, aws: Cloud) -> None:
    stack = f"{name(app)}-of-its-own"
    write(
        app.folder / "samconfig.toml",
        f'version = 0.1\n[prod.deploy.parameters]\nstack_name = "{stack}"\ns3_bucket = "{BUCKET}"\n',
    )

    deployed = patiently(app, "deploy", "--stage", "prod")

    assert deployed.returncode == 0, deployed.stderr
    assert [len(found) for found in aws.existing(stack)] == [1, 1, 1]


def test_without_a_bucket_the_sam_cli_makes_its_own(app: Machine, aws: Cloud) -> None:
    (app.folder / "samconfig.toml").unlink()

    deployed = patiently(app, "deploy", "--stage", "dev")

    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert "aws-sam-cli-managed-default" in aws.stacks()
    assert [len(found) for found in aws.existing(f"{name(app)}-dev")] == [1, 1, 1]


def test_what_is_built_is_in_the_stages_own_folder(app: Machine) -> None:
    ended = patiently(app, "build", "--stage", "dev")

    assert ended.returncode == 0, ended.stderr
    built = app.folder / ".sst" / "build" / "dev" / "sam"
    assert (built / "Orders" / "handler.py").read_text() == (app.folder / "src" / "handler.py").read_text()
    assert not (app.folder / ".aws-sam" / "build").exists()


def test_a_stack_that_fails_is_the_commands_failure(app: Machine, aws: Cloud) -> None:
    broken = (app.folder / "template.yaml").read_text() + "  Nobody:\n    Value: !GetAtt Queue.NoSuchThing\n"
    broken = broken.replace("AWS::SQS::Queue\n", "AWS::SQS::Queue\n    Properties: {VisibilityTimeout: none}\n")
    write(app.folder / "template.yaml", broken)

    ended = patiently(app, "deploy", "--stage", "dev", "--json")

    assert ended.returncode == 1
    assert json.loads(ended.stdout)["exit_code"] == 1
    assert "Failed" in ended.stderr or "ROLLBACK" in ended.stderr
    assert aws.stacks()[f"{name(app)}-dev"] == "ROLLBACK_COMPLETE"


def test_a_template_that_does_not_parse_is_said_by_the_tool(app: Machine) -> None:
    write(app.folder / "template.yaml", "Transform: AWS::Serverless-2016-10-31\nResources: [\n")

    ended = patiently(app, "deploy", "--stage", "dev")

    assert ended.returncode == 1
    assert "Failed to parse template" in ended.stderr


def test_no_credentials_are_said(app: Machine) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del app.environ[variable]

    ended = patiently(app, "remove", "--stage", "dev")

    assert ended.returncode == 1
    assert "redentials" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_profile_that_is_not_there_is_said(app: Machine) -> None:
    ended = patiently(app, "remove", "--stage", "dev", "--profile", "nobodys")

    assert ended.returncode == 1
    assert "profile" in ended.stderr
    assert "nobodys" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_region_that_is_none_is_said_before_anything_is_done(app: Machine) -> None:
    ended = patiently(app, "deploy", "--stage", "dev", "--region", "atlantis")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert not Path(app.folder / ".sst").exists()


def test_what_follows_the_dashes_is_the_tools(app: Machine) -> None:
    ended = patiently(app, "build", "--stage", "dev", "--", "--no-such-option")

    assert ended.returncode == 2
    assert "--no-such-option" in ended.stderr
