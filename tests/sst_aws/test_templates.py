"""Reading templates: their tags, what differs, and which route a request takes."""

import sys
from pathlib import Path

import pytest

from sst_aws.live import serving
from sst_aws.live.functions import Live, Route, live, together
from sst_aws.live.gateway import match
from sst_aws.templates import changes, parsed
from sst_core import Change, ConfigurationError, ToolNotFoundError


def test_a_tag_is_what_it_stands_for() -> None:
    found = parsed(
        b"A: !Ref B\nC: !GetAtt D.E.F\nG: !Join ['-', [!Ref H, i]]\nJ: !Sub '${K}'\nL: !Transform {N: o}\n", "t"
    )

    assert found == {
        "A": {"Ref": "B"},
        "C": {"Fn::GetAtt": ["D", "E.F"]},
        "G": {"Fn::Join": ["-", [{"Ref": "H"}, "i"]]},
        "J": {"Fn::Sub": "${K}"},
        "L": {"Fn::Transform": {"N": "o"}},
    }


@pytest.mark.parametrize("content", [b"[", b"[" * 100_000, b"a: 2026-13-45\n", b"a: !Ref\n  b: c\n  b\n"])
def test_what_is_no_yaml_is_said_in_words(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"^t is not valid YAML: "):
        parsed(content, "t")


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


@pytest.mark.parametrize("name", ["id", "user-id", "1d", "a.b", "a:b"])
def test_a_parameter_may_be_called_what_aws_allows(name: str) -> None:
    routes = (Route("GET", f"/users/{{{name}}}/items/{{all+}}", "F"),)

    found = match(routes, "GET", "/users/a%20b/items/c/d")

    assert found == (routes[0], {name: "a b", "all": "c/d"})
    assert match(routes, "GET", "/users/items/c") is None


def test_of_two_stacks_with_one_logical_id_each_answers_its_own_routes() -> None:
    def stack(code: str, path: str) -> Live:
        template = {
            "Resources": {
                "F": {
                    "Type": "AWS::Serverless::Function",
                    "Properties": {
                        "Runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
                        "Handler": "a.b",
                        "Events": {
                            "E": {"Type": "HttpApi", "Properties": {"Method": "GET", "Path": path}},
                            "S": {"Type": "Schedule"},
                        },
                    },
                }
            }
        }
        return live(template, lambda *_: (Path(code),), dict, {})

    orders, users = stack("orders", "/{id}"), stack("users", "/users")
    both = together({"Orders": orders, "Users": users})

    assert {name: (each.name, each.folders) for name, each in both.functions.items()} == {
        "Orders-F": ("Orders-F", (Path("orders"),)),
        "Users-F": ("Users-F", (Path("users"),)),
    }
    assert both.routes == (Route("GET", "/users", "Users-F"), Route("GET", "/{id}", "Orders-F"))
    assert both.left_out == ("Orders-F gets no event of Schedule", "Users-F gets no event of Schedule")
    assert together({"Orders": orders}) == orders


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


def test_without_a_reader_of_yaml_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(ToolNotFoundError, match=r"PyYAML is not installed. Get it with the extra sam: "):
        parsed(b"{}", "t")


def test_without_awss_runtime_client_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "find_spec", lambda _: None)

    with pytest.raises(ToolNotFoundError, match="awslambdaric, AWS's own runtime client for Python, is not installed"):
        serving.serve(Live({}, (), ()), "eu-west-1", 0)
