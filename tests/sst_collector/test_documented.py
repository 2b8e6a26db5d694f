"""What `docs/collector.md` gives an operator to copy, put to use."""

import configparser
import os
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import pytest

from collecting import StartCollector
from ports import free_port
from reading import ROOT, the_block
from required_programs import needed
from sst_core.testing import PATIENCE

TEXT = (ROOT / "docs" / "collector.md").read_text()
ADDRESS, AGENT = "203.0.113.77", "hunter2/1.0"
PEER = "127.0.0.77"
"""Where requests come from whose address nobody may write down."""
Proxy = tuple[str, Path]
"""Where it listens, and the folder that all it writes is in."""


block = partial(the_block, "docs/collector.md")


def nginx(folder: Path, port: int, upstream: str) -> list[str]:
    """The documented server, without TLS, in the configuration that it is included in."""
    server = block("nginx").replace("listen 443 ssl;", f"listen 127.0.0.1:{port};").replace("127.0.0.1:8777", upstream)
    server = re.sub(r"^ *ssl_.*\n", "", server, flags=re.MULTILINE)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        # Where it would log whom it answers, but for what the page says; its own place is outside of the folder.
        f"http {{ access_log {folder}/access.log; {paths}\n{server} }}"
    )
    return [needed("nginx"), "-c", str(folder / "nginx.conf"), "-e", str(folder / "early.log")]


def caddy(folder: Path, port: int, upstream: str) -> list[str]:
    """The documented site, without TLS."""
    text = block("caddyfile").replace("telemetry.example.org", f"http://127.0.0.1:{port}")
    text = text.replace("127.0.0.1:8777", upstream).replace("{\n", "{\n    admin off\n", 1)
    (folder / "Caddyfile").write_text(text)
    return [needed("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


Run = Callable[[str], Proxy]


@pytest.fixture(params=[nginx, caddy])
def behind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """Runs the proxy in front of the collector at an address."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    running = []

    def run(upstream: str) -> Proxy:
        port = free_port()
        command = request.param(folder, port, upstream)
        with (folder / "output").open("wb") as output:
            running.append(
                subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "HOME": str(folder)})
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            with closing(socket.socket()) as connection:
                if connection.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}", folder
            assert time.monotonic() < deadline, (folder / "output").read_text()
            time.sleep(0.05)

    yield run
    for process in running:
        process.terminate()
        process.wait(PATIENCE)


def test_behind_the_documented_proxy_nobody_can_say_to_be_another(start_collector: StartCollector, behind: Run) -> None:
    collector = start_collector("--trusted-proxy", "127.0.0.1", "--rate", "2")
    url, _ = behind(f"127.0.0.1:{collector.port}")
    answers = [
        httpx.post(f"{url}/events", content=b"", headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in range(4)
    ]
    assert answers[2:] == [429, 429]


def test_the_documented_proxy_logs_nobody_not_even_when_the_collector_is_away(
    start_collector: StartCollector, behind: Run
) -> None:
    collector = start_collector()
    url, folder = behind(f"127.0.0.1:{collector.port}")
    headers = {"User-Agent": AGENT, "X-Forwarded-For": ADDRESS}

    with httpx.Client(headers=headers, transport=httpx.HTTPTransport(local_address=PEER)) as client:
        assert client.get(f"{url}/healthz").status_code == 200
        collector.end()
        assert client.get(f"{url}/healthz").status_code == 502

    # Not where its configuration is: that names addresses. What the proxy says of itself may come at any time.
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("nginx.conf", "Caddyfile")]
    written = "".join(path.read_text(errors="replace") for path in files)
    of_a_request = (ADDRESS, AGENT, PEER, "/healthz")
    assert [said for said in of_a_request if said in written] == []


def test_the_unit_is_enabled_and_its_log_asked_for_as_the_page_says(tmp_path: Path) -> None:
    """In a tree of its own, where nothing runs: so without `--now` and without `-f`."""
    (line,) = re.findall(r"^    (systemctl .*)$", TEXT, re.MULTILINE)
    enable, log = ([word for word in shlex.split(each) if word not in ("--now", "-f")] for each in line.split(" && "))
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    (units / "sst-collector.service").write_text(block("ini"))

    subprocess.run([needed(enable[0]), f"--root={tmp_path}", *enable[1:]], capture_output=True, check=True)
    told = subprocess.run(
        [needed(log[0]), f"--directory={tmp_path}", *log[1:]], capture_output=True, text=True, check=True
    )

    assert (units / "multi-user.target.wants/sst-collector.service").is_symlink()
    assert told.stdout == "-- No entries --\n"


def test_the_documented_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    unit = block("ini")
    parsed = configparser.ConfigParser(strict=True, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string(unit)
    assert parsed["Service"]["ExecStart"].split()[1:4] == ["collector", "serve", "--data"]
    file = tmp_path / "sst-collector.service"
    file.write_text(unit.replace("/opt/sst/bin/sst", "/bin/true"))
    verified = subprocess.run([needed("systemd-analyze"), "verify", file], capture_output=True, text=True, check=False)
    ours = [line for line in verified.stderr.splitlines() if file.name in line]
    assert (verified.returncode, ours) == (0, []), verified.stderr
