"""The warehouse's address, as an operator writes it."""

import pytest

from sst_collector.warehouse.clickhouse.address import PASSWORD_VARIABLE, Address, parse_address
from sst_core import ConfigurationError

SECRET = "hunter2"  # noqa: S105 - must not turn up in a message


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("clickhouse://ch", Address(("http://ch:8123",), "default", None, "default", "from outside")),
        (
            "clickhouse://me:a%3Ab%40c@one:81,two,[::1]:82/sst?cluster=main",
            Address(("http://one:81", "http://two:8123", "http://[::1]:82"), "sst", "main", "me", "a:b@c"),
        ),
        ("clickhouse://10.0.0.5/sst", Address(("http://10.0.0.5:8123",), "sst", None, "default", "from outside")),
        ("clickhouses://me@ch/sst/", Address(("https://ch:8443",), "sst", None, "me", "from outside")),
    ],
)
def test_what_is_left_out_is_as_usual(url: str, address: Address) -> None:
    assert parse_address(url, {PASSWORD_VARIABLE: "from outside"}) == address


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{SECRET}@ch/sst",
        f"clickhouse://me:{SECRET}@",
        f"clickhouse://me:{SECRET}@ch:99999/sst",
        f"clickhouse://me:{SECRET}@ch one/sst",
        f"clickhouse://me:{SECRET}@ch/ss t",
        f"clickhouse://me:{SECRET}@ch/sst?cluster=a b",
        f"clickhouse://me:{SECRET}@ch/sst?clutser=main",
        f"clickhouse://me:{SECRET}@ch/sst?cluster",
        f"clickhouse://me:{SECRET}@[::1/sst",
        f"clickhouse://me:{SECRET}@ch/sst#main",
        f"clickhouse://me:{SECRET}@one,two/sst",
        f"clickhouse://me:{SECRET}@one..two/sst",
        f"clickhouse://me:{SECRET}@./sst",
        f"clickhouse://me:{SECRET}@{'x' * 64}/sst",
        f"clickhouse://me:{SECRET}@[:::::]/sst",
        f"clickhouse://me:{SECRET}@999.999.999.999/sst",
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^The warehouse's address can't be used: ") as refused:
        parse_address(url, {})
    assert SECRET not in str(refused.value)


def test_a_password_is_not_in_what_is_printed_of_an_address() -> None:
    assert SECRET not in repr(parse_address(f"clickhouse://me:{SECRET}@ch", {}))
