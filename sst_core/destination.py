"""Where events go, if anywhere: the first of the environment, the user's configuration and the product's default."""

from collections.abc import Mapping

from sst_core.configuration import telemetry_table
from sst_core.errors import ConfigurationError
from sst_core.locations import Locations
from sst_core.product import Product
from sst_core.records import Record

_LABEL = 63
"""Characters of a host name between two dots, at most: RFC 1035."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Destination(Record):
    """The collector's whole address, `…/events`, or None: then events stay on the machine."""

    url: str | None
    where: str
    """Where the address was read, or why there is none."""


def find_destination(product: Product, environ: Mapping[str, str]) -> Destination:
    """Find the collector. Never raises: an address that can't be used is none, and `where` says why."""
    variable = product.variable("TELEMETRY_URL")
    if environ.get(variable):
        return _usable(environ[variable], variable)
    try:
        file = Locations.of(product, environ).config_file
        url = telemetry_table(file).get("collector")
    except ConfigurationError as error:
        return Destination(None, str(error))
    if url is not None:
        return _usable(url, str(file))
    if product.default_collector:
        return _usable(product.default_collector, f"what {product.name} comes with")
    return Destination(None, f"no collector is configured; {variable} names one")


def _usable(url: object, where: str) -> Destination:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host, _ = parts.hostname, parts.port
    except ValueError:
        return Destination(None, f"the address in {where} is not a URL")
    if parts.scheme not in ("https", "http") or not host:
        return Destination(None, f"the address in {where} is not a URL like https://collector.example/events")
    if not all(0 < len(label) <= _LABEL for label in host.removesuffix(".").split(".")):
        return Destination(None, f"the address in {where} names no host that there can be")
    if parts.username or parts.password:
        return Destination(None, f"the address in {where} has a name or password in it")
    if parts.scheme == "http" and host not in _LOOPBACK:
        return Destination(
            None, f"the address in {where} is http:// to another machine; only https:// may leave this one"
        )
    return Destination(parts.geturl(), where)
