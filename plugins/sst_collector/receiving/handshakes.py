"""TLS handshakes: a connection that has not shaken hands is no connection to uvicorn yet, and has to be bounded too.

asyncio would wait a minute for each, and for as many as come: they would take the descriptors that the journal needs.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

HANDSHAKE_SECONDS = 10.0
"""From the opening of a connection to the end of its handshake."""
PAUSE_SECONDS = 0.1
"""Before accepting goes on, where the system has no room for one more."""


class Handshakes:
    """Accepts on `listener`, which is bound, while there are fewer than `most` with those that `others` counts.

    Closes like a server of asyncio's. A connection of `connection` is made where a handshake succeeds.
    """

    def __init__(
        self,
        *,
        listener: socket.socket,
        backlog: int,
        tls: ssl.SSLContext,
        connection: Callable[[], asyncio.Protocol],
        others: Callable[[], int],
        most: int,
    ) -> None:
        self._listener = listener
        self._tls = tls
        self._connection = connection
        self._others = others
        self._most = most
        self._under_way: set[asyncio.Task[Any]] = set()
        listener.listen(backlog)
        listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Accept no more, and end the handshakes that are under way."""
        self._accepting.cancel()
        for handshake in self._under_way:
            handshake.cancel()

    async def wait_closed(self) -> None:
        """Return once nothing is under way."""
        with suppress(asyncio.CancelledError):
            await self._accepting
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(self._listener)
            except OSError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if len(self._under_way) + self._others() >= self._most:
                accepted.close()
                continue
            handshake = asyncio.create_task(self._shake(accepted))
            self._under_way.add(handshake)
            handshake.add_done_callback(self._under_way.discard)

    async def _shake(self, accepted: socket.socket) -> None:
        # Whatever a stranger sends instead of a handshake, or not in time, is nobody's error.
        with suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connection, accepted, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
