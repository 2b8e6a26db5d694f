"""`start`, for a provider: serve what runs here until Ctrl-C, and say what happens as it happens."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from types import FrameType

from sst_aws.extras import how_to_get
from sst_aws.live.functions import Live
from sst_aws.live.gateway import Gateway
from sst_aws.live.pool import Pool
from sst_aws.live.runtime import Answer, Say
from sst_core import ConfigurationError, ExitCode, SstError, ToolNotFoundError, say

PORT = 3000


def port_of(arguments: Sequence[str]) -> int:
    """The port that is asked for: `-- --port 8000`, 0 for any. Raises :class:`ConfigurationError`."""
    match list(arguments):
        case []:
            return PORT
        case ["--port", number] if number.isascii() and number.isdigit() and int(number) < 65536:
            return int(number)
    raise ConfigurationError("What start takes after -- is: --port NUMBER, with 0 for any that is free.")


def serve(live: Live, region: str, port: int) -> int:
    """Serve on loopback until Ctrl-C or SIGTERM, and return the exit code.

    Raises :class:`SstError` where nothing can be served.
    """
    if find_spec("awslambdaric") is None:
        raise ToolNotFoundError(
            f"awslambdaric, AWS's own runtime client for Python, is not installed. {how_to_get('sam', 'cdk')}"
        )
    if not live.routes:
        said = "".join(f"\n  {line}" for line in live.left_out)
        raise SstError(f"There is nothing to serve: no Python function behind an HTTP API.{said}")
    tell = _teller()
    pools = {name: Pool(function, region, tell) for name, function in live.functions.items()}

    def invoke(function: str, event: bytes) -> Answer:
        return pools[function].invoke(event)

    try:
        gateway = Gateway(port, live.routes, invoke, tell)
    except OSError as error:
        raise SstError(f"Port {port} can't be listened on: {error.strerror}. Take another: -- --port 0") from None
    with _until_told_to_stop() as stopped:
        threading.Thread(target=gateway.serve_forever, args=(0.05,), daemon=True).start()
        try:
            _introduce(live, gateway.server_port, tell)
            code = stopped()
        finally:
            gateway.shutdown()
            gateway.server_close()
            for pool in pools.values():
                pool.end()
    tell("stopped")
    return code


def _introduce(live: Live, port: int, tell: Say) -> None:
    for route in live.routes:
        tell(f"{route.key} -> {route.function}")
    for line in live.left_out:
        tell(f"note: {line}")
    tell("note: no other event of AWS's arrives here, and a function's role is yours, not its own")
    tell(f"listening on http://127.0.0.1:{port}")


def _teller() -> Say:
    """Lines from several threads, each whole."""
    lock = threading.Lock()

    def tell(line: str) -> None:
        with lock:
            say(line)

    return tell


@contextmanager
def _until_told_to_stop() -> Iterator[Callable[[], int]]:
    """Gives what waits for Ctrl-C or SIGTERM and returns the exit code that goes with it."""
    signals: list[int] = []
    stop = threading.Event()

    def arrived(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        stop.set()

    def wait() -> int:
        stop.wait()
        return int(ExitCode.INTERRUPT) if signals[0] == signal.SIGINT else 128 + signals[0]

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {
        number: signal.signal(number, arrived) for number in numbers if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield wait
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
