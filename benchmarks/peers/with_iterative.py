"""iterative-telemetry, as DVC's tools use it: one call, which has a process of its own send the event."""

import os

from iterative_telemetry import IterativeTelemetryLogger

from project import run

telemetry = IterativeTelemetryLogger("benchmark", "1.0", enabled=True, url=f"{os.environ['COLLECTOR']}/event")


def record(command: str) -> None:
    telemetry.send_cli_call(command, run=os.environ["RUN"])


run(record)
