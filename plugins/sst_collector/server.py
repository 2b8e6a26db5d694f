"""The server: puts the parts together, listens, and stops gracefully."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from sst_collector import duckdb_warehouse
from sst_collector.app import Parts, create_app
from sst_collector.data_folder import claimed
from sst_collector.group_commit import GroupCommit
from sst_collector.journal import Journal
from sst_collector.schema import Decoder
from sst_collector.upkeep import Upkeep
from sst_collector.weeks import Clock, utc_now
from sst_core import Catalogue, SstError

STOP_SECONDS = 10
"""How long requests that are under way may take to end once the server is stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator decides."""

    catalogue: Catalogue
    host: str
    port: int
    data: Path
    min_machines: int
    snapshot_every: float


def serve_forever(settings: Settings, clock: Clock = utc_now) -> None:
    """Serve until SIGTERM or SIGINT. Raises :class:`SstError` if it can't start."""
    os.umask(0o077)  # whatever a library writes into the data folder is as private as the rest
    with claimed(settings.data), _bound(settings.host, settings.port) as listener:
        asyncio.run(_serve(settings, clock, listener))


def _bound(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SstError(
            f"Can't listen on {host} port {port}: {error.strerror}. Choose another with --host and --port; "
            "--port 0 takes any free one."
        ) from None
    return listener


async def _serve(settings: Settings, clock: Clock, listener: socket.socket) -> None:
    with (
        ThreadPoolExecutor(1, "journal") as journal_thread,
        ThreadPoolExecutor(1, "warehouse") as warehouse_thread,
    ):
        journal = Journal(settings.data / "journal", clock)
        commit = GroupCommit(journal, journal_thread)
        upkeep = Upkeep(
            commit=commit,
            open_warehouse=lambda: duckdb_warehouse.opened(settings.data / "warehouse.duckdb", settings.catalogue),
            thread=warehouse_thread,
            catalogue=settings.catalogue,
            snapshot_file=settings.data / "snapshot.json",
            min_machines=settings.min_machines,
            clock=clock,
        )
        parts = Parts(
            decoder=Decoder(settings.catalogue),
            append=commit.append,
            snapshot=lambda: upkeep.snapshot,
            failure=lambda: upkeep.failure,
        )
        await _answer(parts, listener, asyncio.create_task(upkeep.run(settings.snapshot_every)))
    journal.close()


async def _answer(parts: Parts, listener: socket.socket, upkeep: asyncio.Task[None]) -> None:
    """Answer requests until a signal; then end `upkeep`, whose last round the thread still finishes."""
    config = uvicorn.Config(
        create_app(parts),
        lifespan="off",
        # Nothing about a connection is logged, nor anything that was sent.
        access_log=False,
        log_config=None,
        log_level="critical",
        proxy_headers=False,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = _Server(config, lambda: print(f"listening on {_url(listener)}", flush=True))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.handle_exit, number, None)
    await server.serve([listener])
    upkeep.cancel()
    with suppress(asyncio.CancelledError):
        await upkeep


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        # uvicorn's own raises the signal again at the end, and a graceful stop would end as a kill.
        return nullcontext()


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
