"""What an operator sees and turns: metrics, TLS, the environment, a full disk, a graceful stop."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import httpx
import pytest

from collecting import Collector, StartCollector, a_run, spawn
from community import fill
from required_programs import absent, needed
from sst_core import SST
from sst_core.testing import PATIENCE, PROGRAM


def metrics(collector: Collector, url: str) -> dict[str, float]:
    text = httpx.get(url).raise_for_status().text
    samples = [line.split() for line in text.splitlines() if not line.startswith("#")]
    helped = re.findall(r"^# (HELP|TYPE) (\S+)", text, re.MULTILINE)
    assert {name for _, name in helped} == {name for name, _ in samples}
    return {name: float(value) for name, value in samples}


def test_metrics_are_on_a_port_of_the_loopback_address_of_their_own(start_collector: StartCollector) -> None:
    collector = start_collector("--admin-port", "0", "--host", "0.0.0.0")  # noqa: S104
    assert collector.process.stdout is not None
    url = collector.process.stdout.readline().split()[-1]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", url)
    collector.post(a_run(), a_run(), a_run())
    collector.send(b"rubbish")
    collector.client.post("/forget", json={"anonymousIds": ["0" * 32]})
    collector.wait_until(lambda: collector.runs() == {"build": 3})
    seen = metrics(collector, url)
    assert seen["collector_lines_accepted_total"] == 3
    assert seen["collector_lines_rejected_total"] == 1
    assert seen["collector_ids_forgotten_total"] == 1
    assert seen["collector_segments_loaded_total"] >= 1
    assert seen["collector_healthy"] == 1
    assert seen["collector_connections"] >= 1
    assert collector.client.get("/metrics").status_code == 404
    assert collector.end()[0] == 0


def test_without_the_flag_there_is_no_admin_port(start_collector: StartCollector) -> None:
    collector = start_collector()
    sockets = subprocess.check_output([needed("ss"), "-tlnp"], text=True)
    assert sum(f"pid={collector.process.pid}," in line for line in sockets.splitlines()) == 1


@pytest.mark.parametrize("names", [("--tls-cert", "--tls-key"), ("--ssl-certfile", "--ssl-keyfile")])
def test_it_serves_https(start_collector: StartCollector, pair: tuple[Path, Path], names: tuple[str, str]) -> None:
    options = [str(part) for option in zip(names, pair, strict=True) for part in option]
    collector = start_collector(*options, verify=ssl.create_default_context(cafile=pair[0]))
    assert collector.client.base_url.scheme == "https"
    assert collector.post(a_run()).json()["accepted"] == 1
    assert collector.client.get("/healthz").json() == {"status": "ok"}
    collector.client.close()
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{collector.port}/healthz")
    assert collector.end() == (0, "", "")


def test_handshakes_that_never_come_leave_descriptors_to_the_journal_and_are_given_up(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    few = ("sh", "-c", 'ulimit -n 200; exec "$0" "$@"', str(PROGRAM))
    options = ["--port", "0", "--snapshot-every", "1", "--min-machines", "1"]
    tls = ["--tls-cert", str(pair[0]), "--tls-key", str(pair[1])]
    trust = ssl.create_default_context(cafile=pair[0])
    collector = Collector(tmp_path / "data", [*options, *tls], few, verify=trust)
    collector.start()
    collector.client.get("/healthz")  # its connection is there before the others
    with ExitStack() as idle:
        silent = [
            idle.enter_context(closing(socket.create_connection(("127.0.0.1", collector.port)))) for _ in range(300)
        ]
        assert collector.post(a_run()).json()["accepted"] == 1
        collector.wait_until(lambda: collector.runs() == {"build": 1})
        for connection in silent:
            connection.settimeout(PATIENCE)
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        assert httpx.get(f"https://127.0.0.1:{collector.port}/healthz", verify=trust).status_code == 200
        half = idle.enter_context(closing(socket.create_connection(("127.0.0.1", collector.port))))
        half.sendall(b"GET / HTTP/1.1\r\n\r\n")
        half.settimeout(PATIENCE)
        with suppress(ConnectionResetError):
            while half.recv(1 << 10):
                pass  # an alert
        idle.enter_context(closing(socket.create_connection(("127.0.0.1", collector.port))))  # under way at the end
        assert collector.end() == (0, "", "")


def test_tls_files_that_can_not_be_used_are_an_error_in_words(pair: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = pair
    for options, told in (
        (("--tls-cert", certificate, "--tls-key", certificate), "not PEM, or not a pair. Name others with --tls-cert"),
        (("--tls-cert", certificate, "--tls-key", tmp_path / "none"), f"File '{tmp_path}/none' does not exist"),
        (("--tls-cert", tmp_path, "--tls-key", key), f"File '{tmp_path}' is a directory"),
    ):
        process = spawn(tmp_path / "data", "--port", "0", *map(str, options))
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (2, "")
        assert told in err
        assert "Traceback" not in err
    process = spawn(tmp_path / "data", "--port", "0", "--tls-cert", str(certificate))
    assert "a certificate and its key go together" in process.communicate(timeout=PATIENCE)[1]


@pytest.mark.parametrize("command", ["serve", "export", "stats", "doctor"])
def test_help_says_by_which_variable_each_option_can_be_given(command: str) -> None:
    text = subprocess.check_output([PROGRAM, "collector", command, "--help"], text=True)
    options = set(re.findall(r"^  --([a-z-]+)", text, re.MULTILINE)) - {"help", "ssl-certfile", "ssl-keyfile"}
    assert "data" in options
    for option in options:
        assert f"SST_COLLECTOR_{option.upper().replace('-', '_')}" in " ".join(text.split()).replace("- ", "-"), option


def test_export_and_stats_heed_the_environment(tmp_path: Path) -> None:
    environ = os.environ | {
        "SST_COLLECTOR_DATA": str(tmp_path / "data"),
        "SST_COLLECTOR_WINDOW": "365",
        "SST_COLLECTOR_JSON": "1",
    }
    fill(tmp_path / "data", datetime(2026, 11, 23, tzinfo=UTC), weeks=6)
    printed = subprocess.check_output([PROGRAM, "collector", "stats"], env=environ, text=True)
    assert json.loads(printed)["snapshot"] == "2026-11-23T00:00:00Z"
    environ["SST_COLLECTOR_JSON"] = "0"
    assert "365 days" in subprocess.check_output([PROGRAM, "collector", "stats"], env=environ, text=True)
    subprocess.check_call([PROGRAM, "collector", "export", tmp_path / "out"], env=environ, stdout=subprocess.DEVNULL)
    assert (tmp_path / "out" / "index.html").is_file()


def test_serve_heeds_the_environment(tmp_path: Path) -> None:
    environ = {
        "SST_COLLECTOR_DATA": str(tmp_path / "data"),
        "SST_COLLECTOR_PORT": "0",
        "SST_COLLECTOR_HOST": "127.0.0.2",
    }
    with subprocess.Popen(
        [PROGRAM, "collector", "serve"], env=os.environ | environ, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on http://127.0.0.2:")
        process.terminate()
    assert (tmp_path / "data" / "journal").is_dir()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        absent(f"a disk can't be mounted here: {mounted.stderr}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def use_up(disk: Path) -> Path:
    """Fill `disk` to its last byte. The file that does: without it there is room again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    return filler


