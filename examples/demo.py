"""The main job, from one command to a published number, on real parts. Exits with 1 when a number is wrong.

A collector is started on a free loopback port; between it and `sst` stands a relay that keeps every byte that passes.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from sst_core.testing import PROGRAM, Machine

ORDERS = Path(__file__).with_name("orders")
PATIENCE = 60.0
"""Seconds that anything is waited for."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came over the wire."""

    head: str
    body: bytes


@dataclass
class Demo:
    """What has been seen so far."""

    machine: Machine
    requests: list[Request] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def run(self, *arguments: str, exit_code: int = 0) -> str:
        """Run `sst` on a terminal, print what a person sees, and check how it ended."""
        print(f"\n$ sst {' '.join(arguments)}", flush=True)
        screen = self.machine.on_terminal(*arguments)
        print(indented(screen.text), flush=True)
        self.check(screen.exit_code == exit_code, f"`sst {' '.join(arguments)}` ended with {screen.exit_code}")
        return screen.text

    def check(self, right: bool, what: str) -> None:
        """Remember what is wrong, and go on."""
        if not right:
            self.wrong.append(what)
            print(f"  WRONG: {what}", flush=True)

    def wait(self, what: str) -> Iterator[None]:
        """Yield until the caller has what it waits for, with a dot a second."""
        print(f"\n  … {what} ", end="", flush=True)
        deadline = time.monotonic() + PATIENCE
        next_dot = time.monotonic() + 1
        while time.monotonic() < deadline:
            yield
            time.sleep(0.05)
            if time.monotonic() > next_dot:
                print(".", end="", flush=True)
                next_dot += 1
        self.check(False, f"waited {PATIENCE:.0f} s in vain: {what}")


def main() -> int:
    """Run the demo. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="leave the collector up, and print its address")
    serve = parser.parse_args().serve
    with tempfile.TemporaryDirectory(prefix="sst-demo-") as scratch:
        home = Path(scratch) / "home"
        app = home / "orders"
        shutil.copytree(ORDERS, app, ignore=shutil.ignore_patterns(".sst", "__pycache__"))
        environ = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm"}
        demo = Demo(Machine(home=home, folder=app, environ=environ))
        with collector(Path(scratch) / "collector", environ) as address, relay(demo, address) as url:
            print(f"A collector is listening on {address}")
            environ["SST_TELEMETRY_URL"] = f"{url}/events"
            as_a_user(demo)
            numbers(demo, address)
            print("\n" + ("\n".join(["These are wrong:", *demo.wrong]) if demo.wrong else "Every number is right."))
            if serve:
                print(
                    f"\nThe collector stays up: its page is {address} (numbers: {address}/stats.json). Ctrl-C ends it.",
                    flush=True,
                )
                wait_for_interrupt()
    return 1 if demo.wrong else 0


def as_a_user(demo: Demo) -> None:
    """What a new user would type, in order."""
    machine = demo.machine
    heading("The first run shows the notice, and is not recorded")
    demo.check("sst telemetry disable" in demo.run("build"), "the first run showed no notice")
    demo.check(machine.queued() == [], "the first run was recorded")
    demo.run("telemetry")

    heading("From then on a run is recorded, and sent by a process that nobody waits for")
    demo.run("build")
    demo.check((machine.folder / ".sst/build/orders.zip").exists(), "the app was not built")
    for _ in demo.wait("waiting for the detached sender"):
        if demo.requests and not machine.queued():
            break
    demo.run("--help")
    demo.run("deploy", exit_code=2)
    demo.check(len(machine.queued()) == 1, "of --help and a failing deploy, not exactly the deploy was recorded")
    demo.run("telemetry", "flush")
    demo.run("telemetry", "show")

    heading("Off means off")
    demo.run("telemetry", "disable")
    demo.run("build")
    left = sorted(str(path.relative_to(machine.home)) for path in machine.telemetry.parent.rglob("*") if path.is_file())
    demo.check(left == [".local/state/sst/telemetry.lock"], f"left on disk after disable: {left}")


def numbers(demo: Demo, address: str) -> None:
    """What was sent, what was not, and what the collector makes of it."""
    heading("What was sent, byte for byte")
    for request in demo.requests:
        print(indented(f"{request.head}\n\n{gzip.decompress(request.body).decode()}"))
    sent = b"".join(gzip.decompress(request.body) for request in demo.requests)
    commands = [json.loads(line)["events"][0]["properties"]["command"] for line in sent.splitlines()]
    demo.check(commands == ["build", "deploy"], f"these commands were sent: {commands}")
    traces = [str(demo.machine.home), os.uname().nodename, "orders", "packed handler.py"]
    demo.check(not any(trace.encode() in sent for trace in traces), "a path, a name or output was sent")

    heading("What was not sent, and why")
    for what, why in (
        ("the first `sst build`", "the notice had not been seen before it"),
        ("`sst telemetry …`", "telemetry's own commands are never recorded"),
        ("`sst --help`", "no command was invoked"),
        ("the last `sst build`", "telemetry was off"),
        ("paths, arguments, output, names", "the catalogue has no place for them"),
    ):
        print(f"  {what:<34}{why}")

    heading("What the collector publishes")
    stats: dict[str, list[dict[str, Any]]] = {}
    for _ in demo.wait("waiting for the next snapshot"):
        stats = httpx.get(f"{address}/stats.json").json()["windows"]["30"]
        if sum(cell["runs"] for cell in stats.get("command", [])) >= len(commands):
            break
    print()
    for dimension, cells in stats.items():
        for cell in cells:
            machines = f", machines {cell['machines']}" if "machines" in cell else ""
            print(f"  {dimension:<14}{cell['value']!s:<14}runs {cell['runs']}{machines}")
    found = {cell["value"]: (cell["runs"], cell["machines"]) for cell in stats.get("command", [])}
    demo.check(found == {"build": (1, 1), "deploy": (1, 1)}, f"the collector counts {found}")


@contextmanager
def collector(data: Path, environ: dict[str, str]) -> Iterator[str]:
    """A collector of its own. It publishes groups of one, and every second, which a public one never does."""
    arguments = [
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--data",
        str(data),
        "--min-machines",
        "1",
        "--snapshot-every",
        "1",
    ]
    process = subprocess.Popen(
        [str(PROGRAM), "collector", "serve", *arguments],
        env={**environ, "SST_TELEMETRY_DISABLED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), f"the collector did not start: {line!r}"
        yield line.removeprefix("listening on ").strip()
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def relay(demo: Demo, address: str) -> Iterator[str]:
    """Pass every request on to the collector, and keep it."""

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            demo.requests.append(Request(f"{self.requestline}\n{self.headers}".strip(), body))
            headers = {name: self.headers[name] for name in ("Content-Type", "Content-Encoding")}
            answer = httpx.post(f"{address}{self.path}", content=body, headers=headers)
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the demo prints what passed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def wait_for_interrupt() -> None:
    """Until Ctrl-C."""
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()


def heading(text: str) -> None:
    """A line that stands out."""
    print(f"\n== {text}", flush=True)


def indented(text: str) -> str:
    """Every line by two."""
    return "\n".join(f"  {line}" for line in text.rstrip("\n").splitlines())


if __name__ == "__main__":
    sys.exit(main())
