"""Where a ClickHouse is: `clickhouse://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?cluster=NAME`.

Everything but a host may be left out. The password may be in the environment instead: a command line is for all to see.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import parse_qs, unquote, urlsplit

from sst_core import ConfigurationError

PASSWORD_VARIABLE = "SST_COLLECTOR_WAREHOUSE_PASSWORD"  # noqa: S105 - its name
EXAMPLE = "clickhouse://user@host:8123/database"
_SCHEMES = {"clickhouse": ("http", 8123), "clickhouses": ("https", 8443)}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::(\d{1,5}))?")
_FOUR_NUMBERS = re.compile(r"\d+(\.\d+){3}")


@dataclass(frozen=True, slots=True)
class Address:
    """The servers, any of which will do, and what they call what is ours."""

    urls: tuple[str, ...]
    database: str
    cluster: str | None
    """The name of the cluster in the servers' configuration; None is one server by itself."""
    user: str
    password: str = field(repr=False)

    def turned(self) -> "Address":
        """The same warehouse, with the second server as the first."""
        return replace(self, urls=(*self.urls[1:], self.urls[0]))


def parse_address(url: str, environ: Mapping[str, str]) -> Address:
    """Read `url`. Raises :class:`ConfigurationError`, which never quotes it: it may hold a password."""
    # Several hosts are no one host: newer Pythons refuse an address in brackets that isn't the first of them.
    scheme, between, after = url.partition("://")
    authority = re.split(r"[/?#]", after, maxsplit=1)[0]
    try:
        parts = urlsplit(scheme + between + after.removeprefix(authority))
        query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError:
        raise _wrong("it is not a URL") from None
    if parts.scheme not in _SCHEMES:
        raise _wrong("it has to begin with clickhouse:// or, for TLS, clickhouses://")
    credentials, _, hosts = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    database = parts.path.strip("/") or "default"
    cluster = query.pop("cluster", [None])[-1]
    if query or parts.fragment:
        raise _wrong("after the database comes ?cluster=NAME or nothing")
    if "," in hosts and not cluster:
        raise _wrong("several hosts are one warehouse only as a cluster: add ?cluster=NAME")
    for name in (database, *([cluster] if cluster else [])):
        if not _NAME.fullmatch(name):
            raise _wrong("a database's and a cluster's name are letters, digits and _")
    return Address(
        tuple(_url(parts.scheme, host) for host in hosts.split(",")),
        database,
        cluster,
        unquote(user) or "default",
        unquote(password) or environ.get(PASSWORD_VARIABLE, ""),
    )


def _url(scheme: str, host: str) -> str:
    protocol, port = _SCHEMES[scheme]
    found = _HOST.fullmatch(host)
    if not found or int(found[2] or port) > 65535 or not _is_host(found[1]):
        raise _wrong("it names no host, or no port, where one should be")
    return f"{protocol}://{found[1]}:{found[2] or port}"


def _is_host(host: str) -> bool:
    """Whether it can be looked up: of what can't, httpx and Python raise other errors than of one that is away."""
    try:
        if host.startswith("["):
            IPv6Address(host[1:-1])
        elif _FOUR_NUMBERS.fullmatch(host):
            IPv4Address(host)
        else:
            host.encode("idna")
    except ValueError:  # a UnicodeError is one
        return False
    return True


def _wrong(why: str) -> ConfigurationError:
    return ConfigurationError(f"The warehouse's address can't be used: {why}. It looks like {EXAMPLE}.")
