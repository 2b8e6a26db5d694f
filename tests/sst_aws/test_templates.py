"""Reading templates: their tags, what differs, and which route a request takes."""

from pathlib import Path

import pytest

from sst_aws.live.functions import Route, live
from sst_aws.live.gateway import match
from sst_aws.templates import changes, parsed
from sst_core import Change


def test_a_tag_is_what_it_stands_for() -> None:
    found = parsed(b"A: !Ref B\nC: !GetAtt D.E.F\nG: !Join ['-', [!Ref H, i]]\nJ: !Sub '${K}'\n", "t")

    assert found == {
        "A": {"Ref": "B"},
        "C": {"Fn::GetAtt": ["D", "E.F"]},
        "G": {"Fn::Join": ["-", [{"Ref": "H"}, "i"]]},
        "J": {"Fn::Sub": "${K}"},
    }


def test_what_differs_is_told_by_resource() -> None:
    queue, table = {"Type": "AWS::SQS::Queue"}, {"Type": "AWS::DynamoDB::Table"}
    deployed = {"Resources": {"Same": queue, "Gone": table, "Other": queue}}
    wanted = {"Resources": {"Same": queue, "New": table, "Other": {**queue, "Properties": {"DelaySeconds": 1}}}}

    assert changes(deployed, wanted) == (
        Change("Remove", "Gone", "AWS::DynamoDB::Table"),
        Change("Add", "New", "AWS::DynamoDB::Table"),
        Change("Modify", "Other", "AWS::SQS::Queue"),
    )
    assert changes({}, {}) == ()


@pytest.mark.parametrize(
    ("method", "path", "function", "parameters"),
    [
        ("GET", "/a", "Exact", {}),
        ("POST", "/a", "AnyMethod", {}),
        ("GET", "/b", "Part", {"id": "b"}),
        ("GET", "/b/c/d", "Rest", {"all": "b/c/d"}),
        ("GET", "/", "Default", {}),
        ("GET", "/a.", "Part", {"id": "a."}),
    ],
)
def test_the_narrowest_route_is_taken(method: str, path: str, function: str, parameters: dict[str, str]) -> None:
    events = {
        "Default": ("ANY", "$default"),
        "Rest": ("ANY", "/{all+}"),
        "Part": ("GET", "/{id}"),
        "AnyMethod": ("ANY", "/a"),
        "Exact": ("GET", "/a"),
    }
    resources = {
        name: {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Runtime": "python3.11",
                "Handler": "a.b",
                "Events": {"E": {"Type": "HttpApi", "Properties": {"Method": verb, "Path": where}}},
            },
        }
        for name, (verb, where) in events.items()
    }
    routes = live({"Resources": resources}, lambda *_: (Path(),), dict, {}).routes

    found = match(routes, method, path)

    assert found is not None
    assert (found[0].function, found[1]) == (function, parameters)
    assert match((Route("GET", "/only", "F"),), "POST", "/only") is None


def test_a_route_of_the_gateways_own_kind_leads_to_the_function_of_its_integration() -> None:
    template = {
        "Resources": {
            "F": {"Type": "AWS::Lambda::Function", "Properties": {"Runtime": "python3.11", "Handler": "a.b"}},
            "I": {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {"IntegrationUri": {"Fn::Join": ["", ["arn:", {"Fn::GetAtt": ["F", "Arn"]}]]}},
            },
            "R": {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {"RouteKey": "PUT /x", "Target": {"Fn::Sub": "integrations/${I}"}},
            },
            "D": {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {"RouteKey": "$default", "Target": {"Fn::Join": ["/", ["integrations", {"Ref": "I"}]]}},
            },
        }
    }

    assert live(template, lambda *_: (Path(),), dict, {}).routes == (
        Route("PUT", "/x", "F"),
        Route("ANY", "$default", "F"),
    )
