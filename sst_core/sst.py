"""`sst` itself: the one Product of this repository, and its entry point."""

import sys

try:
    from typing import NoReturn

    from sst_core import __version__
    from sst_core.errors import ExitCode
    from sst_core.fields import standard_catalogue
    from sst_core.product import Product
    from sst_core.startup import uncollected
except KeyboardInterrupt:  # importing takes most of a short command's time, and nothing of ours is imported before
    sys.exit(130)  # ExitCode.INTERRUPT, which may not be there yet

COMMAND_HELP = {
    "build": "Build the app in this folder.",
    "start": "Run the app in this folder locally, until Ctrl-C.",
    "deploy": "Deploy the app in this folder.",
    "remove": "Remove what deploy made.",
    "diff": "Show what deploy would change.",
    "collector": "Take events in and publish what they say in aggregate.",
    "plugins": "List plugins, find out what is wrong with one, or begin one.",
    "telemetry": "See and control what is recorded.",
}

SST = Product(
    name="sst",
    version=__version__,
    distribution="sst",
    env_prefix="SST",
    # Telemetry's own commands are never recorded, so they are not in the catalogue.
    catalogue=standard_catalogue(tuple(name for name in COMMAND_HELP if name != "telemetry")),
    summary="Serverless Stack: build, start and deploy serverless apps.",
    command_help=COMMAND_HELP,
    target="sst_core.sst:SST",
    null_plugin="sst_null:NullPlugin",
    plugins_command="plugins",
)
"""`sst`, as a Product."""


def main() -> NoReturn:
    """The `sst` command. Exits with a code of :class:`sst_core.errors.ExitCode` or the provider's own."""
    try:
        with uncollected():
            from sst_core.cli import run
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPT)
    run(SST)
