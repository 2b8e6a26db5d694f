"""azure-cli-telemetry: one call at a command's end, as the Azure CLI makes it; it starts a process that sends.

Its address is fixed and https: HTTPS_PROXY leads it to loopback.
"""

import json
import os
from pathlib import Path

from azure.cli import telemetry

from project import run

FOLDER = Path.home() / ".azure"


def record(command: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    event = {"name": command, "properties": {"run": os.environ["RUN"]}}
    telemetry.save(str(FOLDER), json.dumps({telemetry.DEFAULT_INSTRUMENTATION_KEY: [event]}))


run(record)
