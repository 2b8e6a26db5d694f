"""What of a template can run here: its Python functions, the routes to them, and what is left out and why."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

MADE_BY_SAM = "AWS::Serverless::Function"
PLAIN = "AWS::Lambda::Function"
Resources = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Function:
    """A function that runs here."""

    name: str
    """Its logical id in the template."""
    handler: str
    folders: tuple[Path, ...]
    """Where its code is imported from, the first before the others; the first is watched for changes."""
    environ: Mapping[str, str]
    timeout: float
    """Seconds."""
    memory: int
    """MB."""


@dataclass(frozen=True, slots=True)
class Route:
    """What requests go to a function."""

    method: str
    """`ANY` for all."""
    path: str
    """With `{id}` for one part and `{proxy+}` for all that follow; `$default` for what nothing else matches."""
    function: str

    @property
    def key(self) -> str:
        """As AWS writes it."""
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Live:
    """What runs here."""

    functions: Mapping[str, Function]
    routes: tuple[Route, ...]
    left_out: tuple[str, ...]
    """What does not, in words."""


def live(
    template: Mapping[str, Any],
    folders_of: Callable[[str, Mapping[str, Any]], tuple[Path, ...]],
    known: Callable[[], Mapping[str, str]],
    pseudo: Mapping[str, str],
) -> Live:
    """What of `template` runs here.

    `folders_of` says where the code of a function is, by its logical id and properties; nothing where nobody knows.
    `known` is asked at most once for what references stand for where that is known: the deployed resources. `pseudo` is
    `AWS::Region` and its like.
    """
    resources: Resources = _table(template, "Resources")
    defaults = _table(_table(template, "Globals"), "Function")
    values = _Values(template, pseudo, known)
    functions, left_out = {}, []
    for name, resource in resources.items():
        if resource.get("Type") not in (MADE_BY_SAM, PLAIN):
            continue
        given = _table(resource, "Properties")
        properties = {**defaults, **given}
        folders = folders_of(name, properties)
        why = _why_not(properties, folders)
        if why:
            left_out.append(f"{name} is not run: {why}")
            continue
        environ, missing = values.environment(defaults, given)
        left_out += [f"{name} has no {variable}: only AWS knows what it stands for" for variable in missing]
        functions[name] = Function(
            name,
            str(properties["Handler"]),
            folders,
            environ,
            float(_number(properties.get("Timeout"), 3)),
            _number(properties.get("MemorySize"), 128),
        )
        runtime = str(properties.get("Runtime"))
        here = f"python{sys.version_info.major}.{sys.version_info.minor}"
        if runtime != here:
            left_out.append(f"{name} runs on {here} here, and on {runtime} when it is deployed")
    found = [*_routes_of_events(resources, left_out), *_routes_of_apis(resources, left_out)]
    routes = tuple(sorted((route for route in found if route.function in functions), key=_precedence))
    return Live(functions, routes, tuple(left_out))


def together(stacks: Mapping[str, Live]) -> Live:
    """What runs of several stacks, by name. A logical id says which function is meant in one of them alone."""
    if len(stacks) == 1:
        return next(iter(stacks.values()))
    functions, routes, left_out = {}, [], []
    for stack, found in stacks.items():
        for name, function in found.functions.items():
            functions[f"{stack}-{name}"] = replace(function, name=f"{stack}-{name}")
        routes += [replace(route, function=f"{stack}-{route.function}") for route in found.routes]
        left_out += [f"{stack}-{line}" for line in found.left_out]
    return Live(functions, tuple(sorted(routes, key=_precedence)), tuple(left_out))


class _Values:
    """What stands in a template for a word, resolved as far as that can be done here."""

    def __init__(
        self, template: Mapping[str, Any], pseudo: Mapping[str, str], known: Callable[[], Mapping[str, str]]
    ) -> None:
        parameters = _table(template, "Parameters")
        tables = {name: _table(parameters, name) for name in parameters}
        defaults = {name: str(each["Default"]) for name, each in tables.items() if "Default" in each}
        self._words = {**defaults, **pseudo}
        self._ask = known
        self._known: Mapping[str, str] | None = None

    def environment(self, *properties: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
        """The variables, the later ones first, and the names of those that can't be resolved."""
        variables: dict[str, object] = {}
        for each in properties:
            variables |= _table(_table(each, "Environment"), "Variables")
        resolved = {name: self._resolved(value) for name, value in variables.items()}
        known = {name: value for name, value in resolved.items() if value is not None}
        return known, [name for name in resolved if name not in known]

    def _resolved(self, value: object) -> str | None:
        match value:
            case bool():
                return str(value).lower()
            case str() | int() | float():
                return str(value)
            case {"Ref": str(name)}:
                return self._word(name)
            case {"Fn::Sub": str(text)}:
                found = {name: self._word(name) for name in re.findall(r"\$\{([^!}]+)\}", text)}
                return None if None in found.values() else re.sub(r"\$\{([^!}]+)\}", lambda m: found[m[1]] or "", text)
            case {"Fn::Join": [str(between), list(parts)]}:
                words = [self._resolved(part) for part in parts]
                return None if None in words else between.join(word for word in words if word is not None)
        return None

    def _word(self, name: str) -> str | None:
        if name in self._words:
            return self._words[name]
        if self._known is None:
            self._known = self._ask()
        return self._known.get(name)


