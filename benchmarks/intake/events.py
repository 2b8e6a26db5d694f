"""Requests that are ready to be sent, made before the clock starts."""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from sst_core import SST

_ID = "0" * 32
_SYSTEMS = (("linux", "ubuntu-24"), ("linux", "debian-12"), ("linux", "other"), ("darwin", None), ("win32", None))
_COMMANDS = ("build", "start", "deploy", "diff", "remove", "plugin")
RUNS_A_MACHINE = 5
"""In a week."""
REPEATED = 50
"""One request in so many is sent a second time, as by a client that never saw the answer."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent in one lap."""

    requests: list[bytes]
    """Whole, with their heads."""
    sent: int
    """Events in them."""
    distinct: int
    """Events that have to be counted."""


def load(events: int, a_request: int, *, zipped: bool, seed: int) -> Load:
    """At least so many distinct events, `a_request` in each request, and some requests twice."""
    rng = random.Random(seed)  # noqa: S311 - the same ones every time
    runs = envelopes(rng)
    requests = []
    count = -(-events // a_request)
    for number in range(count):
        body = b"\n".join(next(runs) for _ in range(a_request))
        request = _request(gzip.compress(body, 6) if zipped else body, zipped=zipped)
        requests += [request, request] if number % REPEATED == REPEATED - 1 else [request]
    return Load(requests, len(requests) * a_request, count * a_request)


def envelopes(rng: random.Random) -> Iterator[bytes]:
    """Envelopes of a community of machines of which each runs some commands, without end. No run comes twice."""
    shapes = [
        _shape(rng, platform, distro, command) for platform, distro in _SYSTEMS for command in _COMMANDS for _ in "123"
    ]
    while True:
        machine = rng.randbytes(16).hex().encode()
        for before, between, after in rng.choices(shapes, k=RUNS_A_MACHINE):
            yield b"".join((before, machine, between, rng.randbytes(16).hex().encode(), after))


def _shape(rng: random.Random, platform: str, distro: str | None, command: str) -> list[bytes]:
    """An envelope in three pieces: the two ids stand between them."""
    values = {
        "anonymousId": _ID,
        "sessionId": _ID,
        "sstVersion": f"0.{rng.randrange(3)}.{rng.randrange(4)}",
        "systemPlatform": platform,
        "systemArchitecture": rng.choice(("x64", "x64", "arm64")),
        "distro": distro,
        "cpuCount": 2 ** rng.randrange(6),
        "isCI": False,
        "ciName": None,
        "pythonVersion": rng.choice(("3.11", "3.12", "3.13")),
        "command": command,
    }
    return json.dumps(SST.catalogue.envelope(values), separators=(",", ":")).encode().split(_ID.encode())


def _request(body: bytes, *, zipped: bool) -> bytes:
    encoding = b"Content-Encoding: gzip\r\n" if zipped else b""
    return (
        b"POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
        b"%sContent-Length: %d\r\n\r\n%s" % (encoding, len(body), body)
    )
