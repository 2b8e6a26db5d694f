"""The CDK CLI reports nothing and fetches no notices when we run it, though it would."""

import subprocess
from pathlib import Path

import pytest

from clouds import SECONDS
from loopback import Loopback, answer
from proxying import Authority, Proxy
from sst_core.testing import Machine
from waiting import eventually

pytestmark = pytest.mark.timeout(SECONDS * 3)

# What the CDK's library would write, in a moment.
APP = """\
import json, os, pathlib
folder = pathlib.Path(os.environ["CDK_OUTDIR"])
stack = {"type": "aws:cloudformation:stack", "environment": "aws://unknown-account/unknown-region",
         "properties": {"templateFile": "Orders.template.json"}}
(folder / "Orders.template.json").write_text('{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}')
(folder / "manifest.json").write_text(json.dumps({"version": "36.0.0", "artifacts": {"Orders": stack}}))
"""


def test_it_would_report_and_does_not(app: Machine, tmp_path: Path) -> None:
    """Whatever host it asks for by HTTPS, it is led to the sink, which shows a certificate that it trusts."""
    authority = Authority.at(tmp_path / "authority.pem")
    sink = Loopback(otherwise=answer(200), tls=authority.server)
    proxy = Proxy(to=sink.port)
    (app.folder / "app.py").write_text(APP)
    del app.environ["AWS_ENDPOINT_URL"]
    app.environ |= {
        "TELEMETRY_ENDPOINT": f"https://localhost:{sink.port}/metrics",
        "HTTPS_PROXY": f"http://{proxy.address}",
        "NODE_EXTRA_CA_CERTS": str(authority.file),
    }
    app.environ.pop("CI", None)
    try:
        ended = app.sst("build", "--stage", "dev", timeout=SECONDS)
        assert ended.returncode == 0, ended.stderr
        assert (app.folder / ".sst" / "build" / "dev" / "cdk" / "manifest.json").exists(), "it ran"
        assert [request.head[0] for request in sink.requests] == []
        assert proxy.asked == []

        control = subprocess.run(
            ["node_modules/.bin/cdk", "synth", "--quiet", "--output", "control"],
            cwd=app.folder,
            env=app.environ,
            timeout=SECONDS,
            check=True,
            capture_output=True,
            text=True,
        )
        eventually(lambda: bool(proxy.asked), f"something asked for: {control.stderr}")
        eventually(
            lambda: any(b"/metrics" in request.raw for request in sink.requests),
            f"a report: {proxy.asked} {[request.head[:2] for request in sink.requests]}",
        )
    finally:
        proxy.close()
        sink.close()
