"""Clients on loopback: as fast as the answers come, or at a rate of their own."""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar, cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_OK = b"HTTP/1.1 200 "

Result = TypeVar("Result")


class Refused(Exception):
    """A server didn't answer with 200. The message is how its answer began."""


def send(port: int, requests: Sequence[bytes], connections: int) -> float:
    """Send each once, the next on a connection when the last was answered. Seconds until all were. Raises `Refused`."""

    async def sending() -> float:
        waiting = iter(requests)
        begun = time.perf_counter()
        await asyncio.gather(*(_connection(port, waiting) for _ in range(connections)))
        return time.perf_counter() - begun

    return _run(sending())


def send_at_a_rate(port: int, requests: Sequence[bytes], rate: float, page: bytes, pages: float) -> list[float]:
    """Send `requests` at `rate` a second, whatever the answers take, and ask for `page` at `pages` a second.

    The seconds that each page took, from when it was due. Raises `Refused`.
    """
    took: list[float] = []

    async def sending() -> None:
        seconds = len(requests) / rate
        await asyncio.gather(
            _paced(port, requests, rate, lambda _: None),
            _paced(port, [page] * int(seconds * pages), pages, took.append),
        )

    _run(sending())
    return took


def _run(main: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


async def _paced(port: int, requests: Sequence[bytes], rate: float, answered: Callable[[float], object]) -> None:
    """Each request when it is due, on a connection of its own or on one that has nothing to wait for."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    idle: list[_Client] = []
    under_way: set[asyncio.Task[None]] = set()

    async def one(request: bytes, due: float) -> None:
        client = idle.pop() if idle else await _connect(port, _Client)
        await client.ask(request)
        answered(loop.time() - due)
        idle.append(client)

    for number, request in enumerate(requests):
        due = begun + number / rate
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        under_way.add(task := asyncio.create_task(one(request, due)))
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    for client in idle:
        client.transport.close()


async def _connection(port: int, waiting: Iterator[bytes]) -> None:
    client = await _connect(port, lambda: _Client(waiting))
    await client.done
    client.transport.close()


async def _connect(port: int, client: "Callable[[], _Client]") -> "_Client":
    _, protocol = await asyncio.get_running_loop().create_connection(client, "127.0.0.1", port)
    return protocol


class _Client(asyncio.Protocol):
    """A connection that sends what is waiting, one request after the other's answer."""

    transport: asyncio.Transport

    def __init__(self, waiting: Iterator[bytes] | None = None) -> None:
        self._waiting = waiting or iter(())
        self._received = b""
        self._length = 0
        """Bytes of an answer, by the last one."""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is none by its class
        self._send_next()

    async def ask(self, request: bytes) -> None:
        """Send one request and wait for its answer."""
        self.done = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        await self.done

    def data_received(self, data: bytes) -> None:
        if len(data) != self._length or self._received:  # most answers are alike, and come in one piece
            self._received += data
            if not self._is_whole(self._received):
                return
            data, self._received = self._received, b""
            self._length = len(data)
        if data.startswith(_OK):
            self._send_next()
        else:
            self._fail(data[:80])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        self._fail(b"the connection was closed")

    def _send_next(self) -> None:
        request = next(self._waiting, None)
        if request is not None:
            self.transport.write(request)
        elif not self.done.done():
            self.done.set_result(None)

    def _fail(self, said: bytes) -> None:
        if not self.done.done():
            self.done.set_exception(Refused(said.decode("latin-1")))

    @staticmethod
    def _is_whole(received: bytes) -> bool:
        head, end, body = received.partition(b"\r\n\r\n")
        if not end:
            return False
        length = _LENGTH.search(head + end)
        return not length or len(body) >= int(length[1])
