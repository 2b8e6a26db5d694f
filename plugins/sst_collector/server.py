"""The server: puts the parts together, and ends them together."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import uvloop

from sst_collector.app import Parts, create_app
from sst_collector.data_folder import DataFolder, claimed
from sst_collector.journal.group_commit import GroupCommit
from sst_collector.journal.writing import Journal
from sst_collector.metrics import Gauges, Metrics, create_admin_app
from sst_collector.receiving.body import Room
from sst_collector.receiving.connections import RESERVED_FILES, Bounded, Connection, sweep
from sst_collector.receiving.intake import Intake
from sst_collector.receiving.legacy import decoder_for
from sst_collector.receiving.listening import (
    Server,
    Tls,
    allow_files,
    bound,
    check_host,
    check_tls,
    server_config,
    url_of,
)
from sst_collector.receiving.rates import Rates
from sst_collector.receiving.schema import Decoder
from sst_collector.receiving.shapes import Shapes
from sst_collector.site_key import SiteKey
from sst_collector.upkeep import Upkeep
from sst_collector.warehouse.clickhouse.address import Address
from sst_collector.warehouse.opening import OpenWarehouse, opener
from sst_collector.weeks import Clock
from sst_core import Catalogue, utc_now

LOOPBACK = "127.0.0.1"
ADMIN_CONNECTIONS = 16
"""Of the files that are left to the journal and the rest: any user of this machine may open them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator decides."""

    program: str
    """What the numbers are about."""
    catalogue: Catalogue
    host: str
    port: int
    data: Path
    min_machines: int
    snapshot_every: float
    keep_days: int
    rate: int
    """Requests that one source may send a minute; 0 is no limit."""
    proxies: Sequence[IPv4Network | IPv6Network]
    """Addresses whose `X-Forwarded-For` says who the source is."""
    site_key: Path | None
    """The folder of the site key, if other collectors share it."""
    tls: Tls | None
    admin_port: int | None
    warehouse: Address | None
    """Where runs and published weeks are kept, if not in the data folder."""


def serve_forever(settings: Settings, clock: Clock = utc_now) -> None:
    """Serve until SIGTERM or SIGINT. Raises :class:`SstError` if it can't start."""
    check_host(settings.host)
    if settings.tls is not None:
        check_tls(settings.tls)
    os.umask(0o077)  # whatever a library writes into the data folder is as private as the rest
    with ExitStack() as stack:
        stack.enter_context(claimed(settings.data))
        open_warehouse = opener(DataFolder(settings.data), settings.warehouse, settings.catalogue, clock)
        listener = stack.enter_context(bound(settings.host, settings.port))
        admin = None
        if settings.admin_port is not None:
            admin = stack.enter_context(bound(LOOPBACK, settings.admin_port, "--admin-port"))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, open_warehouse, clock, listener, admin))


async def _serve(
    settings: Settings,
    open_warehouse: OpenWarehouse,
    clock: Clock,
    listener: socket.socket,
    admin: socket.socket | None,
) -> None:
    with (
        ThreadPoolExecutor(1, "journal") as journal_thread,
        ThreadPoolExecutor(1, "warehouse") as warehouse_thread,
    ):
        folder, metrics, most = DataFolder(settings.data), Metrics(), allow_files() - RESERVED_FILES
        site_key = SiteKey(settings.site_key or folder.site_key, clock)
        journal = Journal(folder.journal, clock)
        commit = GroupCommit(journal, journal_thread)
        upkeep = Upkeep(
            commit=commit,
            open_warehouse=open_warehouse,
            thread=warehouse_thread,
            catalogue=settings.catalogue,
            program=settings.program,
            snapshot_file=folder.snapshot,
            min_machines=settings.min_machines,
            keep_days=settings.keep_days,
            site_key=site_key,
            metrics=metrics,
            clock=clock,
        )

        def failure() -> str | None:
            return " ".join(filter(None, (commit.failure, upkeep.health()))) or None

        servers = [
            _public_server(
                settings=settings,
                listener=listener,
                commit=commit,
                upkeep=upkeep,
                failure=failure,
                site_key=site_key,
                metrics=metrics,
                most=most,
            )
        ]
        connections = servers[0].server_state.connections
        if admin is not None:
            servers.append(_admin_server(admin, metrics, _gauges(folder, upkeep, failure, connections)))
        sweeping = [sweep(server.server_state.connections) for server in servers]
        async with _meanwhile(upkeep.run(settings.snapshot_every), commit.keep_trying(), *sweeping):
            await _answer(servers)
    journal.close()


def _public_server(
    *,
    settings: Settings,
    listener: socket.socket,
    commit: GroupCommit,
    upkeep: Upkeep,
    failure: Callable[[], str | None],
    site_key: SiteKey,
    metrics: Metrics,
    most: int,
) -> Server:
    """What the world reaches: /events by the fast way, and the app for the rest."""
    rates, room = Rates(settings.rate, settings.proxies, time.monotonic), Room()
    intake = Intake(
        record=Shapes(Decoder(settings.catalogue).record).record,
        legacy=decoder_for(settings.catalogue),
        site_key=site_key,
        rates=rates,
        submit=commit.submit,
        metrics=metrics,
        room=room,
    )
    parts = Parts(
        rates=rates,
        append=commit.append,
        site=lambda: upkeep.site,
        is_private=settings.min_machines == 1,
        failure=failure,
        metrics=metrics,
        room=room,
    )
    config = server_config(create_app(parts), partial(Connection, intake=intake, most=most), settings.tls)
    return Server(config, listener, f"listening on {url_of(listener, settings.tls)}", most)


def _admin_server(listener: socket.socket, metrics: Metrics, gauges: Gauges) -> Server:
    """What this machine's users alone reach, on loopback."""
    config = server_config(create_admin_app(metrics, gauges), partial(Bounded, most=ADMIN_CONNECTIONS))
    return Server(config, listener, f"metrics on {url_of(listener)}/metrics", ADMIN_CONNECTIONS)


@asynccontextmanager
async def _meanwhile(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do `work` in the background until the end. A thread of it still finishes the round that is under way."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


async def _answer(servers: Sequence[Server]) -> None:
    """Answer requests until a signal, and finish what is under way."""

    def stop() -> None:
        for server in servers:
            server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await asyncio.gather(*(server.run_on_listener() for server in servers))


def _gauges(
    folder: DataFolder, upkeep: Upkeep, failure: Callable[[], str | None], connections: Collection[object]
) -> Gauges:
    def gauges() -> dict[str, tuple[str, float]]:
        waiting = [status.st_size for status in folder.segments().values()]
        return {
            "collector_connections": ("Connections that are open.", len(connections)),
            "collector_journal_segments": ("Segments of the journal that wait for the loader.", len(waiting)),
            "collector_journal_bytes": ("Bytes of these.", sum(waiting)),
            "collector_seconds_since_good_round": (
                "Seconds since a round of loading and publishing ended well.",
                upkeep.seconds_since_good(),
            ),
            "collector_healthy": ("1 if /healthz says so.", 0 if failure() else 1),
        }

    return gauges
