"""How much one source may send: a count of requests, lines among them, in memory, for a minute, and nothing else about
whom.

A source is the address that a request comes from (of IPv6, the network that a customer is given). It picks one of a
fixed number of counters by a keyed hash and is forgotten at once: the key is random in every process, so that not even
a copy of the memory says who sent anything, and however many sources there are, they take no more room. Two sources
may share a counter, which the limit has room for.
"""

import secrets
from array import array
from collections.abc import Callable, Collection
from ipaddress import IPv4Network, IPv6Network
from socket import AF_INET, AF_INET6, inet_pton

WINDOW = 60.0
"""Seconds."""
COUNTERS = 1 << 16
_MAPPED = "::ffff:"
_MAPPED_BYTES = bytes(10) + b"\xff\xff"
"""What an IPv6 listener puts before the four bytes of IPv4."""
_NETWORK_BYTES = 7
"""Of an IPv6 address, what one customer shares: a /56, which many are given (RFC 6177), and who would be 256 sources by
their /64. Some are given a /48; but then, as many who aren't would share one limit with their neighbours."""


class Rates:
    """Counts requests by source. `limit` is for a minute; 0 is none.

    A loopback address is never limited, since behind it is usually a reverse proxy of this machine: name that one in
    `proxies`, and the source is the last address that it adds to `X-Forwarded-For`.
    """

    def __init__(
        self, limit: int, proxies: Collection[IPv4Network | IPv6Network], monotonic: Callable[[], float]
    ) -> None:
        self._limit = limit
        self._proxies = tuple(
            (each.max_prefixlen // 8, int(each.netmask), int(each.network_address)) for each in map(_unmapped, proxies)
        )
        self._monotonic = monotonic
        self._key = secrets.token_bytes(16)
        self._counts = array("Q", bytes(8 * COUNTERS))
        self._ends = 0.0

    def refuses(self, address: str, forwarded: str | None) -> int:
        """Count a request; the seconds after which its source may come again, or 0 if it is welcome now."""
        return self._count(address, forwarded, 1, most=self._limit - 1)

    def charge(self, address: str, forwarded: str | None, requests: int) -> int:
        """Count a request that was let in as so many more: it is the work of several. The seconds as above.

        It isn't welcome any more if others of its source made the limit full since: all may come before any is whole.
        """
        return self._count(address, forwarded, requests, most=self._limit)

    def _count(self, address: str, forwarded: str | None, requests: int, most: int) -> int:
        """Count so many; the seconds, if there were more than `most` before."""
        counter = self._counter(address, forwarded)
        if counter is None:
            return 0
        now = self._monotonic()
        if now >= self._ends:
            self._counts = array("Q", bytes(8 * COUNTERS))
            self._ends = now + WINDOW
        before = self._counts[counter]
        self._counts[counter] += requests
        return int(self._ends - now) + 1 if before > most else 0

    def _counter(self, address: str, forwarded: str | None) -> int | None:
        """The number of its source's counter; None where nothing is counted."""
        if not self._limit:
            return None
        address = address.removeprefix(_MAPPED)
        if forwarded and self._proxies and self._is_proxy(address):
            address = _without_port(forwarded.rpartition(",")[2].strip())
        elif address.startswith("127.") or address == "::1":
            return None
        return hash((self._key, _source(address))) % COUNTERS

    def _is_proxy(self, address: str) -> bool:
        packed = _packed(address)
        number = int.from_bytes(packed, "big")
        return any(size == len(packed) and number & mask == network for size, mask, network in self._proxies)


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Less what an IPv6 listener puts before IPv4."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return IPv4Network((mapped, max(network.prefixlen - 96, 0))) if mapped else network


def _without_port(address: str) -> str:
    """Less what some proxies write behind it: each connection would be a source of its own."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _source(address: str) -> bytes:
    packed = _packed(address)
    if packed.startswith(_MAPPED_BYTES):
        return packed.removeprefix(_MAPPED_BYTES)
    return packed[:_NETWORK_BYTES] or address.encode()


def _packed(address: str) -> bytes:
    """The bytes of an address; none, if it isn't one. Every request asks: `ipaddress` takes several times as long."""
    try:
        return inet_pton(AF_INET6 if ":" in address else AF_INET, address.partition("%")[0])
    except (OSError, ValueError):
        return b""
