"""The container of `docs/collector.md`, built and run by the commands that stand there: `nox -s container`."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import httpx
import pytest

from collecting import a_run
from ports import free_port
from reading import ROOT, the_block
from required_programs import needed
from sst_collector.warehouse.duckdb.warehouse import opened
from sst_core import SST
from sst_core.testing import PATIENCE

PAGE = (ROOT / "docs" / "collector.md").read_text()
HERE = "SST_TEST_CONTAINERS"
"""The variable with the folder for images and containers, where no engine has one of its own."""
TAG = "sst-collector-tested"
"""Not the name of another that is here already."""
SUITE, MIRROR = "trixie", "http://deb.debian.org/debian"
LIKE_THE_OFFICIAL_IMAGE = (
    'rm "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    'ln -s python3 "$1/usr/bin/python"',
    # What this machine trusts, if it is more than Debian does.
    'cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"',
    "printf '[global]\\ncert = /etc/ssl/certs/ca-certificates.crt\\n' > \"$1/etc/pip.conf\"",
)

WITHOUT_RIGHTS = """
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:4096", "nproc=1000:1000"]
[network]
network_backend = "netavark"
"""
"""For Podman: root in a virtual machine often lacks those over cgroups and limits."""

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(HERE not in os.environ, reason=f"nox -s container, which sets {HERE}"),
]


@dataclass(frozen=True, slots=True)
class Engine:
    """Whatever `docker` is here, without its image in the way of another of that name."""

    environ: dict[str, str]
    folder: Path

    def shell(self, commands: str) -> str:
        """Run them in a clean checkout with the page's Dockerfile."""
        ran = subprocess.run(
            ["bash", "-euc", commands], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout.strip()

    def has(self, image: str) -> bool:
        """Whether it is here, or can be had."""
        command = ["bash", "-c", f"docker image inspect {image} || docker pull {image}"]
        return subprocess.run(command, env=self.environ, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where `docker` is Docker's, if it runs, and Podman otherwise."""
    if shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        yield dict(os.environ)
        return
    needed("podman")
    where = Path(os.environ[HERE])
    running = tmp_path_factory.mktemp("running")
    storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{where}/images"\nrunroot = "{running}"\n'
    settings = {"CONTAINERS_STORAGE_CONF": storage, "CONTAINERS_CONF": WITHOUT_RIGHTS}
    for variable, text in settings.items():
        (where / variable).write_text(text)
    within = "umount --recursive /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && echo ready && exec cat"
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", within], stdin=PIPE, stdout=PIPE, text=True) as namespace:
        assert namespace.stdout is not None
        assert namespace.stdout.readline() == "ready\n"
        yield {
            **os.environ,
            **{variable: str(where / variable) for variable in settings},
            "CONTAINERS_WITHIN": str(namespace.pid),
            "PATH": f"{Path(__file__).parent}:{os.environ['PATH']}",
        }


@pytest.fixture(scope="module")
def engine(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """With the image that the page's begins with, or Debian's Python for it where no registry of images is reached."""
    folder = tmp_path_factory.mktemp("container")
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    checkout = folder / "checkout"
    checkout.mkdir()
    subprocess.run(["tar", "-x"], cwd=checkout, input=archive, check=True)
    dockerfile = the_block("docs/collector.md", "dockerfile")
    (checkout / "Dockerfile").write_text(dockerfile)
    found = Engine(environ, checkout)
    (base,) = re.findall(r"^FROM (\S+)$", dockerfile, re.MULTILINE)
    if not found.has(base):
        hooks = [f"--customize-hook={hook}" for hook in LIKE_THE_OFFICIAL_IMAGE]
        packages = "--include=python3,python3-pip,ca-certificates"
        made = [needed("mmdebstrap"), "--variant=minbase", packages, *hooks, SUITE, f"{folder}/base.tar", MIRROR]
        subprocess.run(made, check=True)
        found.shell(f"docker import {folder}/base.tar docker.io/library/{base}")
    return found


@pytest.fixture(scope="module")
def collector(engine: Engine) -> Iterator[tuple[str, int]]:
    """The container's id, and where it listens on this machine."""
    (commands,) = re.findall(r"^    (docker build .*\n    docker run .*)\n", PAGE, re.MULTILINE)
    port = free_port()
    ours = commands.replace("sst-collector", TAG).replace("127.0.0.1:8777:", f"127.0.0.1:{port}:")
    container = engine.shell(ours).splitlines()[-1]
    yield container, port
    engine.shell(f"docker rm --force {container}; docker volume rm {TAG}; docker rmi {TAG}")


def answers(port: int) -> bool:
    """Wait until it is healthy."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        except httpx.TransportError:
            time.sleep(0.1)
    return False


def test_it_takes_runs_as_a_user_of_its_own_and_has_them_when_it_starts_again(
    engine: Engine, collector: tuple[str, int], tmp_path: Path
) -> None:
    container, port = collector
    assert answers(port), engine.shell(f"docker logs {container} 2>&1")

    sent = httpx.post(f"http://127.0.0.1:{port}/events", content=json.dumps(SST.catalogue.envelope(a_run())))

    assert (sent.status_code, sent.json()["accepted"]) == (200, 1)
    assert engine.shell(f"docker exec {container} id --user --name") == "collector"
    assert engine.shell(f"docker exec {container} stat --format '%U %a' /data") == "collector 700"
    for _ in range(2):
        engine.shell(f"docker stop {container}")
        assert engine.shell(f"docker inspect --format '{{{{.State.ExitCode}}}}' {container}") == "0"
        engine.shell(f"docker start {container}")
        assert answers(port), engine.shell(f"docker logs {container} 2>&1")
        engine.shell(f"docker exec {container} sst collector doctor --data /data")

    engine.shell(f"docker stop {container}")
    packed = f"docker run --rm --volume {TAG}:/data --entrypoint tar {TAG} -C /data -c ."
    engine.shell(f"{packed} | tar -x -C {tmp_path}")
    with opened(tmp_path / "warehouse.duckdb", SST.catalogue) as warehouse:
        (week,) = warehouse.kept_weeks()
        assert [len(runs) for runs in warehouse.kept_runs(week, 10)] == [1]
