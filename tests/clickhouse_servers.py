"""Debian's ClickHouse, of 2018, and ZooKeeper: real servers on loopback, with a configuration that is written here."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from ports import free_port
from sst_core.testing import PATIENCE

SKIPPED = "SST_SKIP_CLICKHOUSE"
"""Set to 1 where the servers can't be had, and the tests that need them are skipped."""
CLUSTER = "sst"
USER, PASSWORD = "collector", "not a secret: 'of' tests"
ZOOKEEPER = Path("/usr/share/java/zookeeper.jar")


@dataclass
class Server:
    """One ClickHouse."""

    folder: Path
    http: int = field(default_factory=free_port)
    native: int = field(default_factory=free_port)
    interserver: int = field(default_factory=free_port)
    in_cluster: bool = False
    process: "subprocess.Popen[bytes] | None" = None

    def configure(self, more: str = "", user_settings: str = "") -> None:
        """Write its configuration; `more` is XML that goes into it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "users.xml").write_text(_USERS.format(user_settings=user_settings))
        (self.folder / "config.xml").write_text(_CONFIG.format(server=self, folder=self.folder, more=more))

    def start(self) -> None:
        """Start it and return once it answers."""
        (self.folder / "log").unlink(missing_ok=True)
        with (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(
                ["clickhouse-server", "--config-file", self.folder / "config.xml"],
                stdout=out,
                stderr=out,
                cwd=self.folder,
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(httpx.HTTPError, OSError):
                self.ask("SELECT 1")
                if not self.in_cluster or _READY in (self.folder / "log").read_text():
                    return
            assert self.process.poll() is None, (self.folder / "out").read_text()[-2000:]
            assert time.monotonic() < deadline, "ClickHouse never answered"
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, if it runs."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None

    def ask(self, statement: str, database: str = "default", **settings: str) -> str:
        """What it answers, as text."""
        answer = httpx.post(
            f"http://127.0.0.1:{self.http}/",
            content=statement.encode(),
            auth=(USER, PASSWORD),
            params={"database": database, **settings},
            timeout=PATIENCE,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return answer.text


@dataclass
class ZooKeeper:
    """One ZooKeeper."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it and return once it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "zoo.cfg").write_text(
            f"dataDir={self.folder}/data\nclientPort={self.port}\nclientPortAddress=127.0.0.1\n"
            "tickTime=500\nadmin.enableServer=false\n"
        )
        with (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(
                [
                    "java",
                    "-Xmx128m",
                    "-Dzookeeper.forceSync=no",
                    "-cp",
                    ZOOKEEPER,
                    _ZOOKEEPER_MAIN,
                    self.folder / "zoo.cfg",
                ],
                stdout=out,
                stderr=out,
                cwd=self.folder,
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError), closing(socket.create_connection(("127.0.0.1", self.port), 1)) as asking:
                asking.sendall(b"srvr")  # it listens before it serves
                if asking.recv(100).startswith(b"Zookeeper version"):
                    return
            assert self.process.poll() is None, (self.folder / "out").read_text()[-2000:]
            assert time.monotonic() < deadline, "ZooKeeper never listened"
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill it, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None


@dataclass(frozen=True)
class Servers:
    """One server, or shards of replicas that know each other as `CLUSTER`."""

    shards: Sequence[Sequence[Server]]
    zookeeper: ZooKeeper | None = None

    @property
    def all(self) -> list[Server]:
        """Every server, the replicas of a shard together."""
        return [server for shard in self.shards for server in shard]

    def new_database(self) -> str:
        """A new database on all of them: its name. Servers of a cluster that no longer do what it asks start anew."""
        name = f"t{secrets.token_hex(6)}"
        if self.zookeeper is None:
            for server in self.all:
                server.ask(f"CREATE DATABASE {name}")
            return name
        together = f"CREATE DATABASE IF NOT EXISTS {name} ON CLUSTER {CLUSTER}"
        try:
            self.all[0].ask(together, distributed_ddl_task_timeout="15")
        except (AssertionError, httpx.HTTPError):
            for server in self.all:
                server.stop()
                server.start()
            self.all[0].ask(together)
        return name

    def url(self, database: str, servers: Sequence[Server] | None = None) -> str:
        """What a collector is given for --warehouse; without the password."""
        hosts = ",".join(f"127.0.0.1:{server.http}" for server in servers or self.all)
        return f"clickhouse://{USER}@{hosts}/{database}" + (f"?cluster={CLUSTER}" if self.zookeeper else "")


def required() -> None:
    """Fail if the servers are not installed, or skip where that was asked for."""
    missing = [name for name in ("clickhouse-server", "java") if shutil.which(name) is None]
    missing += [str(ZOOKEEPER)] if not ZOOKEEPER.exists() else []
    if not missing:
        return
    if os.environ.get(SKIPPED) == "1":
        pytest.skip(f"{', '.join(missing)} not found")
    pytest.fail(f"{', '.join(missing)} not found: install clickhouse-server and zookeeper, or set {SKIPPED}=1")


@contextmanager
def one_server(folder: Path, user_settings: str = "") -> Iterator[Servers]:
    """One ClickHouse by itself."""
    required()
    server = Server(folder / "server")
    server.configure(user_settings=user_settings)
    try:
        server.start()
        yield Servers([[server]])
    finally:
        server.stop()


@contextmanager
def cluster(folder: Path, shards: int = 2, replicas: int = 2, session_seconds: int = 3) -> Iterator[Servers]:
    """A cluster and its ZooKeeper, which gives a server up that was silent for `session_seconds`: 10 at most."""
    required()
    with ExitStack() as stack:
        zookeeper = ZooKeeper(folder / "zookeeper")
        stack.callback(zookeeper.stop)
        zookeeper.start()
        servers = [
            [Server(folder / f"{shard}-{replica}", in_cluster=True) for replica in range(replicas)]
            for shard in range(shards)
        ]
        known = "".join(
            "<shard><internal_replication>true</internal_replication>"
            + "".join(
                f"<replica><host>127.0.0.1</host><port>{server.native}</port>"
                f"<user>{USER}</user><password>{PASSWORD}</password></replica>"
                for server in shard
            )
            + "</shard>"
            for shard in servers
        )
        for shard_number, shard in enumerate(servers):
            for replica_number, server in enumerate(shard):
                server.configure(
                    _CLUSTER.format(
                        known=known,
                        port=zookeeper.port,
                        session=session_seconds * 1000,
                        shard=shard_number,
                        replica=replica_number,
                    )
                )
                stack.callback(server.stop)
        for server in (server for shard in servers for server in shard):
            server.start()
        yield Servers(servers, zookeeper)


# Asked for something that concerns the cluster before it has a session with ZooKeeper, it crashes.
_READY = "DDLWorker: Waiting a watch"
_ZOOKEEPER_MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
# What concerns the whole cluster is done by the user `default`, among the servers themselves.
_USERS = f"""<yandex>
<profiles><default><max_memory_usage>4000000000</max_memory_usage>{{user_settings}}</default></profiles>
<users><{USER}>
    <password>{PASSWORD}</password>
    <networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
</{USER}>
<default><password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
</users>
<quotas><default/></quotas>
</yandex>"""
_CONFIG = """<yandex>
<logger><level>debug</level><log>{folder}/log</log><errorlog>{folder}/errors</errorlog></logger>
<listen_host>127.0.0.1</listen_host>
<http_port>{server.http}</http_port>
<tcp_port>{server.native}</tcp_port>
<interserver_http_port>{server.interserver}</interserver_http_port>
<interserver_http_host>127.0.0.1</interserver_http_host>
<path>{folder}/data/</path>
<tmp_path>{folder}/tmp/</tmp_path>
<format_schema_path>{folder}/</format_schema_path>
<user_files_path>{folder}/</user_files_path>
<users_config>users.xml</users_config>
<default_profile>default</default_profile>
<default_database>default</default_database>
<mark_cache_size>10000000</mark_cache_size>
<timezone>UTC</timezone>
{more}
</yandex>"""
_CLUSTER = f"""<remote_servers><{CLUSTER}>{{known}}</{CLUSTER}></remote_servers>
<zookeeper>
    <node><host>127.0.0.1</host><port>{{port}}</port></node>
    <session_timeout_ms>{{session}}</session_timeout_ms>
</zookeeper>
<macros><shard>{{shard}}</shard><replica>{{replica}}</replica></macros>
<distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>"""
