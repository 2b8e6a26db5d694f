"""Recording one run: the facts of the run, checked against the catalogue, as one small file."""

import json
import os
import sys
from collections.abc import Mapping

from sst_core import Command, Context, Locations, Moment, Origin, Product, RandomId, is_set
from sst_telemetry.queue import Queue


def record(context: Context, command: Command) -> None:
    """Queue this run, or print it where debugging is asked for. Raises OSError and CatalogueError."""
    product = context.product
    name = command.path[0] if command.origin is Origin.CORE else ""
    facts = product.catalogue.check(run_facts(product, name, context.ci), Moment.RUN)
    if is_set(os.environ.get(product.variable("TELEMETRY_DEBUG"))):
        _print(product, facts)
        return
    Queue(Locations.of(product, os.environ).queue).put(str(facts["sessionId"]), json.dumps(facts).encode())


def run_facts(product: Product, command: str, ci: str | None) -> dict[str, object]:
    """What can only be known in the run itself. `command` is a registered name, or empty for a plugin's."""
    return {
        "sessionId": os.urandom(RandomId.BYTES).hex(),
        "sstVersion": product.version,
        "pythonVersion": f"{sys.version_info.major}.{sys.version_info.minor}",
        "isCI": ci is not None,
        "ciName": ci,
        "command": product.catalogue.command_value(command),
    }


def _print(product: Product, facts: Mapping[str, object]) -> None:
    from sst_telemetry.batch import preview

    print(f"{product.name} telemetry, printed and not recorded: {preview(product, facts)}", file=sys.stderr)
