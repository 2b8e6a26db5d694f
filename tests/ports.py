"""Ports of loopback for programs that listen where they are told."""

import os
import secrets
import socket
from contextlib import closing, suppress

# A worker has ports of its own and gives none twice, for a server binds its own long after: when each was drawn anew,
# two of a cluster's thirteen were the same once in two hundred times.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
_PORTS = list(range(15_000 + 1_500 * _WORKER, 16_500 + 1_500 * _WORKER))
secrets.SystemRandom().shuffle(_PORTS)


def free_port() -> int:
    """A port of loopback on which nobody listens; not one that the system may give to a connection meanwhile."""
    while True:
        port = _PORTS.pop()
        with suppress(OSError), closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", port))
            return port
