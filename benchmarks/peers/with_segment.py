"""segment-analytics-python, as its documentation has it: the module is the client, and `flush` comes at the end."""

import os

from segment import analytics

from project import run

analytics.write_key = "benchmark"
analytics.host = os.environ["COLLECTOR"]


def record(command: str) -> None:
    analytics.track("benchmark", command, {"run": os.environ["RUN"]})


run(record, finish=analytics.flush)
