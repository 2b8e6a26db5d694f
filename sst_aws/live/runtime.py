"""The Lambda Runtime API on loopback, and behind it the processes that AWS's own runtime client runs in.

An environment takes one event at a time, as on Lambda. Each has a port of its own: a process finds it by its port.
"""

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as OutOfTime
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sst_aws.live.functions import Function

API = "/2018-06-01/runtime"
ACCOUNT = "000000000000"
GRACE = 2.0
"""Seconds from SIGTERM to SIGKILL."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function answered, or how it failed."""

    payload: bytes
    failed: bool = False


@dataclass(frozen=True, slots=True)
class _Invocation:
    event: bytes
    deadline: float
    answer: "Future[Answer]" = field(default_factory=Future)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Environment:
    """One process that runs a function, and the Runtime API that it asks for events."""

    def __init__(self, function: Function, region: str, say: Say) -> None:
        """Raises OSError where the process can't be started: its folder is gone, say."""
        self.function, self.region, self._say = function, region, say
        self._waiting: queue.SimpleQueue[_Invocation | None] = queue.SimpleQueue()
        self._current: _Invocation | None = None
        self._server = _RuntimeServer(self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            self._process = self._started()
        except OSError:
            self._stop_serving()
            raise
        self._teller = threading.Thread(target=self._tell, daemon=True)
        self._teller.start()

    def _started(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", self.function.handler],
            cwd=self.function.folders[0],
            env=_environ(self.function, self.region, self._server.server_port),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,  # Ctrl-C is for the command, which ends this
        )

    @property
    def is_alive(self) -> bool:
        """Whether it can take an event."""
        return self._process.poll() is None

    def invoke(self, event: bytes) -> Answer:
        """Hand `event` over and wait for the answer, as long as the function may take."""
        invocation = _Invocation(event, time.time() + self.function.timeout)
        self._waiting.put(invocation)
        handed = time.monotonic()
        while True:
            try:
                return invocation.answer.result(0.05)
            except OutOfTime:
                if self._is_late(invocation, handed):
                    self.end()
                    return _failure("Sandbox.Timedout", f"Task timed out after {self.function.timeout:.2f} seconds")
                if not self.is_alive and not invocation.answer.done():
                    return _failure("Runtime.ExitError", f"Runtime exited with {self._process.returncode}")

    def _is_late(self, invocation: _Invocation, handed: float) -> bool:
        if invocation is self._current:
            return time.time() > invocation.deadline
        # It is still starting, for which Lambda gives ten seconds of their own.
        return time.monotonic() - handed > self.function.timeout + 10

    def end(self) -> None:
        """End the process, and wait for that. May be called again."""
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._teller.join(GRACE)  # its last words; what it has started may hold the pipe for longer
        # Not before it has ended: the runtime client takes "no more events" for a failure, with a traceback.
        self._waiting.put(None)
        self._stop_serving()

    def _stop_serving(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next(self) -> _Invocation | None:
        """What the process gets when it asks; None when it is to end."""
        self._current = None
        invocation = self._waiting.get()
        self._current = invocation
        return invocation

    def answered(self, answer: Answer) -> None:
        """What the process says of the event at hand, or of its own start."""
        invocation = self._current
        if invocation is None:
            with suppress(queue.Empty):
                invocation = self._waiting.get(timeout=1)
        if invocation is not None and not invocation.answer.done():
            invocation.answer.set_result(answer)

    def _tell(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._say(f"{self.function.name} | {line.decode(errors='replace').rstrip()}")


class _RuntimeServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        super().__init__(("127.0.0.1", 0), _RuntimeApi)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A process that was ended while it waited for an event has hung up."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _RuntimeApi(BaseHTTPRequestHandler):
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html"""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second would wait for the first one's acknowledgement, 40 ms.
    disable_nagle_algorithm = True
    server: _RuntimeServer

    def do_GET(self) -> None:
        """The next event."""
        invocation = self.server.environment.next() if self.path == f"{API}/invocation/next" else None
        if invocation is None:
            self._answer(404, b"{}")
            return
        environment = self.server.environment
        self._answer(
            200,
            invocation.event,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.id,
                "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": (
                    f"arn:aws:lambda:{environment.region}:{ACCOUNT}:function:{environment.function.name}"
                ),
                "Lambda-Runtime-Trace-Id": "",
            },
        )

    def do_POST(self) -> None:
        """An answer, or an error."""
        length = length_of(self.headers)
        if length is None:
            self.close_connection = True
            self._answer(411, b"{}")
            return
        payload = self.rfile.read(length)
        self.server.environment.answered(Answer(payload, failed=self.path.endswith("/error")))
        self._answer(202, b'{"status": "OK"}')

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):  # it has been ended meanwhile
            self.wfile.write(body)

    def log_message(self, format: str, *_: Any) -> None:
        """Nothing: it is between us and the process."""


def length_of(headers: Message, otherwise: str = "") -> int | None:
    """A request's Content-Length, in bytes, with what holds where it says none; None for what is no number."""
    length = headers.get("Content-Length", otherwise)
    # No body has so many digits, and Python reads no more than 4,300 of them.
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else None


def _environ(function: Function, region: str, port: int) -> dict[str, str]:
    path = [*map(str, function.folders), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_REGION": region,
        "LAMBDA_TASK_ROOT": str(function.folders[0]),
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"])),
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        "_HANDLER": function.handler,
        **function.environ,
    }


def _failure(kind: str, message: str) -> Answer:
    return Answer(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)


class Pool:
    """The environments of one function: as many as there are events at a time, anew when its code changes."""

    MOST = 10

    def __init__(self, function: Function, region: str, say: Say) -> None:
        self._function, self._region, self._say = function, region, say
        self._idle: list[Environment] = []
        self._all: set[Environment] = set()
        self._lock = threading.Lock()
        self._free = threading.Semaphore(self.MOST)
        self._seen = fingerprint(function.folders[0])

    def invoke(self, event: bytes) -> Answer:
        """Have an environment answer."""
        with self._free:
            self._reload_if_changed()
            try:
                environment, seen = self._one()
            except OSError as error:
                why = f"{self._function.folders[0]}: {error.strerror}"
                return _failure("Runtime.InvalidEntrypoint", f"{self._function.name} can't be started, {why}")
            try:
                return environment.invoke(event)
            finally:
                self._give_back(environment, seen)

    def end(self) -> None:
        """End every environment."""
        with self._lock:
            every, self._all, self._idle = self._all, set(), []
        for environment in every:
            environment.end()

    def _one(self) -> tuple[Environment, object]:
        """An environment that is free, and what its code looked like when it was started."""
        with self._lock:
            while self._idle:
                environment = self._idle.pop()
                if environment.is_alive:
                    return environment, self._seen
                self._all.discard(environment)
                environment.end()
            environment = Environment(self._function, self._region, self._say)
            self._all.add(environment)
            return environment, self._seen

    def _give_back(self, environment: Environment, seen: object) -> None:
        with self._lock:
            if environment not in self._all:
                return
            if environment.is_alive and seen == self._seen:
                self._idle.append(environment)
                return
            self._all.discard(environment)
        environment.end()

    def _reload_if_changed(self) -> None:
        with self._lock:
            now = fingerprint(self._function.folders[0])
            if now == self._seen:
                return
            self._seen = now
            old, self._idle = self._idle, []
            self._all -= set(old)
        for environment in old:
            environment.end()
        self._say(f"{self._function.name} is loaded anew: its code has changed")


def fingerprint(folder: Path) -> frozenset[tuple[str, int, int]]:
    """What tells whether the code in `folder` has changed: the names, times and sizes of its files."""
    found = set()
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        for name in files:
            with suppress(OSError):  # it has just been replaced
                status = os.stat(os.path.join(root, name))  # noqa: PTH116, PTH118 - on the way of each request
                found.add((os.path.join(root, name), status.st_mtime_ns, status.st_size))  # noqa: PTH118
    return frozenset(found)
