"""Accepting with TLS goes on, whatever becomes of one connection."""

import asyncio
import socket
import ssl
from contextlib import suppress

import pytest

from sst_collector.receiving import handshakes
from sst_collector.receiving.handshakes import Handshakes


def test_where_the_system_has_no_room_accepting_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "PAUSE_SECONDS", 0.0)
    tried = 0

    async def main() -> None:
        loop, reached = asyncio.get_running_loop(), asyncio.Event()

        async def failing(_listener: socket.socket) -> None:
            nonlocal tried
            tried += 1
            if tried == 3:
                reached.set()
                await asyncio.Event().wait()
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(loop, "sock_accept", failing)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            accepting = Handshakes(
                listener=listener,
                backlog=1,
                tls=ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
                connection=asyncio.Protocol,
                others=lambda: 0,
                most=10,
            )
            await asyncio.wait_for(reached.wait(), 30)
            accepting.close()
            with suppress(asyncio.CancelledError):
                await accepting.wait_closed()

    asyncio.run(main())
    assert tried == 3
