"""posthog, as its documentation has it: the module is the client, and sends what is queued when the process ends."""

import os

import posthog

from project import run

posthog.api_key = "phc_benchmark"
posthog.host = os.environ["COLLECTOR"]


def record(command: str) -> None:
    posthog.capture(command, distinct_id="benchmark", properties={"run": os.environ["RUN"]})


run(record)