def _why_not(properties: Mapping[str, Any], folders: tuple[Path, ...]) -> str:
    runtime = properties.get("Runtime")
    if properties.get("PackageType") == "Image":
        return "its code is an image"
    if not str(runtime).startswith("python"):
        return f"its runtime is {runtime}, and only Python's run here"
    if not isinstance(properties.get("Handler"), str):
        return "it names no handler"
    return "" if folders else "its code is not in a folder of this machine"


def _number(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _routes_of_events(resources: Resources, left_out: list[str]) -> Iterator[Route]:
    for name, resource in resources.items():
        if resource.get("Type") != MADE_BY_SAM:
            continue
        properties = _table(resource, "Properties")
        events = _table(properties, "Events")
        for event in (_table(events, each) for each in events):
            kind, details = event.get("Type"), _table(event, "Properties")
            if kind == "HttpApi":
                yield Route(str(details.get("Method", "ANY")).upper(), str(details.get("Path", "$default")), name)
            else:
                left_out.append(f"{name} gets no event of {kind}")
        if "FunctionUrlConfig" in properties:
            left_out.append(f"{name} has no URL of its own")


def _routes_of_apis(resources: Resources, left_out: list[str]) -> Iterator[Route]:
    for name, resource in resources.items():
        kind, properties = str(resource.get("Type")), _table(resource, "Properties")
        if kind == "AWS::ApiGatewayV2::Route":
            integrations = [each for each in _mentioned(properties.get("Target")) if each in resources]
            uris = [_table(resources[each], "Properties").get("IntegrationUri") for each in integrations]
            method, _, path = str(properties.get("RouteKey")).rpartition(" ")
            yield from (Route(method or "ANY", path, function) for uri in uris for function in _mentioned(uri))
        elif kind in ("AWS::ApiGateway::RestApi", "AWS::Lambda::EventSourceMapping", "AWS::Lambda::Url"):
            left_out.append(f"{name} is not served: it is an {kind}")


def _mentioned(value: object) -> Iterator[str]:
    """The logical ids in a value, wherever they stand."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::Sub": str(text)}:
            yield from (name.partition(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text))
        case dict():
            for each in value.values():
                yield from _mentioned(each)
        case list():
            for each in value:
                yield from _mentioned(each)


def _precedence(route: Route) -> tuple[int, int, int, str]:
    """A whole path before one with a part left open, that before one that takes what follows, the method before any."""
    return (
        2 if route.path == "$default" else int("+}" in route.path),
        route.path.count("{"),
        int(route.method == "ANY"),
        route.path,
    )


def _table(of: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What stands below `key`; empty where that is no table, as where all below it is commented out."""
    found = of.get(key)
    return found if isinstance(found, Mapping) else {}
