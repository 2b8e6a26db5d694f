"""Recording one run: the facts of the run, checked against the catalogue, as one small file."""

import json
import os
from collections.abc import Mapping

from sst_core import Command, Context, Locations, Moment, Origin, Product, Run, is_set, say
from sst_telemetry.queue import Queue


def record(context: Context, command: Command) -> None:
    """Queue this run, or print it where debugging is asked for. Raises OSError and CatalogueError."""
    product = context.product
    facts = run_facts(product, command.path[0] if command.origin is Origin.CORE else "", context.ci)
    if is_set(os.environ.get(product.variable("TELEMETRY_DEBUG"))):
        _print(product, facts)
        return
    Queue(Locations.of(product, os.environ).queue).put(str(facts["sessionId"]), json.dumps(facts).encode())


def run_facts(product: Product, command: str, ci: str | None) -> dict[str, str | int | bool | None]:
    """What can only be known in the run itself. `command` is a registered name, or empty for a plugin's."""
    catalogue = product.catalogue
    return catalogue.check(catalogue.measure(Moment.RUN, Run(product.version, command, ci)), Moment.RUN)


def _print(product: Product, facts: Mapping[str, object]) -> None:
    from sst_telemetry.batch import preview

    say(f"{product.name} telemetry, printed and not recorded: {preview(product, facts)}")
