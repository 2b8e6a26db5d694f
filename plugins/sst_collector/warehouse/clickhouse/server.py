"""A ClickHouse server, spoken to over plain HTTP: today's client libraries can't talk to that of 2018, httpx can."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import httpx

from sst_collector.warehouse.clickhouse.address import Address
from sst_collector.warehouse.protocol import WarehouseError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 300.0
"""How long the server may be silent. A connection that was cut is given up after that, and tried again."""
UNFINISHED = 159
"""The code of a statement that not all servers have carried out yet. Those that are away do when they are back."""

_SETTINGS = {
    "wait_end_of_query": "1",  # an error is then in the status, never in the middle of an answer
    "output_format_json_quote_64bit_integers": "0",
    "insert_distributed_sync": "1",  # done is done on every shard
    "insert_deduplicate": "0",  # a block that was deleted may come again; reads fold
    "distributed_ddl_task_timeout": "15",
    "skip_unavailable_shards": "0",
    "max_query_size": str(1 << 28),  # which segments are read is listed in the statement
    "max_ast_elements": "10000000",
    "max_expanded_ast_elements": "10000000",
}
_MEANINGS = {
    81: "there is no such database; create it first",
    159: "not every server has answered",
    192: "the user is unknown",
    193: "the password is wrong",
    194: "a password is needed",
    241: "it has not enough memory for this",
    242: "its tables are read-only: it has lost ZooKeeper",
    243: "its disk is full",
    252: "it has too many parts to merge",
    279: "a shard has no server that answers",
    395: "a replica is behind",
    497: "the user may not do this",
    516: "the user or the password is wrong",
    999: "it can't reach ZooKeeper",
}


class ServerError(WarehouseError):
    """What the server answered was an error. Its text may quote a row, so only the number is told."""

    def __init__(self, where: str, code: int) -> None:
        meaning = f": {_MEANINGS[code]}" if code in _MEANINGS else ""
        super().__init__(f"the warehouse at {where} answered with error {code}{meaning}")
        self.code = code


class Server(Protocol):
    """Carries statements out."""

    def ask(self, statement: str, lines: bytes | None = None) -> list[tuple[Any, ...]]:
        """The rows that `statement` gives; `lines` is what an INSERT takes. Raises :class:`WarehouseError`."""


@contextmanager
def connected(address: Address, answer_seconds: float = ANSWER_SECONDS) -> Iterator["RemoteServer"]:
    """The first of the servers that answers. Raises :class:`WarehouseError` if none does."""
    refused: WarehouseError | None = None
    for url in address.urls:
        with httpx.Client(
            base_url=url,
            auth=(address.user, address.password),
            params={"database": address.database, **_SETTINGS},
            timeout=httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS),
            verify=url.startswith("https"),  # what it takes to verify is loaded at once
            trust_env=False,  # a proxy for the outside has no business with it
        ) as client:
            server = RemoteServer(client)
            try:
                server.ask("SELECT 1")
            except ServerError as error:
                if error.code in (81, 192, 193, 194, 516):  # elsewhere they will say the same
                    raise
                refused = error
                continue
            except WarehouseError as error:
                refused = error
                continue
            yield server
            return
    assert refused is not None
    raise refused


class RemoteServer:
    """See :class:`Server`."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._where = client.base_url.netloc.decode()

    def ask(self, statement: str, lines: bytes | None = None) -> list[tuple[Any, ...]]:
        asks = statement.lstrip().startswith("SELECT")
        sent = statement.strip().removesuffix(";") + (" FORMAT JSONCompact" if asks else "")
        try:
            answer = self._client.post("/", content=sent.encode() + (b"" if lines is None else b"\n" + lines))
        except UnicodeError:  # of a name in IDNA (xn--…): httpx decodes it, and not each can be
            raise WarehouseError(f"the warehouse at {self._where} can't be reached: that is no host's name") from None
        except httpx.HTTPError as error:
            raise WarehouseError(f"the warehouse at {self._where} can't be reached: {_in_words(error)}") from None
        if answer.status_code != 200:
            raise ServerError(self._where, _code(answer.text))
        try:
            return [tuple(row) for row in json.loads(answer.content)["data"]] if asks else []
        except (ValueError, KeyError, TypeError):
            raise WarehouseError(f"what is at {self._where} doesn't answer as ClickHouse does") from None


def _in_words(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    # The system's words, or TLS's. What the others say may quote the answer.
    if isinstance(error, httpx.ConnectError):
        return re.sub(r"^\[Errno \d+\] ", "", str(error))
    return "the connection was cut, or it isn't HTTP"


def _code(text: str) -> int:
    # An error of many servers quotes theirs: the innermost says why.
    codes = re.findall(r"\bCode: (\d{1,5})\b", text)
    return int(codes[-1]) if codes else 0
