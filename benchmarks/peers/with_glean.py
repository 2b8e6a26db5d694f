"""Glean, as its book has it for Python: a ping of the program's own, sent by a process that Glean starts."""

import os
from pathlib import Path

from glean import Configuration, Glean, load_metrics, load_pings

from project import run

HERE = Path(__file__).parent
pings = load_pings(HERE / "glean-registry" / "pings.yaml")
metrics = load_metrics(HERE / "glean-registry" / "metrics.yaml")


def record(command: str) -> None:
    Glean.initialize(
        application_id="benchmark",
        application_version="1.0",
        upload_enabled=True,
        data_dir=Path.home() / ".glean",
        configuration=Configuration(server_endpoint=os.environ["COLLECTOR"]),
    )
    metrics.usage.command.set(command)
    metrics.usage.run.set(os.environ["RUN"])
    pings.usage.submit()


run(record)
