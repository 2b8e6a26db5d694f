"""What CloudFormation is asked, and what its answers mean: of a server on loopback that says what a test has it say."""

import os
import socket
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest

from loopback import Loopback, Request, answer
from sst_aws.stacks import Cloud
from sst_core import SstError, ToolNotFoundError

MISSING = ("ValidationError", "Stack with id app does not exist")
DENIED = ("AccessDenied", "not for you")
Failure = tuple[str, str]


class Service:
    """Answers each action with what stands in `answers`: XML, a failure, or one of either a time."""

    def __init__(self) -> None:
        self.answers: dict[str, str | Failure | list[str | Failure]] = {}
        self.asked: list[str] = []
        self.change_sets: dict[str, set[str]] = {}
        """Those that were named, by action."""

    def reply(self, connection: socket.socket, request: Request) -> bool:
        parameters = parse_qs(request.raw.partition(b"\r\n\r\n")[2].decode())
        (action,) = parameters["Action"]
        self.asked.append(action)
        self.change_sets.setdefault(action, set()).update(parameters.get("ChangeSetName", ()))
        found = self.answers[action]
        told = found.pop(0) if isinstance(found, list) else found
        if isinstance(told, tuple):
            code, message = told
            error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            return answer(400, f"<ErrorResponse>{error}</ErrorResponse>".encode())(connection, request)
        xml = f"<{action}Response><{action}Result>{told}</{action}Result></{action}Response>"
        return answer(200, xml.encode())(connection, request)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, loopback: Loopback) -> Service:
    told = Service()
    loopback.otherwise = told.reply
    as_somebody(monkeypatch, loopback.url.removesuffix("/events"))
    return told


def as_somebody(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for variable in os.environ:
        if variable.startswith("AWS_") or variable.lower().endswith("_proxy"):
            monkeypatch.delenv(variable)
    settings = {
        "AWS_ENDPOINT_URL_CLOUDFORMATION": url,
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)


@pytest.fixture
def cloud() -> Cloud:
    return Cloud("eu-west-1", None)


def stack(status: str = "CREATE_COMPLETE", **outputs: str) -> str:
    given = "".join(
        f"<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>"
        for key, value in outputs.items()
    )
    return (
        f"<Stacks><member><StackName>app</StackName><StackStatus>{status}</StackStatus>"
        f"<Outputs>{given}</Outputs></member></Stacks>"
    )


def change_sets(*ids: str) -> str:
    listed = "".join(f"<member><StackName>app</StackName><ChangeSetId>{each}</ChangeSetId></member>" for each in ids)
    return f"<Summaries>{listed}</Summaries>"


def test_a_stack_is_told_with_what_it_gives_out(cloud: Cloud, service: Service) -> None:
    service.answers["DescribeStacks"] = stack(Url="https://a.example")

    assert cloud.stack("app").outputs == {"Url": "https://a.example"}


@pytest.mark.parametrize(
    ("body", "resources"), [("Resources: {A: {Type: !Ref B}}", {"A": {"Type": {"Ref": "B"}}}), ("{}", None)]
)
def test_a_deployed_template_is_read_as_one_that_is_handed_in(
    cloud: Cloud, service: Service, body: str, resources: Mapping[str, Any] | None
) -> None:
    service.answers |= {"DescribeStacks": stack(), "GetTemplate": f"<TemplateBody>{body}</TemplateBody>"}

    assert cloud.template("app").get("Resources") == resources


@pytest.mark.parametrize("there", [MISSING, stack("REVIEW_IN_PROGRESS")])
def test_a_stack_that_was_never_deployed_holds_nothing(cloud: Cloud, service: Service, there: str | Failure) -> None:
    service.answers["DescribeStacks"] = there

    assert cloud.template("app") == cloud.resources("app") == {}
    assert service.asked == ["DescribeStacks"] * 2


def test_what_cloudformation_refuses_is_an_error_in_its_words(cloud: Cloud, service: Service) -> None:
    service.answers |= {"DescribeStacks": DENIED, "ListChangeSets": DENIED}

    for ask in (cloud.stack, cloud.resources, cloud.template):
        with pytest.raises(SstError, match=r"CloudFormation can't be asked: .*AccessDenied.*not for you"):
            ask("app")
    with pytest.raises(SstError, match="AccessDenied"), cloud.only_looking("app"):
        pytest.fail("nothing is looked at")
    assert cloud.resources_if_any("app") == {}


@pytest.mark.parametrize(
    ("before", "after", "deleted"),
    [
        (MISSING, stack("REVIEW_IN_PROGRESS"), ["DeleteStack"]),
        (MISSING, stack("CREATE_COMPLETE"), []),  # somebody has deployed it meanwhile
        (stack(), stack(), []),
    ],
)
def test_only_looking_takes_away_what_was_made_to_look(
    cloud: Cloud, service: Service, before: str | Failure, after: str, deleted: list[str]
) -> None:
    was_there = before != MISSING
    service.answers |= {
        "ListChangeSets": [change_sets("theirs") if was_there else MISSING, *[change_sets("theirs", "ours")] * 2],
        "DescribeStacks": [before, after],
        "DescribeChangeSet": (
            "<Changes><member><ResourceChange><Action>Add</Action><LogicalResourceId>A</LogicalResourceId>"
            "<ResourceType>AWS::SQS::Queue</ResourceType></ResourceChange></member></Changes>"
        ),
        "DeleteChangeSet": "",
        "DeleteStack": "",
    }
    expected = {"ours"} if was_there else {"theirs", "ours"}

    with cloud.only_looking("app") as changes:
        found = changes().changes

    assert found is not None
    assert [(each.action, each.resource, each.kind) for each in found] == [("Add", "A", "AWS::SQS::Queue")] * len(
        expected
    )
    assert service.asked.count("DeleteChangeSet") == len(expected)
    assert service.change_sets["DeleteChangeSet"] == service.change_sets["DescribeChangeSet"] == expected
    assert [action for action in service.asked if action == "DeleteStack"] == deleted


def test_a_service_that_nobody_reaches_is_an_error_in_words(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    as_somebody(monkeypatch, "http://127.0.0.1:9")

    with pytest.raises(SstError, match="CloudFormation can't be asked: Could not connect"):
        cloud.stack("app")
    assert cloud.resources_if_any("app") == {}


def test_without_boto3_it_is_said_how_to_get_it(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("boto3", "botocore", "botocore.exceptions"):
        monkeypatch.setitem(sys.modules, module, None)

    for ask in (cloud.stack, cloud.resources, cloud.template):
        with pytest.raises(ToolNotFoundError, match=r"boto3 is not installed.*with \[sam\] or \[cdk\]"):
            ask("app")
    assert cloud.resources_if_any("app") == {}


def test_all_that_is_asked_is_asked_in_one_session(
    cloud: Cloud, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, make = [], boto3.Session

    def session(**options: Any) -> Any:
        sessions.append(options)
        return make(**options)

    monkeypatch.setattr(boto3, "Session", session)
    service.answers |= {"DescribeStacks": stack(), "GetTemplate": "<TemplateBody>{}</TemplateBody>"}
    cloud.stack("app")
    cloud.template("app")

    assert sessions == [{"region_name": "eu-west-1", "profile_name": None}]
