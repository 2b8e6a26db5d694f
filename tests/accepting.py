"""The connections that servers in this process accept, for what no client sees of them."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import TCPServer
from typing import Any

import pytest


@contextmanager
def accepting() -> Iterator[list[socket.socket]]:
    """Those that are accepted from here on, as the servers see them."""
    accepted: list[socket.socket] = []
    accept = TCPServer.get_request

    def get_request(server: TCPServer) -> tuple[socket.socket, Any]:
        connection, address = accept(server)
        accepted.append(connection)
        return connection, address

    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(TCPServer, "get_request", get_request)
        yield accepted


def waits_for_acknowledgements(connection: socket.socket) -> bool:
    """Whether the second of two writes waits until the other end has acknowledged the first: Nagle's algorithm."""
    return not connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
