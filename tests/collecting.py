"""Runs as they are sent, and a collector that takes them in: `sst collector serve`, as a process on loopback."""

import json
import secrets
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from sst_core import SST
from sst_core.testing import PATIENCE, PROGRAM

Values = dict[str, Any]


def a_run(**values: object) -> Values:
    """One run's values by the catalogue's keys; what isn't given is ordinary, and the two ids are new."""
    return {
        "anonymousId": secrets.token_hex(16),
        "sessionId": secrets.token_hex(16),
        "sstVersion": "0.1.0",
        "systemPlatform": "linux",
        "systemArchitecture": "x64",
        "distro": "debian-12",
        "cpuCount": 8,
        "isCI": False,
        "ciName": None,
        "pythonVersion": "3.11",
        "command": "build",
        **values,
    }


@dataclass
class Collector:
    """A collector, its data folder and a client of it."""

    data: Path
    options: list[str]
    program: tuple[str, ...] = (str(PROGRAM),)
    verify: ssl.SSLContext | bool = True
    process: "subprocess.Popen[str]" = field(init=False)
    client: httpx.Client = field(init=False)

    def start(self) -> None:
        """Start it, again if it has ended, and wait until it says where it listens."""
        self.process = spawn(self.data, *self.options, program=self.program)
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first.startswith("listening on http"), self.process.communicate()
        self.client = httpx.Client(base_url=first.split()[-1], verify=self.verify, timeout=PATIENCE)

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """End it. Its exit code, and the rest of its stdout and stderr."""
        self.process.send_signal(how)
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        self.client.close()
        return self.process.returncode, out, err

    @property
    def port(self) -> str:
        """Where it listens."""
        return str(self.client.base_url.port)

    def send(self, body: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
        """Send anything at all."""
        return self.client.post("/events", content=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, *runs: Values) -> httpx.Response:
        """Send these runs in one request."""
        return self.send("\n".join(json.dumps(SST.catalogue.envelope(run)) for run in runs).encode())

    def stats(self) -> Values:
        """What it publishes."""
        answer: Values = self.client.get("/stats.json").raise_for_status().json()
        return answer

    def runs(self) -> dict[str, int]:
        """How many runs it publishes of each command."""
        return {total["value"]: total["runs"] for total in self.stats()["windows"]["30"]["command"]}

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so, and fail with what is published if it never is."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, (self.stats(), self.client.get("/healthz").text)
            time.sleep(0.05)


StartCollector = Callable[..., Collector]


def spawn(data: Path, *options: str, program: tuple[str, ...] = (str(PROGRAM),)) -> "subprocess.Popen[str]":
    """`sst collector serve`, whether it gets to listen or not."""
    return subprocess.Popen(
        [*program, "collector", "serve", "--data", data, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def collectors(folder: Path) -> Iterator[StartCollector]:
    """Starts private collectors with a cadence of a second, and ends what is left of them."""
    with ExitStack() as started:

        def start(*options: str, prepare: Callable[[Path], None] = lambda _: None, **how: Any) -> Collector:
            collector = Collector(
                folder / "data", ["--port", "0", "--snapshot-every", "1", "--min-machines", "1", *options], **how
            )
            prepare(collector.data)
            collector.start()
            started.callback(collector.end)
            return collector

        yield start
