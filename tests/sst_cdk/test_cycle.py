"""A CDK app through its whole life, on an AWS on loopback: what counts is what exists there, never what is said."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from clouds import SECONDS, Cloud, patiently
from sst_core.testing import Machine

pytestmark = pytest.mark.timeout(SECONDS * 4)
DIRECT = ("--method", "direct")
"""moto's change sets know nothing of half of what the CDK CLI asks of them."""


def test_an_app_is_compared_deployed_twice_and_removed(app: Machine, aws: Cloud) -> None:
    stack = f"{app.environ['APP_NAME']}-dev"

    looked = patiently(app, "diff", "--stage", "dev", "--json")
    assert looked.returncode == 0, looked.stderr
    (found,) = json.loads(looked.stdout)["stacks"]
    assert found["name"] == stack
    added = {(change["action"], change["type"]) for change in found["changes"]}
    assert {("Add", "AWS::Lambda::Function"), ("Add", "AWS::SQS::Queue"), ("Add", "AWS::DynamoDB::Table")} <= added
    assert not any("CDK::Metadata" in kind for _, kind in added), "version reporting is off"
    assert stack not in aws.stacks(), "looking leaves nothing"

    deployed = patiently(app, "deploy", "--stage", "dev", "--outputs-file", "outputs.json", "--", *DIRECT)
    assert deployed.returncode == 0, deployed.stderr + deployed.stdout
    (function,), (table,), (queue,) = aws.existing(stack)
    assert aws.functions()[function] == {"TABLE": table, "STAGE": "dev"}
    assert json.loads((app.folder / "outputs.json").read_text()) == {stack: {"QueueName": queue}}

    again = patiently(app, "deploy", "--stage", "dev", "--json", "--", *DIRECT)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["stacks"] == [{"name": stack, "outputs": {"QueueName": queue}, "changes": None}]
    assert aws.existing(stack) == ([function], [table], [queue])
    looked = patiently(app, "diff", "--stage", "dev", "--json")
    assert json.loads(looked.stdout)["stacks"][0]["changes"] == []

    removed = patiently(app, "remove", "--stage", "dev")
    assert removed.returncode == 0, removed.stderr
    assert aws.existing(stack) == ([], [], [])


def test_two_stages_at_once_have_nothing_in_common(app: Machine, aws: Cloud) -> None:
    with ThreadPoolExecutor(2) as both:
        ended = list(both.map(lambda stage: patiently(app, "deploy", "--stage", stage, "--", *DIRECT), ("one", "two")))

    assert [run.returncode for run in ended] == [0, 0], [run.stderr for run in ended]
    one, two = (aws.existing(f"{app.environ['APP_NAME']}-{stage}") for stage in ("one", "two"))
    assert [len(found) for found in (*one, *two)] == [1] * 6
    assert [aws.functions()[each[0][0]]["STAGE"] for each in (one, two)] == ["one", "two"]
    built = app.folder / ".sst" / "build"
    assert {path.name for path in built.iterdir()} == {"one", "two"}
    assert not (app.folder / "cdk.out").exists()


def test_an_app_that_does_not_synthesize_is_said_by_the_tool(app: Machine) -> None:
    (app.folder / "app.py").write_text("raise SystemExit('what is wrong with the app')\n")

    ended = patiently(app, "build", "--stage", "dev")

    assert ended.returncode == 1
    assert "what is wrong with the app" in ended.stderr


def test_no_credentials_are_said(app: Machine) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del app.environ[variable]

    ended = patiently(app, "deploy", "--stage", "dev", "--", *DIRECT)

    assert ended.returncode == 1
    assert "credentials" in ended.stderr


def test_start_serves_the_code_that_the_app_takes_it_from(app: Machine) -> None:
    terminal = app.terminal("start", "--stage", "dev", "--", "--port", "0")
    terminal.wait_for("listening on http://127.0.0.1:", SECONDS)
    url = terminal.text.partition("listening on ")[2].split()[0]

    assert httpx.post(f"{url}/orders", trust_env=False, timeout=SECONDS).text == "dev"
    handler = app.folder / "src" / "handler.py"
    handler.write_text(handler.read_text().replace('os.environ["STAGE"]', '"changed"'))
    assert httpx.post(f"{url}/orders", trust_env=False, timeout=SECONDS).text == "changed"
    assert httpx.get(f"{url}/orders", trust_env=False, timeout=SECONDS).status_code == 404

    terminal.type("\x03")
    assert terminal.end().exit_code == 130
