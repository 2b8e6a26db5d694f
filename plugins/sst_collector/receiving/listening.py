"""Listening: uvicorn on a socket that is bound before it, with TLS or without, which stops gracefully."""

import asyncio
import resource
import socket
import ssl
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from sst_collector.receiving.handshakes import Handshakes
from sst_core import ConfigurationError, SstError

STOP_SECONDS = 10
"""How long requests that are under way may take to end once the server is stopped."""
BACKLOG = 4096
"""Connections that may wait to be accepted; the system may have a lower limit."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files."""

    certificate: Path
    key: Path


def check_host(host: str) -> None:
    """Raises :class:`ConfigurationError` for what is no host's name, before anything is made."""
    try:
        socket.getaddrinfo(host, None, _family(host))
    except (TypeError, UnicodeError):  # what Python says of letters that a host's name can't have
        raise ConfigurationError(
            f"Can't listen on {host!r}: that is no host's name. Choose another with --host."
        ) from None
    except socket.gaierror as error:
        raise ConfigurationError(f"Can't listen on {host}: {error.strerror}. Choose another with --host.") from None


def check_tls(tls: Tls) -> None:
    """Raises :class:`ConfigurationError` for what can't be used, before anything is made."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key)
    except OSError as error:
        reason = "not PEM, or not a pair" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigurationError(
            f"TLS can't be used with {tls.certificate} and {tls.key}: {reason}. "
            "Name others with --tls-cert and --tls-key."
        ) from None


def bound(host: str, port: int, options: str = "--host and --port") -> socket.socket:
    """A socket that listens there: whoever comes before there is a server waits.

    Raises :class:`SstError`, which names `options`.
    """
    listener = socket.socket(_family(host))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # With that option, the same could be bound once more for as long as nobody listens.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SstError(
            f"Can't listen on {host} port {port}: {error.strerror}. Choose another with {options}; "
            "port 0 takes any free one."
        ) from None
    return listener


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def allow_files() -> int:
    """Have as many files open as the system lets us, connections being files, and say how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft


class Server(uvicorn.Server):
    """Says where it listens once it does."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, announcement: str, most: int) -> None:
        """`most`: how many connections there may be at once."""
        super().__init__(config)
        self._listener = listener
        self._announcement = announcement
        self._most = most

    async def run_on_listener(self) -> None:
        """Serve until stopped."""
        await self.serve([self._listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self.config.ssl is None:
            await super().startup(sockets)
        else:
            self._startup_with_tls(self.config.ssl)
        print(self._announcement, flush=True)

    def _startup_with_tls(self, tls: ssl.SSLContext) -> None:
        def connection() -> asyncio.Protocol:
            protocol: Any = self.config.http_protocol_class
            made: asyncio.Protocol = protocol(config=self.config, server_state=self.server_state, app_state={})
            return made

        handshakes = Handshakes(
            listener=self._listener,
            backlog=BACKLOG,
            tls=tls,
            connection=connection,
            others=lambda: len(self.server_state.connections),
            most=self._most,
        )
        self.servers = [handshakes]  # type: ignore[list-item]
        self.started = True

    def stop(self) -> None:
        """Gracefully; when told so once more, at once. What was acknowledged is kept either way."""
        self.force_exit = self.should_exit
        self.should_exit = True

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        # uvicorn's own raises the signal again at the end, and a graceful stop would end as a kill.
        return nullcontext()


def server_config(app: Any, protocol: Any, tls: Tls | None = None) -> uvicorn.Config:
    """What :class:`Server` serves `app` with."""
    config = uvicorn.Config(
        app,
        http=protocol,
        lifespan="off",
        # Nothing about a connection is logged, nor anything that was sent.
        access_log=False,
        log_config=None,
        log_level="critical",
        proxy_headers=False,
        ws="none",
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=STOP_SECONDS,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    config.load()
    return config


def url_of(listener: socket.socket, tls: Tls | None = None) -> str:
    """The address of its root."""
    scheme = "https" if tls else "http"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