def test_a_full_disk_is_a_503_that_loses_nothing_and_passes_before_any_request_comes(small_disk: Path) -> None:
    options = ["--port", "0", "--snapshot-every", "1", "--min-machines", "1", "--admin-port", "0"]
    collector = Collector(small_disk / "data", options)
    collector.start()
    assert collector.process.stdout is not None
    url = collector.process.stdout.readline().split()[-1]

    def healthy() -> tuple[int, float]:
        return collector.client.get("/healthz").status_code, metrics(collector, url)["collector_healthy"]

    collector.post(a_run())
    collector.wait_until(lambda: collector.runs() == {"build": 1})
    assert healthy() == (200, 1)
    filler = use_up(small_disk)
    acknowledged = 1
    answer = collector.post(*(a_run() for _ in range(100)))
    while answer.status_code == 200:
        acknowledged += 100
        answer = collector.post(*(a_run() for _ in range(100)))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert collector.stats()["windows"]["30"]["command"][0]["runs"] >= 1
    assert healthy() == (503, 0)
    assert "takes nothing: No space left on device" in collector.client.get("/healthz").json()["description"]
    filler.unlink()
    collector.wait_until(lambda: healthy() == (200, 1))
    assert collector.post(a_run(command="deploy")).status_code == 200
    collector.wait_until(lambda: collector.runs() == {"build": acknowledged, "deploy": 1})
    code, _, err = collector.end()
    assert code == 0
    assert "collector: The journal takes nothing: No space left on device. Requests are answered with 503.\n" in err
    assert "collector: the journal takes in again\n" in err


def test_a_warehouse_that_was_open_elsewhere_for_a_moment_is_loaded_long_before_the_next_round(
    start_collector: StartCollector,
) -> None:
    collector = start_collector("--snapshot-every", "3600")
    collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
    collector.end()
    with duckdb.connect(collector.data / "warehouse.duckdb", read_only=True):
        collector.start()
        collector.post(a_run())
        collector.wait_until(lambda: collector.client.get("/healthz").status_code == 503)
    collector.wait_until(lambda: collector.client.get("/healthz").status_code == 200)
    assert collector.runs() == {"build": 1}


def test_a_graceful_stop_answers_what_is_under_way(start_collector: StartCollector) -> None:
    collector = start_collector("--snapshot-every", "3600")
    collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
    runs = [a_run() for _ in range(400)]
    begun = threading.Event()
    codes: list[int] = []

    def slowly() -> Iterator[bytes]:
        lines = [json.dumps(SST.catalogue.envelope(run)).encode() + b"\n" for run in runs]
        yield b"".join(lines[:200])
        begun.set()
        stopping.wait(PATIENCE)
        yield b"".join(lines[200:])

    stopping = threading.Event()
    sending = threading.Thread(target=lambda: codes.append(collector.send(slowly()).status_code))
    sending.start()
    assert begun.wait(PATIENCE)
    collector.process.send_signal(signal.SIGTERM)
    stopping.set()
    sending.join(PATIENCE)
    assert codes == [200]
    assert collector.end() == (0, "", "")
    collector.start()
    collector.wait_until(lambda: collector.runs() == {"build": 400})
