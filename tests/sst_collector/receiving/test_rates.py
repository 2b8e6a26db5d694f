"""How much one source may send."""

from ipaddress import ip_network

import pytest

from sst_collector.receiving.rates import COUNTERS, Rates

HERE, THERE = "192.0.2.1", "198.51.100.7"


class Seconds:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    # No two sources share a counter here: two do by one key in 65,536.
    numbers: dict[object, int] = {}
    hashed = "sst_collector.receiving.rates.hash"
    monkeypatch.setattr(hashed, lambda of: numbers.setdefault(of, len(numbers)), raising=False)
    return Seconds()


def test_a_source_that_sends_too_much_is_told_when_it_may_come_again(seconds: Seconds) -> None:
    rates = Rates(3, (), seconds)
    assert [rates.refuses(HERE, None) for _ in range(4)] == [0, 0, 0, 61]
    assert rates.refuses(THERE, None) == 0
    seconds.now += 50
    assert rates.refuses(HERE, None) == 11
    seconds.now += 11
    assert rates.refuses(HERE, None) == 0


def test_a_request_of_much_work_is_let_in_and_counts_as_several(seconds: Seconds) -> None:
    rates = Rates(3, (ip_network("127.0.0.1"),), seconds)
    assert rates.refuses(HERE, None) == 0
    assert rates.charge("127.0.0.1", HERE, 99) == 0
    assert rates.refuses("127.0.0.1", HERE) > 0
    assert rates.refuses(THERE, None) == 0
    seconds.now += 61
    assert rates.refuses(HERE, None) == 0


def test_one_that_was_let_in_is_refused_when_others_have_made_the_limit_full_since(seconds: Seconds) -> None:
    rates = Rates(3, (), seconds)
    assert [rates.refuses(HERE, None) for _ in range(3)] == [0, 0, 0]
    assert [rates.charge(HERE, None, 1) for _ in range(3)] == [0, 61, 61]
    seconds.now += 61
    assert [rates.charge(HERE, None, 4) for _ in range(2)] == [0, 61]


def test_no_limit_is_no_limit(seconds: Seconds) -> None:
    rates = Rates(0, (), seconds)
    assert rates.charge(HERE, None, 1000) == 0
    assert {rates.refuses(HERE, None) for _ in range(1000)} == {0}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_this_machine_has_no_limit(address: str, seconds: Seconds) -> None:
    rates = Rates(1, (), seconds)
    assert {rates.refuses(address, "192.0.2.1") for _ in range(10)} == {0}


def test_behind_a_proxy_the_source_is_the_last_address_that_it_adds(seconds: Seconds) -> None:
    rates = Rates(1, (ip_network("127.0.0.1"),), seconds)
    assert rates.refuses("127.0.0.1", f"203.0.113.1, {HERE}") == 0
    assert rates.refuses("127.0.0.1", f"203.0.113.2, {HERE}") > 0  # what a client invents before it changes nothing
    assert rates.refuses("127.0.0.1", f"203.0.113.1,{THERE}") == 0
    assert rates.refuses("127.0.0.1", "hunter2") == 0


@pytest.mark.parametrize("named", ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7", "2001:0DB8:0:0::7"])
def test_a_proxy_is_known_however_its_address_is_written(named: str, seconds: Seconds) -> None:
    rates = Rates(1, (ip_network(named),), seconds)
    peers = ("2001:db8::7",) if named.startswith("2001") else ("192.0.2.7", "::ffff:192.0.2.7")
    for peer in peers:
        rates.refuses(peer, HERE)
        assert rates.refuses(peer, HERE) > 0
    assert rates.refuses(peers[0], THERE) == 0


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.0.0.0/8", ("10.1.2.3", "::ffff:10.200.0.1"), ("11.0.0.1", "2001:db8::1", "@")),
        ("::ffff:10.0.0.0/104", ("10.1.2.3",), ("11.0.0.1",)),
        ("2001:db8:7::/48", ("2001:db8:7::9", "2001:db8:7::9%eth0"), ("2001:db8:8::9", "10.1.2.3")),
    ],
)
def test_a_network_of_proxies_is_every_address_in_it(
    network: str, inside: tuple[str, ...], outside: tuple[str, ...], seconds: Seconds
) -> None:
    for peer, is_proxy in (*((each, True) for each in inside), *((each, False) for each in outside)):
        rates = Rates(1, (ip_network("192.0.2.200"), ip_network(network)), seconds)
        assert rates.refuses(peer, HERE) == 0
        assert (rates.refuses(peer, THERE) == 0) is is_proxy


def test_a_stranger_can_not_name_another_source(seconds: Seconds) -> None:
    rates = Rates(1, (ip_network("127.0.0.1"),), seconds)
    assert [rates.refuses(HERE, name) > 0 for name in (THERE, "203.0.113.9")] == [False, True]


def test_an_ipv6_network_is_one_source_and_a_mapped_address_is_the_one_it_maps(seconds: Seconds) -> None:
    rates = Rates(1, (), seconds)
    assert rates.refuses("2001:db8:1:2::1", None) == 0
    assert rates.refuses("2001:db8:1:2:ffff::9", None) > 0
    assert rates.refuses("2001:db8:1:ff::1", None) > 0
    assert rates.refuses("2001:db8:1:100::1", None) == 0
    assert rates.refuses(f"::ffff:{HERE}", None) == 0
    assert rates.refuses(HERE, None) > 0


@pytest.mark.parametrize("written", [f"::ffff:{HERE}", f"::FFFF:{HERE}", "0:0:0:0:0:ffff:c000:201"])
def test_however_a_proxy_writes_a_mapped_address_it_is_the_one_it_maps(written: str, seconds: Seconds) -> None:
    rates = Rates(1, (ip_network("127.0.0.1"),), seconds)
    assert rates.refuses("127.0.0.1", written) == 0
    assert rates.refuses("127.0.0.1", f"::FFFF:{THERE}") == 0
    assert rates.refuses("127.0.0.1", HERE) > 0


@pytest.mark.parametrize(
    ("address", "with_ports"),
    [
        (HERE, (f"{HERE}:4711", f"{HERE}:4712")),
        ("2001:db8::1", ("[2001:db8::1]:4711", "[2001:db8::1]:4712", "[2001:db8::1]")),
        (HERE, (f"[::ffff:{HERE}]:4711",)),
    ],
)
def test_a_port_that_a_proxy_writes_behind_an_address_makes_no_other_source(
    address: str, with_ports: tuple[str, ...], seconds: Seconds
) -> None:
    rates = Rates(1, (ip_network("127.0.0.1"),), seconds)
    assert rates.refuses("127.0.0.1", address) == 0
    assert rates.refuses("127.0.0.1", f"{THERE}:4711") == 0
    for written in with_ports:
        assert rates.refuses("127.0.0.1", f"203.0.113.1, {written}") > 0


def test_however_many_sources_there_are_they_take_no_more_room() -> None:
    rates = Rates(1000, (), Seconds())
    for number in range(3 * COUNTERS):
        rates.refuses(f"2001:db8:{number >> 8:x}:{number << 8 & 0xFFFF:x}::1", None)
    assert len(rates._counts) == COUNTERS
    assert sum(rates._counts) == 3 * COUNTERS
    # Spread as a hash spreads: no source shares its counter with so many that the limit would be theirs together.
    assert max(rates._counts) < 30
