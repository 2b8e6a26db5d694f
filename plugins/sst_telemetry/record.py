"""Recording one run: the facts of the run, checked against the catalogue, as one small file."""

import os
from collections.abc import Mapping

from sst_core import Command, Context, Locations, Moment, Origin, Product, Run, is_set, say
from sst_telemetry.queue import Queue


def record(context: Context, command: Command) -> str | None:
    """Queue this run and return where, or print it where debugging is asked for. Raises OSError and CatalogueError."""
    product = context.product
    facts = run_facts(product, command.path[0] if command.origin is Origin.CORE else "", context.ci)
    if is_set(os.environ.get(product.variable("TELEMETRY_DEBUG"))):
        _print(product, facts)
        return None
    return Queue(Locations.of(product, os.environ).queue).put(str(facts["sessionId"]), as_json(facts).encode())


def run_facts(product: Product, command: str, ci: str | None) -> dict[str, str | int | bool | None]:
    """What can only be known in the run itself. `command` is a registered name, or empty for a plugin's."""
    catalogue = product.catalogue
    return catalogue.check(catalogue.measure(Moment.RUN, Run(product.version, command, ci)), Moment.RUN)


def as_json(facts: Mapping[str, str | int | bool | None]) -> str:
    """What the catalogue allows has no character to escape; importing `json` for it takes 2 ms of every command."""
    return "{" + ", ".join(f'"{key}": {_literal(value)}' for key, value in facts.items()) + "}"


def _literal(value: str | int | bool | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _print(product: Product, facts: Mapping[str, object]) -> None:
    from sst_telemetry.batch import preview

    say(f"{product.name} telemetry, printed and not recorded: {preview(product, facts)}")
