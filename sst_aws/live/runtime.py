"""The Lambda Runtime API on loopback, and behind it a process that AWS's own runtime client runs in.

An environment takes one event at a time, as on Lambda. Each has a port of its own: a process finds it by its port.
"""

import json
import os
import queue
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

from sst_aws.live.functions import Function
from sst_aws.live.http import Handler, Server, length_of

API = "/2018-06-01/runtime"
ACCOUNT = "000000000000"
GRACE = 2.0
"""Seconds from SIGTERM to SIGKILL."""
REFUSED_BYTES = 1 << 16
"""Of a request that is refused, so many are read before it is told so."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function answered, or how it failed."""

    payload: bytes
    failed: bool = False


@dataclass(slots=True, eq=False)
class _Invocation:
    event: bytes
    deadline: float = 0.0
    """Set when the process takes it: what it takes to start is no time of the function's."""
    answer: "Future[Answer]" = field(default_factory=Future)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Environment:
    """One process that runs a function, and the Runtime API that it asks for events."""

    def __init__(self, function: Function, region: str, say: Say) -> None:
        """Raises OSError where the process can't be started: its folder is gone, say."""
        self.function, self.region, self._say = function, region, say
        self._waiting: queue.SimpleQueue[_Invocation | None] = queue.SimpleQueue()
        self._current: _Invocation | None = None
        self._has_asked = False
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
        invocation = _Invocation(event)
        self._waiting.put(invocation)
        handed = time.monotonic()
        while True:
            try:
                return invocation.answer.result(0.05)
            except OutOfTime:
                if self._is_late(invocation, handed):
                    self.end()
                    return failure("Sandbox.Timedout", f"Task timed out after {self.function.timeout:.2f} seconds")
                if not self.is_alive and not invocation.answer.done():
                    return failure("Runtime.ExitError", f"Runtime exited with {self._process.returncode}")

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
        self._current, self._has_asked = None, True
        invocation = self._waiting.get()
        if invocation is not None:
            invocation.deadline = time.time() + self.function.timeout
        self._current = invocation
        return invocation

    @property
    def answers(self) -> Mapping[str, bool]:
        """Where the process may answer now, and whether that is with a failure: for the event that it has in hand, or,
        before it has asked for the first one, for its own start."""
        if not self._has_asked:
            return {f"{API}/init/error": True}
        event = f"{API}/invocation/{self._current.id}" if self._current else None
        return {f"{event}/response": False, f"{event}/error": True} if event else {}

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


class _RuntimeServer(Server):
    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        super().__init__(0, _RuntimeApi)


class _RuntimeApi(Handler):
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html"""

    server: _RuntimeServer

    def do_GET(self) -> None:
        """The next event."""
        if self._is_a_strangers():
            return
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
        if self._is_a_strangers():
            return
        length = length_of(self.headers)
        if length is None:
            self.close_connection = True
            self._answer(411, b"{}")
            return
        payload = self.rfile.read(length)
        failed = self.server.environment.answers.get(self.path)
        if failed is None:
            self._answer(404, b"{}")
            return
        self.server.environment.answered(Answer(payload, failed))
        self._answer(202, b'{"status": "OK"}')

    def _is_a_strangers(self) -> bool:
        """Refuse what a web page can send: under a name that points here, or from another site, as its browser says."""
        ours = self.headers.get("Host") == f"127.0.0.1:{self.server.server_port}"  # as the process is told to ask
        if ours and "Origin" not in self.headers and "Sec-Fetch-Site" not in self.headers:
            return False
        # Where something is left unread, the system resets the connection, and our answer may be lost with it.
        self.rfile.read(min(length_of(self.headers, "0") or 0, REFUSED_BYTES))
        self.close_connection = True
        self._answer(403, b"{}")
        return True

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.answer(status, body, {"Content-Type": "application/json", **(headers or {})}.items())


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


def failure(kind: str, message: str) -> Answer:
    """An answer as AWS makes it of what happened to a function: `Sandbox.Timedout`, say."""
    return Answer(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)
