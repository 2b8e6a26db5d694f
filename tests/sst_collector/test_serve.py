import asyncio
import gzip
import json
import re
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from collecting import Collector, StartCollector, Values, a_run, collectors, spawn
from installed import PYTHON
from sst_collector import server
from sst_collector.data_folder import claimed
from sst_collector.receiving import listening
from sst_collector.warehouse.duckdb.file import mark_moved
from sst_core import SST, SstError

SECRET = "hunter2"  # noqa: S105 - free text that must not turn up anywhere
SENDER = "correct horse"


def envelope(run: Values) -> bytes:
    return json.dumps(SST.catalogue.envelope(run)).encode()


def stored(collector: Collector) -> bytes:
    """Everything that the collector has on disk and has said, once it has ended."""
    _, out, err = collector.end()
    return b"".join(path.read_bytes() for path in collector.data.rglob("*") if path.is_file()) + (out + err).encode()


def counted(collector: Collector, *commands: str) -> Values:
    """How many runs it publishes of each of these commands."""
    return {command: runs for command, runs in collector.runs().items() if command in commands}


@pytest.fixture(scope="class")
def counting_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Where each test counts commands that no other sends."""
    with collectors(tmp_path_factory.mktemp("taking-in")) as start:
        yield start()


@pytest.fixture(scope="class")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """What is answered where one secret is in each place of a request, and another in its connection; and what is
    kept of both."""
    with collectors(tmp_path_factory.mktemp("told")) as start:
        collector = start()
        document = SST.catalogue.envelope(a_run())
        bodies = [
            json.dumps(document | {SECRET: 1}).encode(),
            json.dumps(document | {"events": [{"name": SECRET}]}).encode(),
            envelope(a_run()).replace(b'"build"', f'"{SECRET}"'.encode()),
            SECRET.encode(),
        ]
        headers = {"X-Note": SECRET}
        answers = [collector.client.post(f"/events?{SECRET}", content=body, headers=headers) for body in bodies]
        assert [answer.json()["accepted"] for answer in answers] == [0] * len(bodies)
        answers.append(collector.client.get(f"/{SECRET}"))
        assert collector.send(envelope(a_run()), User_Agent=SENDER).json()["accepted"] == 1
        with socket.create_connection(("127.0.0.1", int(collector.port))) as raw:
            raw.sendall(f"{SENDER} not HTTP at all\r\n\r\n".encode())
            raw.recv(1000)
        return "".join(answer.text for answer in answers), stored(collector)


class TestTakingIn:
    def test_one_envelope_chunked_and_without_length(self, counting_collector: Collector) -> None:
        def chunks() -> Iterator[bytes]:
            body = json.dumps(SST.catalogue.envelope(a_run(command="remove")), indent=2).encode()
            yield from (body[start : start + 50] for start in range(0, len(body), 50))

        answer = counting_collector.send(chunks(), Content_Type="application/json; charset=utf-8")
        assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "rejected": []})
        counting_collector.wait_until(lambda: counted(counting_collector, "remove") == {"remove": 1})

    def test_a_bad_line_takes_none_of_its_neighbours_with_it(self, counting_collector: Collector) -> None:
        lines = [
            envelope(a_run(command="diff")),
            envelope(a_run(command="diff")).replace(b'"cpuCount": 8', b'"cpuCount": 7'),
            b"",
            b"{",
            envelope(a_run(command="diff")),
        ]
        answer = counting_collector.send(gzip.compress(b"\r\n".join(lines)), Content_Encoding="gzip")
        assert answer.status_code == 200
        assert answer.json() == {
            "accepted": 2,
            "rejected": [
                {"line": 2, "reason": "environment.cpuCount: not what the catalogue allows"},
                {"line": 4, "reason": "not JSON"},
            ],
        }
        counting_collector.wait_until(lambda: counted(counting_collector, "diff") == {"diff": 2})
        assert counting_collector.stats()["rejected"] == 2

    def test_a_session_counts_once_however_often_it_arrives(self, counting_collector: Collector) -> None:
        theirs = ("build", "deploy", "start")
        one = a_run()
        counting_collector.post(one, one)
        counting_collector.post(one)
        counting_collector.wait_until(lambda: counted(counting_collector, *theirs) == {"build": 1})
        counting_collector.post(one, a_run(command="deploy"))
        counting_collector.wait_until(lambda: counted(counting_collector, *theirs) == {"build": 1, "deploy": 1})
        assert counting_collector.end()[0] == 0
        counting_collector.start()
        counting_collector.post(one, a_run(command="start"))
        counting_collector.wait_until(lambda: counted(counting_collector, *theirs) == dict.fromkeys(theirs, 1))

    def test_nothing_that_is_not_in_the_catalogue_is_stored_echoed_or_logged(self, told: tuple[str, bytes]) -> None:
        answered, kept = told
        assert SECRET not in answered
        assert SECRET.encode() not in kept

    def test_nothing_about_the_connection_is_kept(self, told: tuple[str, bytes]) -> None:
        _, kept = told
        assert SENDER.encode() not in kept
        assert b"127.0.0.1" not in kept


class TestLimits:
    @pytest.mark.parametrize(
        ("status", "body", "headers"),
        [
            (400, b"", {}),
            (400, b" \n\n", {}),
            (400, b"not gzip", {"Content_Encoding": "gzip"}),
            (400, gzip.compress(b"{}")[:-4], {"Content_Encoding": "gzip"}),
            (400, gzip.compress(b"{}") + b"more", {"Content_Encoding": "gzip"}),
            (413, b"x" * (1 << 20) + b"x", {}),
            (413, gzip.compress(b"\n" * (64 << 20)), {"Content_Encoding": "gzip"}),
            (413, b"x\n" * 1000 + b"x", {}),
            (415, b"{}", {"Content_Encoding": "br"}),
        ],
        ids=["empty", "blank", "not gzip", "cut gzip", "gzip and more", "too long", "bomb", "too many lines", "brotli"],
    )
    def test_a_body_that_can_not_be_taken_is_refused(
        self, shared_collector: Collector, status: int, body: bytes, headers: dict[str, str]
    ) -> None:
        answer = shared_collector.send(body, **headers)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()["description"]

    def test_a_body_that_does_not_say_its_length_is_held_to_the_same_limit(self, shared_collector: Collector) -> None:
        assert shared_collector.send(b"x" * 1000 for _ in range(1100)).status_code == 413

    def test_a_thousand_lines_are_not_too_many(self, shared_collector: Collector) -> None:
        answer = shared_collector.send(b"x\n" * 1000)
        assert (answer.status_code, len(answer.json()["rejected"])) == (200, 1000)

    def test_other_methods_and_paths_are_refused(self, shared_collector: Collector) -> None:
        assert shared_collector.client.get("/events").status_code == 405
        assert shared_collector.client.get("/events/more").status_code == 404
        for _ in range(2):  # on one connection: an answer without a body comes all the same
            assert shared_collector.client.head("/events").status_code == 405


class TestNeverLosing:
    def test_a_last_line_that_a_crash_tore_is_ignored(self, start_collector: StartCollector) -> None:
        collector = start_collector("--snapshot-every", "3600")
        collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
        collector.post(a_run())
        collector.end(signal.SIGKILL)
        (segment,) = (collector.data / "journal").iterdir()
        with segment.open("ab") as file:
            file.write(segment.read_bytes()[:70])
        collector.start()
        collector.wait_until(lambda: collector.runs() == {"build": 1})
        assert list((collector.data / "journal").iterdir()) == []

    @pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
    def test_a_full_disk_is_a_503_and_passes(self, start_collector: StartCollector) -> None:
        collector = start_collector("--snapshot-every", "3600")
        collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
        unlimited = resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        refused = collector.post(a_run())
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
        assert collector.client.get("/stats.json").status_code == 200
        resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, unlimited)
        assert collector.post(a_run()).status_code == 200

    def test_a_locked_warehouse_keeps_nobody_from_being_acknowledged(self, start_collector: StartCollector) -> None:
        collector = start_collector()
        collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
        with _locked(collector.data / "warehouse.duckdb"):
            assert collector.post(a_run()).status_code == 200
            collector.wait_until(lambda: collector.client.get("/healthz").status_code == 503)
            assert "WarehouseError" in collector.client.get("/healthz").json()["description"]
            assert collector.stats()
        collector.wait_until(lambda: collector.runs() == {"build": 1})
        assert collector.client.get("/healthz").json() == {"status": "ok"}

    @pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
    def test_of_two_failures_both_are_told(self, start_collector: StartCollector) -> None:
        collector = start_collector()
        collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
        with _locked(collector.data / "warehouse.duckdb"):
            assert collector.post(a_run()).status_code == 200
            collector.wait_until(lambda: collector.client.get("/healthz").status_code == 503)
            unlimited = resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            assert collector.post(a_run()).status_code == 503
            told = collector.client.get("/healthz").json()["description"]
            resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, unlimited)
        assert re.fullmatch(
            r"The journal takes nothing: .+\. Loading or publishing failed: \w+\. What was taken in is kept\.", told
        )


class TestRunning:
    def test_it_answers_as_soon_as_it_says_where(self, start_collector: StartCollector) -> None:
        collector = start_collector()
        windows = collector.stats()["windows"]
        assert set(windows) == {"30", "90", "365"}
        assert all("command" in dimensions for dimensions in windows.values())

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
    def test_it_stops_gracefully(self, how: signal.Signals, start_collector: StartCollector) -> None:
        collector = start_collector("--snapshot-every", "3600")
        collector.post(a_run())
        assert collector.end(how) == (0, "", "")  # with a connection still open
        collector.start()
        collector.wait_until(lambda: collector.runs() == {"build": 1})

    def test_what_it_keeps_is_for_its_user_alone(self, start_collector: StartCollector) -> None:
        collector = start_collector()
        collector.post(a_run())
        collector.wait_until(lambda: collector.runs() == {"build": 1})
        collector.post(a_run())
        collector.end(signal.SIGKILL)  # every second, a round puts other files in the place of these
        assert collector.data.stat().st_mode & 0o777 == 0o700
        for path in collector.data.rglob("*"):
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path

    def test_a_port_in_use_is_an_error_in_words(self, start_collector: StartCollector, tmp_path: Path) -> None:
        collector = start_collector()
        port = collector.port
        code, message = self.failure(tmp_path / "other", "--port", port)
        assert code == 1
        assert f"Can't listen on 127.0.0.1 port {port}: Address already in use." in message
        assert "port 0 takes any free one" in message

    def test_a_port_that_somebody_is_about_to_serve_is_in_use(self) -> None:
        with listening.bound("127.0.0.1", 0) as first, pytest.raises(SstError, match="Address already in use"):
            listening.bound("127.0.0.1", first.getsockname()[1])

    def test_a_host_that_is_none_is_a_wrong_option(self, tmp_path: Path) -> None:
        code, message = self.failure(tmp_path / "data", "--port", "0", "--host", "no host")
        assert code == 2
        assert "Can't listen on no host: Name or service not known. Choose another with --host." in message
        assert not (tmp_path / "data").exists(), "nothing was done"

    @pytest.mark.parametrize("host", ["é..b", "\udcff"])
    def test_letters_that_no_host_has_are_a_wrong_option(self, tmp_path: Path, host: str) -> None:
        code, message = self.failure(tmp_path / "data", "--port", "0", "--host", host)
        assert code == 2
        assert f"Can't listen on {host!r}: that is no host's name. Choose another with --host" in message

    def test_an_address_of_ipv6_may_stand_in_brackets(self, start_collector: StartCollector) -> None:
        start_collector("--host", "[::1]").stats()

    def test_a_data_folder_in_use_is_an_error_in_words(self, start_collector: StartCollector) -> None:
        collector = start_collector()
        code, message = self.failure(collector.data, "--port", "0")
        assert (code, message) == (
            1,
            f"sst: error: The data folder {collector.data} is in use by another collector. "
            "Stop that one, or name another with --data.\n",
        )

    def test_a_warehouse_that_was_moved_is_not_begun_anew(self, tmp_path: Path) -> None:
        with claimed(tmp_path / "data"):
            mark_moved(tmp_path / "data" / "warehouse.duckdb")
        code, message = self.failure(tmp_path / "data", "--port", "0")
        assert (code, message) == (
            2,
            f"sst: error: What was in {tmp_path}/data/warehouse.duckdb was moved to another warehouse. "
            "Start with --warehouse and the address that it was moved to.\n",
        )
        assert not (tmp_path / "data" / "warehouse.duckdb").exists()

    def test_a_data_folder_that_can_not_be_made_is_an_error_in_words(
        self, start_collector: StartCollector, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        code, message = self.failure(tmp_path / "file" / "data", "--port", "0")
        assert (code, message) == (
            2,
            f"sst: error: The data folder {tmp_path}/file/data can't be used: Not a directory. "
            "Name another with --data.\n",
        )
        code, message = self.failure(tmp_path / "file", "--port", "0")
        assert (code, message) == (2, f"sst: error: {tmp_path}/file is no folder. Name another with --data.\n")

    def test_a_threshold_below_one_is_refused(self, tmp_path: Path) -> None:
        code, message = self.failure(tmp_path / "other", "--min-machines", "0")
        assert code == 2
        assert "--min-machines" in message

    @staticmethod
    def failure(data: Path, *options: str) -> tuple[int, str]:
        process = spawn(data, *options)
        out, err = process.communicate(timeout=30)
        assert out == ""
        return process.returncode, err

    def test_help_imports_nothing_heavy(self) -> None:
        code = (
            "import sys, sst_collector.cli; "
            "print({'falcon', 'uvicorn', 'duckdb', 'msgspec', 'jinja2', 'asyncio', 'httpx'} & set(sys.modules))"
        )
        assert subprocess.check_output([*PYTHON, "-c", code], text=True) == "set()\n"

    def test_every_help_has_an_example(self) -> None:
        for command in ([], ["serve"]):
            text = subprocess.check_output([*PYTHON, "-m", "sst_core", "collector", *command, "--help"], text=True)
            assert "Example: sst collector serve" in text


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Another process has the warehouse open."""
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    while True:  # until it comes in between two rounds
        process = subprocess.Popen(
            [*PYTHON, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        if process.stdout.readline():
            break
        process.communicate()
    try:
        yield
    finally:
        process.communicate("\n")


def test_the_duckdb_that_is_used_has_its_json_reader_built_in() -> None:
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        assert connection.execute(
            "SELECT install_mode FROM duckdb_extensions() WHERE extension_name = 'json'"
        ).fetchall() == [("STATICALLY_LINKED",)]


def test_a_system_that_allows_no_more_files_is_served_with_those_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refusing)

    assert listening.allow_files() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_what_ended_in_the_background_by_a_mistake_of_ours_is_told_at_the_end() -> None:
    async def mistaken() -> None:
        raise ZeroDivisionError

    async def serving() -> None:
        async with server._meanwhile(mistaken(), asyncio.sleep(60)):
            await asyncio.sleep(0)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(serving())
