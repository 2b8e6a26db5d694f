"""Reading a CloudFormation template: YAML with tags of its own, or JSON."""

from collections.abc import Mapping
from typing import Any

from sst_aws.extras import how_to_get
from sst_core import Change, ConfigurationError, ToolNotFoundError


def parsed(content: bytes, where: str) -> dict[str, Any]:
    """The template, with `!Ref x` as `{"Ref": "x"}`. Raises :class:`ConfigurationError` for what is none."""
    try:
        import yaml
    except ModuleNotFoundError:
        raise ToolNotFoundError(f"PyYAML is not installed. {how_to_get('sam')}") from None
    try:
        found = yaml.load(content, Loader=_loader())  # noqa: S506 - a safe loader that knows CloudFormation's tags
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date that there is not, say
        raise ConfigurationError(f"{where} is not valid YAML: {' '.join(str(error).split())}") from None
    resources = found.get("Resources", {}) if isinstance(found, dict) else None
    if not isinstance(resources, dict) or not all(isinstance(each, dict) for each in resources.values()):
        raise ConfigurationError(f"{where} is no CloudFormation template.")
    return dict(found)


def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """A class of its own, since constructors are added to the class."""

    def tagged(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
        value: Any
        if isinstance(node, yaml.ScalarNode):
            value = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        if suffix == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}

    Loader.add_multi_constructor("!", tagged)
    return Loader


def changes(deployed: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[Change, ...]:
    """What would happen to each resource, from one template to the other."""
    before, after = deployed.get("Resources", {}), wanted.get("Resources", {})
    found = [
        (_action(before.get(name), after.get(name)), name, (after.get(name) or before[name])["Type"])
        for name in sorted({*before, *after})
    ]
    return tuple(Change(action, name, kind) for action, name, kind in found if action)


def _action(before: object, after: object) -> str:
    if before is None:
        return "Add"
    if after is None:
        return "Remove"
    return "" if before == after else "Modify"
