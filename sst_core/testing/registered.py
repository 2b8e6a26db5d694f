"""Plugins that a test registered as objects: entry points lead here, and only this process knows them."""

from typing import Any

_objects: dict[str, object] = {}


def target_of(plugin: object) -> str:
    """The entry-point target that loads `plugin`, in this process alone."""
    name = f"plugin_{id(plugin)}"
    _objects[name] = plugin
    return f"{__name__}:{name}"


def __getattr__(name: str) -> Any:
    if name not in _objects:
        raise AttributeError(f"{name} was registered as an object, and only machine.in_process() can see it")
    return _objects[name]
