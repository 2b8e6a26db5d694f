"""What is measured: `sst`, its peers, and what stands beside them, each with how it is pointed at a collector."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from installing import NotInstalled, certificates, environment, version_in
from receiving import Collector

PROGRAM = Path(sys.executable).with_name("sst")  # not sst_core.testing's: where recording is measured, this is imported
_SCRIPTS = Path(__file__).parent / "peers"
_TASKS = "".join(f'{task} = ["true"]\n' for task in ("build", "start", "deploy", "remove", "diff"))
_MARK = re.compile(rb"run-\d{6}")


@dataclass(frozen=True, slots=True)
class Program:
    """A command that records one event, wherever it is told to send it."""

    name: str
    arguments: Sequence[str]
    pointed_at: Callable[[Collector], Mapping[str, str]]
    """The variables that point it at a collector."""
    event: re.Pattern[bytes]
    """Finds an event's own mark in what arrived."""
    set_up: Callable[[Mapping[str, str]], object] = lambda _environ: None
    """What has to happen once on a new machine."""
    later: Callable[[Path], object] = lambda _home: None
    """Make it, on the machine with this home, as if the longest wait between two deliveries were over."""
    certificate: Path | None = None
    """What its collector needs to be the host that the program insists on."""


def new_machine(home: Path) -> dict[str, str]:
    """A home with a project in it, and the environment of whoever works there."""
    project = home / "project"
    project.mkdir(parents=True)
    (project / "sst.toml").write_text(f"[tasks]\n{_TASKS}")
    (project / "sst.toml").chmod(0o644)
    return {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def bare(command: str) -> Sequence[str]:
    """The same command with Typer and nothing else."""
    return [sys.executable, str(_SCRIPTS / "bare.py"), command]


def sst() -> Program:
    """With telemetry on."""
    return Program(
        "`sst` on",
        [str(PROGRAM), "build"],
        lambda collector: {"SST_TELEMETRY_URL": f"{collector.url}/events"},
        re.compile(rb'"sessionId": ?"([0-9a-f]{32})"'),
        set_up=enable,
        later=let_a_sender_start,
    )


def enable(environ: Mapping[str, str]) -> None:
    """Be a user who has seen the notice."""
    subprocess.run([PROGRAM, "telemetry", "enable"], env=environ, check=True, capture_output=True)


def hold_back_senders(home: Path) -> None:
    """As if one had been started just now."""
    (home / ".local/state/sst/telemetry/sender-started").write_bytes(b"1")


def let_a_sender_start(home: Path) -> None:
    """As if ten minutes had passed since the last sender, and what its failure puts off the next by."""
    telemetry = home / ".local/state/sst/telemetry"
    if (telemetry / "sender-started").exists():
        os.utime(telemetry / "sender-started", (1, 1))
    (telemetry / "delivery.json").unlink(missing_ok=True)


def queued(home: Path) -> set[bytes]:
    """The marks of the runs that wait on the machine with this home."""
    queue = home / ".local/state/sst/telemetry/queue"
    return {re.findall(r"[0-9a-f]{32}", file.name)[0].encode() for file in queue.glob("[!.]*")}


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else's telemetry, as its own documentation has it used: `peers/with_*.py`."""

    distribution: str
    script: str
    requires: Sequence[str] = ()
    """Besides the distribution itself."""
    points: str = "COLLECTOR"
    """The variable that points it at a collector. HTTPS_PROXY is for those whose address is fixed."""
    event: re.Pattern[bytes] = _MARK


PEERS = (
    # It takes nothing of ours into its event. It never repeats one, so that each request is one.
    Peer("kedro-telemetry", "kedro", ["kedro"], "HTTPS_PROXY", re.compile(rb'"timestamp": "([^"]+)"')),
    Peer("posthog", "posthog"),
    Peer("segment-analytics-python", "segment"),
    Peer(
        "opentelemetry-sdk",
        "opentelemetry",
        ["opentelemetry-exporter-otlp-proto-http"],
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    Peer("glean-sdk", "glean"),
    Peer("iterative-telemetry", "iterative"),
    Peer("azure-cli-telemetry", "azure", (), "HTTPS_PROXY"),
)
_FIXED_HOSTS = ("heapanalytics.com", "dc.services.visualstudio.com")


def peers(folder: Path) -> Iterator[Program | tuple[str, str]]:
    """Each peer, installed in `folder`; or its name and why it can't be."""
    for peer in PEERS:
        try:
            yield _installed(peer, folder)
        except NotInstalled as error:
            yield peer.distribution, str(error)


def _installed(peer: Peer, folder: Path) -> Program:
    python = environment(folder / peer.script, [peer.distribution, *peer.requires])
    certificate, trusted = None, {}
    if peer.points == "HTTPS_PROXY":
        certificate, authority = certificates(folder, _FIXED_HOSTS)
        trusted = {"REQUESTS_CA_BUNDLE": str(authority), "SSL_CERT_FILE": str(authority)}
    return Program(
        f"{peer.distribution} {version_in(python, peer.distribution)}",
        [str(python), str(_SCRIPTS / f"with_{peer.script}.py"), "build"],
        lambda collector: {peer.points: collector.url, **trusted},
        peer.event,
        certificate=certificate,
    )
