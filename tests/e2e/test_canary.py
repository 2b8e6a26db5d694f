"""The canary: no secret gets into what is sent, kept or printed, wherever it was. And the check can see.

A few rounds run with the other tests. A campaign is the same with SST_CANARY_ROUNDS set to more:

    SST_CANARY_ROUNDS=300 pytest tests/e2e/test_canary.py --numprocesses 2 -k gets_through
"""

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import pytest
import trustme
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from canary.flying import Tally, fly, fly_to, leaks
from canary.leaking import FORMS
from canary.planting import PLACES, UNPARSED, Setting, secrets
from canary.searching import Trace, machine_facts, search, search_words
from collecting import Collector, a_run, collectors
from sst_core import SST

SETTINGS = {
    "person": Setting(),
    "person, detached sender": Setting(detached=True),
    "CI": Setting(ci=True),
    "CI, detached sender": Setting(ci=True, detached=True),
    "person, TLS": Setting(tls=Path()),
    "CI, TLS, detached sender": Setting(ci=True, tls=Path(), detached=True),
}
ROUNDS = -(-int(os.environ.get("SST_CANARY_ROUNDS", "6")) // len(SETTINGS))
"""For each setting."""
SECONDS_A_ROUND = 60

# Nothing is made smaller: a finding names its place and form, and each round costs seconds.
rounds = settings(
    max_examples=ROUNDS,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
one_round = settings(rounds, max_examples=1)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for loopback, with its key and the authority that vouches for it."""
    path, authority = tmp_path_factory.mktemp("certificate") / "all.pem", trustme.CA()
    for pem in (authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem, authority.cert_pem):
        pem.write_to_path(path, append=True)
    return path


@pytest.mark.timeout(120 + SECONDS_A_ROUND * ROUNDS)
@pytest.mark.parametrize("name", SETTINGS)
def test_no_secret_gets_through(
    name: str, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    setting, tally = SETTINGS[name], Tally()
    if setting.tls:
        setting = Setting(setting.ci, request.getfixturevalue("certificate"), setting.detached)

    @rounds
    @given(secrets())
    def campaign(planted: Mapping[str, str]) -> None:
        flight = fly(planted, setting)
        assert flight.leaks == []
        assert flight.delivered == flight.expected
        assert {trace.channel for trace in flight.traces} == {"sent", "kept", "printed"}
        tally.count(flight)

    campaign()
    assert tally.rounds >= ROUNDS
    record_property("canary", [tally.cases, tally.rounds, tally.searched])


def test_a_leaky_plugin_is_caught_in_every_place_and_form() -> None:
    @one_round
    @given(secrets())
    def flight(planted: Mapping[str, str]) -> None:
        flight = fly(planted, Setting(), leaky=True)
        places = set(flight.planted)
        assert places >= PLACES.keys() - {"host name", "CI variable's value"}
        for channel, expected in (("sent", places), ("kept", places), ("printed", places - UNPARSED)):
            leaked = flight.leaked(channel)
            assert {form: leaked.get(form) for form in FORMS} == dict.fromkeys(FORMS, expected), channel

    flight()


def _sha1(secret: str) -> "hashlib._Hash":
    return hashlib.sha1(secret.encode(), usedforsecurity=False)


REFUSED_HEADERS = ("User-Agent", "X-Forwarded-For", "Referer", "Cookie", "Authorization")


def test_a_collector_keeps_no_secret_and_nothing_of_what_it_refuses(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="the collector's packages are not installed")

    @one_round
    @given(secrets())
    def flight(planted: Mapping[str, str]) -> None:
        with TemporaryDirectory(dir=tmp_path) as folder, collectors(Path(folder)) as start:
            _watch_a_collector(start(), planted)

    flight()


def _watch_a_collector(collector: Collector, planted: Mapping[str, str]) -> None:
    address = f"http://127.0.0.1:{collector.port}/events"
    flight = fly_to(address, planted, Setting(forgets=False))
    assert flight.leaks == []
    assert flight.delivered == flight.expected

    lines = [line for secret in planted.values() for line in _refused(secret)]
    answer = collector.client.post(
        "/events",
        params={"secret": planted["variable's value"]},
        content=b"\n".join(lines),
        headers=dict.fromkeys(REFUSED_HEADERS, planted["git user"]),
    )
    assert answer.status_code == 200
    assert (answer.json()["accepted"], len(answer.json()["rejected"])) == (0, len(lines))
    no_json = collector.send(planted["file content"].encode(), Content_Type="application/json")
    no_gzip = collector.send(planted["git remote"].encode(), Content_Encoding="gzip")
    nowhere = collector.client.get(f"/{planted['git mail']}")
    published = {"plugin": 1, "build": 1, "deploy": 1}
    collector.wait_until(lambda: collector.runs() == published and collector.stats()["rejected"] == len(lines) + 1)

    pages = [collector.client.get(path) for path in ("/stats.json", "/stats.csv", "/", "/metrics", "/healthz")]
    said = [reply.content for reply in (answer, no_json, no_gzip, nowhere, *pages)]
    running = folder_traces(collector.data)
    code, *output = collector.end()
    assert code == 0
    said += [text.encode() for text in output]
    rows = warehouse_traces(collector.data / "warehouse.duckdb")
    traces = [*running, *folder_traces(collector.data), *rows, *(Trace("printed", "answer", each) for each in said)]

    assert leaks(flight.planted, traces) == []
    kept = b"".join(trace.content for trace in rows).decode()
    assert all(str(UUID(session)) in kept for session in flight.runs), "the search does see what is in the warehouse"
    assert {"snapshot.json", "warehouse.duckdb"} <= {trace.name for trace in running}


def _refused(secret: str) -> Iterator[bytes]:
    """Lines that hold the secret in every place where a careless collector might keep it."""
    for key in ("command", "anonymousId", "sstVersion", "distro", "cpuCount"):
        yield json.dumps(_envelope({key: secret})).encode()
    for section in (None, "context", "environment"):
        envelope = _envelope({})
        (envelope if section is None else envelope[section])["projectId"] = secret
        yield json.dumps(envelope).encode()
        del (envelope if section is None else envelope[section])["projectId"]
        (envelope if section is None else envelope[section])[secret] = True
        yield json.dumps(envelope).encode()
    yield json.dumps(secret).encode()
    yield b"{" + json.dumps(secret).encode()


def _envelope(changes: Mapping[str, str]) -> dict[str, Any]:
    envelope: dict[str, Any] = SST.catalogue.envelope(a_run())
    for section in (envelope["context"], envelope["environment"], envelope["events"][0]["properties"]):
        section.update({key: value for key, value in changes.items() if key in section})
    return envelope


def folder_traces(data: Path) -> list[Trace]:
    """Every file of a collector's data folder."""
    paths = [path for path in data.rglob("*") if path.is_file()]
    return [Trace("kept", str(path.relative_to(data)), path.read_bytes()) for path in paths]


def warehouse_traces(file: Path) -> list[Trace]:
    """Every row of every table: on the disk they are compressed."""
    import duckdb

    with duckdb.connect(file, read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return [
            Trace("kept", table, "\n".join(str(value) for row in rows for value in row).encode())
            for table in tables
            for rows in [connection.execute(f'SELECT * FROM "{table}"').fetchall()]  # noqa: S608 - its own names
        ]


def test_a_secret_in_a_collectors_folder_is_seen(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the collector's packages are not installed")
    secrets = {"journal": "correct horse", "warehouse": "battery staple"}
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "1.ndjson").write_text(f'{{"a":"{secrets["journal"]}"}}')
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        connection.execute("CREATE TABLE runs (command VARCHAR)")
        connection.execute("INSERT INTO runs SELECT ? FROM range(100000)", [secrets["warehouse"]])

    traces = [*folder_traces(tmp_path), *warehouse_traces(tmp_path / "warehouse.duckdb")]

    found = search({place: (secret,) for place, secret in secrets.items()}, traces)
    assert {finding.place for finding in found} == secrets.keys()


DISGUISES: Mapping[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "in other letters": lambda secret: "".join(
        letter.swapcase() if letter.swapcase().casefold() == letter.casefold() else letter for letter in secret
    ).encode(),
    "reversed": lambda secret: secret[::-1].encode(),
    "url-encoded": lambda secret: quote(secret, safe="").lower().encode(),
    "in a form": lambda secret: quote_plus(secret).encode(),
    "JSON": lambda secret: json.dumps({"a": secret}).encode(),
    "repr": lambda secret: repr([secret]).encode(),
    "hex": lambda secret: secret.encode().hex().encode(),
    "HEX": lambda secret: secret.encode().hex().upper().encode(),
    "sha1": lambda secret: _sha1(secret).hexdigest().encode(),
    "sha256": lambda secret: hashlib.sha256(secret.encode()).hexdigest().encode(),
    "sha256, cut": lambda secret: hashlib.sha256(secret.encode()).hexdigest()[:16].upper().encode(),
    "sha1, raw": lambda secret: _sha1(secret).digest(),
    "sha256, raw": lambda secret: hashlib.sha256(secret.encode()).digest(),
    "sha1 in base64": lambda secret: base64.b64encode(_sha1(secret).digest()),
    "sha256 in base64": lambda secret: base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).rstrip(b"="),
}
BASES: Mapping[str, Callable[[bytes], bytes]] = {"base64": base64.b64encode, "base64url": base64.urlsafe_b64encode}


@settings(max_examples=25)  # of 16 kinds, twice each
@given(secret=st.lists(st.characters(codec="utf-8", exclude_characters="\0"), min_size=12, unique=True).map("".join))
@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_a_secret_is_seen_in_every_disguise(disguise: Callable[[str], bytes], secret: str) -> None:
    as_it_is, compressed = b"\xff " + disguise(secret), b"POST /events\r\n\r\n" + gzip.compress(disguise(secret))

    assert search({"place": (secret,)}, [Trace("sent", "", as_it_is)])
    assert search({"place": (secret,)}, [Trace("sent", "", compressed)])


@given(
    secret=st.lists(st.characters(codec="utf-8", exclude_characters="\0"), min_size=12, unique=True).map("".join),
    before=st.binary(max_size=8),
    after=st.binary(max_size=8),
)
@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_a_secret_is_seen_at_every_alignment_of_base64(
    base: Callable[[bytes], bytes], secret: str, before: bytes, after: bytes
) -> None:
    assert search({"place": (secret,)}, [Trace("kept", "", base(before + secret.encode() + after))])


def test_a_secret_is_seen_in_the_name_of_a_file() -> None:
    assert search({"place": ("correct horse",)}, [Trace("kept", "queue/correct horse.json", b"")])


def test_the_machines_own_names_are_seen() -> None:
    facts = machine_facts()
    assert facts

    for place, value in facts.items():
        content = gzip.compress(json.dumps({"a": value}).encode())
        assert place in {finding.place for finding in search_words(facts, [Trace("sent", "", content)])}


def test_a_short_name_is_seen_among_bytes_that_are_no_text_and_two_letters_are_not() -> None:
    among = [Trace("kept", "warehouse", b"\xff\xfe" + text + b"\xff") for text in (b"\x01vm\x02", b"on the host vm\0")]

    assert [bool(search_words({"real host": "vm"}, [trace])) for trace in among] == [False, True]


def test_what_is_no_secret_is_no_finding() -> None:
    traces = [Trace("sent", "", gzip.compress(b'{"command":"build"}')), Trace("kept", "queue/1.json", b"{}")]

    assert search({place: (f"{place}: correct horse",) for place in PLACES}, traces) == []
    assert search_words({"real host": "vm"}, [Trace("sent", "", b"vmlinuz \x1f\x8b\x08 kvm")]) == []
