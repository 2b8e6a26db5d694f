"""The collector's front with another store behind it: what is acknowledged is committed there, each session once.

    python benchmarks/intake/stores.py sqlite FILE
    python benchmarks/intake/stores.py postgresql CONNECTION

SQLite commits each request. PostgreSQL gets what waits at the same time by one COPY, as our own journal does.
"""

import asyncio
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import psycopg
import uvicorn
import uvloop

from sst_collector.journal.group_commit import Committed, GroupCommit
from sst_collector.journal.writing import Journal
from sst_collector.metrics import Metrics
from sst_collector.receiving.body import Room
from sst_collector.receiving.connections import Connection
from sst_collector.receiving.intake import Intake
from sst_collector.receiving.legacy import LegacyDecoder
from sst_collector.receiving.rates import Rates
from sst_collector.receiving.schema import Decoder
from sst_collector.receiving.shapes import Shapes
from sst_collector.site_key import SiteKey
from sst_core import SST, utc_now, week_of

Submit = Callable[[Sequence[bytes], Committed], None]

KEYS = [field.key for field in SST.catalogue]
COLUMNS = ", ".join(f'"{key}"' for key in KEYS)
_TYPES = {"cpuCount": "INTEGER", "isCI": "BOOLEAN"}
# The order in which the decoder writes a run's values.
_read = msgspec.json.Decoder(dict[str, Any]).decode


def create_table(text: str, id_: str) -> str:
    """The same table for both: ids in as few bytes as the store has for them."""
    types = {"sessionId": f"{id_} PRIMARY KEY", "anonymousId": id_, **_TYPES}
    columns = ", ".join(f'"{key}" {types.get(key, text)}' for key in KEYS)
    return f"CREATE TABLE runs (week {text}, {columns})"


class Sqlite:
    """A file, its journal a write-ahead log, and every commit synced."""

    def __init__(self, file: str) -> None:
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(create_table("TEXT", "BLOB"))
        self._insert = f"INSERT OR IGNORE INTO runs VALUES ({', '.join('?' * (len(KEYS) + 1))})"  # noqa: S608 - ours

    def write(self, records: Sequence[bytes]) -> None:
        """Commit them."""
        week = week_of(utc_now())
        rows = [[week, *(_blob(key, run[key]) for key in KEYS)] for run in map(_read, records)]
        self._connection.execute("BEGIN")
        self._connection.executemany(self._insert, rows)
        self._connection.execute("COMMIT")


def _blob(key: str, value: object) -> object:
    return bytes.fromhex(value) if key in ("sessionId", "anonymousId") and isinstance(value, str) else value


class Postgresql:
    """A server, and one connection to it."""

    def __init__(self, connection: str) -> None:
        self._connection = psycopg.connect(connection, autocommit=True)
        self._connection.execute(create_table("TEXT", "UUID"))
        self._connection.execute("CREATE TEMP TABLE arrived (LIKE runs)")

    def write(self, records: Sequence[bytes]) -> None:
        """Commit them: COPY knows no conflict, so what arrived twice is left out on the way from a table of its own."""
        week = week_of(utc_now())
        with self._connection.transaction(), self._connection.cursor() as cursor:
            with cursor.copy(f"COPY arrived (week, {COLUMNS}) FROM STDIN") as copy:
                for run in map(_read, records):
                    copy.write_row([week, *(run[key] for key in KEYS)])
            cursor.execute("INSERT INTO runs SELECT * FROM arrived ON CONFLICT DO NOTHING")
            cursor.execute("TRUNCATE arrived")


async def serve(submit: Submit, folder: Path) -> None:
    """Until the process is ended."""
    rates, metrics, room = Rates(0, (), lambda: 0.0), Metrics(), Room()
    intake = Intake(
        record=Shapes(Decoder(SST.catalogue).record).record,
        legacy=LegacyDecoder(SST.catalogue),
        site_key=SiteKey(folder, utc_now),
        rates=rates,
        submit=submit,
        metrics=metrics,
        room=room,
    )
    server = _Announced(
        uvicorn.Config(
            _nothing_else,
            port=0,
            http=cast(Any, partial(Connection, intake=intake, most=1 << 20)),
            lifespan="off",
            log_config=None,
            ws="none",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=4096,
        )
    )
    await server.serve()


async def _nothing_else(scope: object, receive: object, send: object) -> None:
    raise NotImplementedError("only /events is measured")


class _Announced(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print(f"listening on http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}", flush=True)


def main(kind: str, where: str) -> None:
    """Serve with this store."""
    with ThreadPoolExecutor(1) as thread, tempfile.TemporaryDirectory() as folder:
        submit: Submit
        if kind == "sqlite":
            submit = partial(_each, thread, Sqlite(where))
        else:
            submit = GroupCommit(cast(Journal, Postgresql(where)), thread).submit  # all that is asked of it is to write
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(submit, Path(folder)))


def _each(thread: ThreadPoolExecutor, store: Sqlite, records: Sequence[bytes], committed: Committed) -> None:
    written = asyncio.get_running_loop().run_in_executor(thread, store.write, records)
    written.add_done_callback(lambda done: committed(cast("Exception | None", done.exception())))


if __name__ == "__main__":
    main(*sys.argv[1:])
