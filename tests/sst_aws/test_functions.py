"""What of a template runs here, what its variables are, and what is said of the rest."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sst_aws.live.functions import Function, Live, live

HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
CODE = (Path("code"),)


def found(
    resources: Mapping[str, Any], *, known: Mapping[str, str] | None = None, folders: tuple[Path, ...] = CODE
) -> Live:
    template = {"Parameters": {"Stage": {"Default": "dev"}, "Asked": {}}, "Resources": resources}
    return live(template, lambda *_: folders, lambda: known or {}, {"AWS::Region": "eu-west-1"})


def of(kind: str = "AWS::Lambda::Function", **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": {"Runtime": HERE, "Handler": "a.b", **properties}}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("text", "text"),
        (3, "3"),
        (0.5, "0.5"),
        (True, "true"),
        ({"Ref": "Stage"}, "dev"),
        ({"Ref": "Table"}, "Table-1"),
        ({"Ref": "Asked"}, None),
        ({"Fn::Sub": "${AWS::Region}/${Stage}/${!Literal}"}, "eu-west-1/dev/${!Literal}"),
        ({"Fn::Sub": "${Stage}/${Asked}"}, None),
        ({"Fn::Join": ["-", [{"Ref": "Stage"}, "a", 1]]}, "dev-a-1"),
        ({"Fn::Join": ["-", [{"Ref": "Asked"}, "a"]]}, None),
        ({"Fn::GetAtt": ["Table", "Arn"]}, None),
    ],
)
def test_a_variable_is_resolved_as_far_as_that_can_be_done_here(given: object, told: str | None) -> None:
    environment = {"Variables": {"V": given}}

    app = found({"F": of(Environment=environment)}, known={"Table": "Table-1"})

    assert app.functions["F"].environ == ({} if told is None else {"V": told})
    assert app.left_out == (() if told else ("F has no V: only AWS knows what it stands for",))


def test_what_is_deployed_is_asked_for_once_and_only_where_it_is_needed() -> None:
    asked = []

    def known() -> Mapping[str, str]:
        asked.append(1)
        return {"A": "a-1", "B": "b-1"}

    def of_variables(**variables: object) -> Mapping[str, str]:
        resources = {"F": of(Environment={"Variables": variables})}
        return live({"Resources": resources}, lambda *_: CODE, known, {}).functions["F"].environ

    assert of_variables(ONE="1") == {"ONE": "1"}
    assert not asked
    assert of_variables(A={"Ref": "A"}, B={"Ref": "B"}) == {"A": "a-1", "B": "b-1"}
    assert asked == [1]


def test_a_function_is_what_the_template_says_of_it() -> None:
    assert found({"F": of(Timeout=30, MemorySize=512), "G": of(Timeout={"Ref": "Stage"})}).functions == {
        "F": Function("F", "a.b", CODE, {}, 30.0, 512),
        "G": Function("G", "a.b", CODE, {}, 3.0, 128),
    }


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({"PackageType": "Image"}, "its code is an image"),
        ({"Runtime": "nodejs22.x"}, "its runtime is nodejs22.x, and only Python's run here"),
        ({"Handler": None}, "it names no handler"),
        ({"Handler": {"Ref": "Stage"}}, "it names no handler"),
    ],
)
def test_why_a_function_is_not_run_is_said(properties: Mapping[str, Any], why: str) -> None:
    app = found({"F": of(**properties)})

    assert (app.functions, app.left_out) == ({}, (f"F is not run: {why}",))


def test_code_that_is_not_here_is_not_run() -> None:
    assert found({"F": of()}, folders=()).left_out == ("F is not run: its code is not in a folder of this machine",)


def test_another_python_is_said() -> None:
    app = found({"F": of(Runtime="python3.8")})

    assert list(app.functions) == ["F"]
    assert app.left_out == (f"F runs on {HERE} here, and on python3.8 when it is deployed",)


@pytest.mark.parametrize(
    "template",
    [
        {"Resources": None},
        {"Globals": None, "Parameters": None},
        {"Globals": {"Function": None}, "Parameters": {"Stage": None}},
        {"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": None}}},
        {"Resources": {"F": of(Environment=None)}},
        {"Resources": {"F": of(Environment={"Variables": None})}},
        {"Resources": {"F": of("AWS::Serverless::Function", Events=None)}},
        {"Resources": {"F": of("AWS::Serverless::Function", Events={"Get": {"Type": "HttpApi", "Properties": None}})}},
        {"Resources": {"F": of("AWS::Serverless::Function", Events={"Get": None})}},
        {"Resources": {"R": {"Type": "AWS::ApiGatewayV2::Route", "Properties": None}}},
        {
            "Resources": {
                "R": {"Type": "AWS::ApiGatewayV2::Route", "Properties": {"Target": {"Ref": "I"}}},
                "I": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": None},
            }
        },
    ],
)
def test_a_section_whose_body_is_commented_out_is_empty(template: Mapping[str, Any]) -> None:
    found = live(template, lambda *_: CODE, dict, {})

    assert {name: function.environ for name, function in found.functions.items()} in ({}, {"F": {}})


@pytest.mark.parametrize("kind", ["AWS::ApiGateway::RestApi", "AWS::Lambda::EventSourceMapping", "AWS::Lambda::Url"])
def test_what_is_not_served_is_said(kind: str) -> None:
    assert found({"X": {"Type": kind}}).left_out == (f"X is not served: it is an {kind}",)


def test_an_url_and_an_event_of_a_functions_own_are_said() -> None:
    events = {"Tick": {"Type": "Schedule"}}
    properties = {"FunctionUrlConfig": {"AuthType": "NONE"}, "Events": events}

    assert found({"F": of("AWS::Serverless::Function", **properties)}).left_out == (
        "F gets no event of Schedule",
        "F has no URL of its own",
    )
