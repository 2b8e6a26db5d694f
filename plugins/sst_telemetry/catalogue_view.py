"""`sst telemetry catalog`: everything that may be recorded, and why that is allowed; and what plugins declare."""

from collections.abc import Mapping, Sequence

from sst_core import Catalogue, CollectingPlugin, DeclaredValue, Field


def catalogue_as_json(catalogue: Catalogue, plugins: Sequence[CollectingPlugin] = ()) -> list[Mapping[str, object]]:
    """One object for each field, in the order of the catalogue, and for each value that a plugin declares."""
    declared = [_value_as_json(plugin, value) for plugin in plugins for value in plugin.values]
    return [*map(_field_as_json, catalogue), *declared]


def catalogue_as_text(catalogue: Catalogue, plugins: Sequence[CollectingPlugin] = ()) -> str:
    """For people."""
    return "\n\n".join([*map(_field_as_text, catalogue), *map(_plugin_as_text, plugins)])


def _field_as_json(field: Field) -> Mapping[str, object]:
    return {
        "key": field.key,
        "section": field.section.value,
        "values": field.kind.describe(),
        "optional": field.optional,
        "taken": field.moment.value,
        "dimension": field.dimension,
        "purpose": field.purpose,
        "sentence": field.sentence,
        "exception": field.exception,
        "revision": field.revision,
        "reviewer": field.reviewer,
        "reviewed": field.reviewed,
        "expires": field.expires,
    }


def _value_as_json(plugin: CollectingPlugin, value: DeclaredValue) -> Mapping[str, object]:
    return {
        "key": value.key,
        "plugin": plugin.distribution,
        "sends_to": plugin.sends_to,
        "values": value.kind.describe(),
        "purpose": value.purpose,
    }


def _field_as_text(field: Field) -> str:
    allowed = f'the page says: "{field.sentence}"' if field.sentence else f"not on the page: {field.exception}"
    return "\n".join(
        [
            field.key,
            f"  values    {field.describe()}",
            f"  purpose   {field.purpose}",
            f"  allowed   {allowed}",
            f"  reviewed  {field.reviewed} by {field.reviewer}; again before {field.expires}",
        ]
    )


def _plugin_as_text(plugin: CollectingPlugin) -> str:
    title = f"Plugin {plugin.distribution} collects too, and sends to {plugin.sends_to}:"
    if not plugin.values:
        return f"{title}\n  it declares no values, so what it collects is not known here"
    return "\n\n".join([title, *(_value_as_text(value) for value in plugin.values)])


def _value_as_text(value: DeclaredValue) -> str:
    return f"{value.key}\n  values    {value.kind.describe()}\n  purpose   {value.purpose}"
