"""The SAM CLI reports nothing when we run it, though it would: over HTTP and HTTPS."""

import subprocess
from pathlib import Path

import pytest

from clouds import SECONDS, TOOLS, WHY_NOT
from loopback import Loopback, answer
from proxying import Authority
from sst_core.testing import Machine
from sst_sam_apps import write
from waiting import eventually

pytestmark = [pytest.mark.timeout(SECONDS * 2), pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

TEMPLATE = "Transform: AWS::Serverless-2016-10-31\nResources:\n  Table: {Type: AWS::Serverless::SimpleTable}\n"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_it_would_report_and_does_not(machine: Machine, tmp_path: Path, scheme: str) -> None:
    authority = Authority.at(tmp_path / "authority.pem")
    sink = Loopback(otherwise=answer(200), tls=authority.server if scheme == "https" else None)
    write(machine.folder / "template.yaml", TEMPLATE)
    machine.environ |= {
        "SST_TELEMETRY_DISABLED": "1",
        "SAM_CLI_TELEMETRY": "1",
        "__SAM_CLI_TELEMETRY_ENDPOINT_URL": f"{scheme}://localhost:{sink.port}/metrics",
        "REQUESTS_CA_BUNDLE": str(authority.file),
        "PATH": f"{TOOLS}/bin:{machine.environ['PATH']}",
    }
    try:
        ended = machine.sst("build", "--stage", "dev", timeout=SECONDS)
        assert ended.returncode == 0, ended.stderr
        assert (machine.folder / ".sst" / "build" / "dev" / "sam" / "template.yaml").exists(), "it ran"
        assert sink.requests == []

        control = subprocess.run(
            ["sam", "build", "--build-dir", "control"],
            cwd=machine.folder,
            env=machine.environ,
            timeout=SECONDS,
            check=True,
            capture_output=True,
            text=True,
        )
        eventually(lambda: bool(sink.requests), f"a report, which is what was listened for: {control.stderr}")
        assert b"sam build" in sink.requests[-1].raw
    finally:
        sink.close()
