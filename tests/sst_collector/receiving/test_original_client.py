"""The original client's own telemetry, as npm has it, against a collector: `nox -s legacy_client` fetches it.

With all that it depends on, its package is some hundreds of megabytes; its telemetry needs five small ones. So the
session takes the package's own archive and these. The other tests have `legacy_client.mjs`, which sends the same.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from collecting import Collector, StartCollector
from required_programs import needed

PACKAGES = os.environ.get("SST_ORIGINAL_CLIENT")
"""The folder with `node_modules`."""
REDIRECTED = Path(__file__).with_name("redirected.mjs")

pytestmark = pytest.mark.skipif(PACKAGES is None, reason="`nox -s legacy_client` fetches the client")


def track(collector: Collector, home: Path, command: str, **environ: str) -> list[dict[str, object]]:
    """What the client does when its user runs `command`: the address it means, and the answer it gets."""
    program = f"""
        const {{ Telemetry }} = await import("{PACKAGES}/node_modules/@serverless-stack/core/dist/telemetry/index.js");
        Telemetry.trackCli("{command}");
    """
    run = subprocess.run(
        [needed("node"), "--import", REDIRECTED.as_uri(), "--input-type=module", "--eval", program],
        cwd=home,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "ORIGINAL_CLIENT_COLLECTOR": str(collector.client.base_url.join("/events")),
            **environ,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


def test_it_is_served_as_it_is(start_collector: StartCollector, tmp_path: Path) -> None:
    collector = start_collector()
    homes = [tmp_path / name for name in ("one", "another")]
    for home in homes:
        home.mkdir()
    sent = {"endpoint": "https://telemetry.sst.dev/events"}, {"status": 200}
    assert track(collector, homes[0], "deploy") == [*sent]
    assert track(collector, homes[0], "build") == [*sent]
    assert track(collector, homes[1], "deploy") == [*sent]
    assert track(collector, homes[1], "deploy", CI="true", GITHUB_ACTIONS="true") == [*sent]
    assert track(collector, homes[1], "console") == [*sent]  # refused, and it never asks why
    assert track(collector, homes[1], "deploy", SST_TELEMETRY_DISABLED="1") == []
    collector.wait_until(lambda: collector.runs() == {"deploy": 2, "build": 1} and collector.stats()["rejected"] == 1)
    told = collector.stats()["windows"]["30"]
    assert {total["value"]: total["machines"] for total in told["command"]} == {"deploy": 2, "build": 1}
    assert (told["version"], told["ci"]) == (
        [{"value": "1.18.4", "runs": 3, "machines": 2}],
        [{"value": "true", "runs": 1}],
    )
    assert (told["python"], told["distro"]) == ([], [])
    collector.end()
    kept = b"".join(path.read_bytes() for path in collector.data.rglob("*") if path.is_file())
    for home in homes:
        identity = json.loads(next(home.rglob("config.json")).read_text())["telemetry"]["anonymousId"]
        assert identity.encode() not in kept
        assert bytes.fromhex(identity)[:16] not in kept
