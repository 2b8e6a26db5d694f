"""AWS on loopback for a test, the tools that talk to it, and what exists there afterwards."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ports import free_port
from sst_core.testing import PATIENCE, Machine

TOOLS = os.environ.get("SST_TEST_AWS", "")
"""The environment with the SAM CLI and moto, which has heavy pins: `nox -s aws` makes it beside its own."""
WHY_NOT = "" if TOOLS else "nox -s aws installs the SAM CLI and moto, and says where they are in SST_TEST_AWS"
BUCKET = "localhost-artifacts"
SECONDS = 240.0
"""A tool that is started on a busy machine takes its time."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """One AWS, empty when it is made."""

    port: int
    region: str = "eu-west-1"

    @property
    def url(self) -> str:
        """By name: moto takes the first part of any other host with a dot in it for a bucket."""
        return f"http://localhost:{self.port}"

    def client(self, service: str, region: str | None = None) -> Any:
        """boto3's client."""
        import boto3  # only where there is a cloud

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region or self.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
        )

    def functions(self) -> dict[str, dict[str, str]]:
        """The environment of each function that exists, by its name."""
        found = self.client("lambda").list_functions()["Functions"]
        return {each["FunctionName"]: each.get("Environment", {}).get("Variables", {}) for each in found}

    def queues(self) -> list[str]:
        """The names of the queues that exist."""
        return [url.rpartition("/")[2] for url in self.client("sqs").list_queues().get("QueueUrls", [])]

    def tables(self) -> list[str]:
        """The names of the tables that exist."""
        names: list[str] = self.client("dynamodb").list_tables()["TableNames"]
        return names

    def existing(self, stack: str) -> tuple[list[str], list[str], list[str]]:
        """The functions, tables and queues of a stack that exist."""
        kinds = (list(self.functions()), self.tables(), self.queues())
        functions, tables, queues = ([each for each in found if each.startswith(f"{stack}-")] for found in kinds)
        return functions, tables, queues

    def stacks(self) -> dict[str, str]:
        """The status of each stack that was not deleted, by its name."""
        found = self.client("cloudformation").describe_stacks()["Stacks"]
        return {each["StackName"]: each["StackStatus"] for each in found}

    def user(self, machine: Machine) -> None:
        """Let the machine's user reach it, as one who has credentials."""
        machine.environ |= {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_POLL_DELAY": "0.1",
            "PATH": f"{TOOLS}/bin{os.pathsep}{machine.environ['PATH']}",
        }


def patiently(app: Machine, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `sst` where a tool does the work, which takes its time."""
    return app.sst(*arguments, timeout=SECONDS)


@contextmanager
def running_cloud(log: Path) -> Iterator[Cloud]:
    """Starts it, and ends it."""
    port = free_port()
    server = Path(__file__).parent / "aws" / "cloud.py"
    environ = {"PATH": os.environ["PATH"], "HOME": str(log.parent)}
    with log.open("wb") as said:
        process = subprocess.Popen(
            [f"{TOOLS}/bin/python", str(server), str(port)], stdout=said, stderr=said, env=environ
        )
    try:
        _wait_for(port, process)
        cloud = Cloud(port)
        cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": cloud.region})
        yield cloud
    finally:
        process.kill()
        process.wait(PATIENCE)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise AssertionError("moto did not start")
