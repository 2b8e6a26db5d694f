"""The fixtures of the collector's tests."""

import gc
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from clickhouse_servers import Servers, cluster, one_server
from collecting import Collector, StartCollector, Values, collectors
from sst_collector.warehouse.clickhouse import database as clickhouse_database
from warehousing import WEEK, Chdb, Clickhouse, DuckdbFile, Place, SegmentOf


@pytest.fixture
def start_collector(tmp_path: Path) -> Iterator[StartCollector]:
    with collectors(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def shared_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """For tests that count nothing."""
    with collectors(tmp_path_factory.mktemp("shared")) as start:
        yield start("--snapshot-every", "3600")  # it is there to the end, and a round a second is work


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 with the authority that vouches for it, and its key."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    certificate, key = folder / "cert.pem", folder / "key.pem"
    issued = authority.issue_cert("127.0.0.1")
    for pem in (*issued.cert_chain_pems, authority.cert_pem):
        pem.write_to_path(certificate, append=True)
    issued.private_key_pem.write_to_path(key)
    return certificate, key


@pytest.fixture(scope="session")
def one_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A server of Debian's, started when a test first asks."""
    with one_server(tmp_path_factory.mktemp("clickhouse")) as servers:
        yield servers


@pytest.fixture(scope="session")
def clickhouse_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Two shards of two replicas. A test that breaks something takes a cluster of its own."""
    # Nobody waits for a session to end here, and one that ended while a server was held up is not always begun again.
    with cluster(tmp_path_factory.mktemp("cluster"), session_seconds=10) as servers:
        yield servers


@pytest.fixture(scope="session")
def chdb_query(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Today's engine in this process. There can be only one."""
    from chdb.session import Session

    session = Session(str(tmp_path_factory.mktemp("chdb")))
    yield session.query
    session.close()


@pytest.fixture(scope="session", autouse=True)
def one_clock() -> Iterator[None]:
    """All servers are on this machine: their clocks agree, and nobody has to wait because they may not."""
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(clickhouse_database, "SKEW_SECONDS", 0)
        yield


SHARED = ("chdb", "clickhouse", "cluster")


@pytest.fixture(params=("duckdb", *(pytest.param(name, marks=pytest.mark.warehouses) for name in SHARED)))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A warehouse of each kind, empty."""
    return _place(request, tmp_path)


@pytest.fixture(params=SHARED)
def shared_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """One of each kind that several collectors may share."""
    return _place(request, tmp_path)


def _place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    match request.param:
        case "duckdb":
            return DuckdbFile(tmp_path / "warehouse.duckdb")
        case "chdb":
            return Chdb(request.getfixturevalue("chdb_query"))
        case name:
            servers = request.getfixturevalue("one_clickhouse" if name == "clickhouse" else "clickhouse_cluster")
            return Clickhouse(name, servers, servers.new_database())


@pytest.fixture
def segment_of(tmp_path: Path) -> SegmentOf:
    """Its folder's name is full of what a glob would take for its own."""
    folder = tmp_path / "journal [*?]'"
    folder.mkdir()

    def segment_of(*records: Values, week: str = WEEK, tail: bytes = b"") -> Path:
        path = folder / f"{secrets.token_hex(8)}.ndjson"
        path.write_bytes(b"".join(json.dumps({"week": week, **one}).encode() + b"\n" for one in records) + tail)
        return path

    return segment_of


def pytest_unconfigure() -> None:
    # Hypothesis leaves a callback with the garbage collector, and because of it DuckDB's binding complains at exit
    # about a page of objects that are still there.
    gc.callbacks.clear()
