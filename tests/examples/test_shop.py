"""The example of AWS SAM, served as its reader would, and deployed to an AWS on loopback."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from clouds import SECONDS, WHY_NOT, running_cloud
from sst_core.testing import PATIENCE, Machine, Terminal

SHOP = Path(__file__).parents[2] / "examples" / "shop"


@pytest.fixture
def shop(machine: Machine) -> Machine:
    """A copy of the example, which is where `sst` is run."""
    shutil.copytree(SHOP, machine.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".sst", "__pycache__"))
    for file in ("sst.toml", "template.yaml"):
        (machine.folder / file).chmod(0o644)
    machine.environ |= {"SST_TELEMETRY_DISABLED": "1", "AWS_EC2_METADATA_DISABLED": "true"}
    return machine


@pytest.fixture
def started(shop: Machine) -> Iterator[Terminal]:
    terminal = shop.terminal("start", "--stage", "dev", "--", "--port", "0")
    terminal.wait_for("listening on http://127.0.0.1:")
    yield terminal
    terminal.type("\x03")
    assert terminal.end().exit_code == 130


def url(terminal: Terminal) -> str:
    return terminal.text.partition("listening on ")[2].split()[0]


def test_start_answers_with_prices_and_takes_orders(started: Terminal) -> None:
    with httpx.Client(base_url=url(started), trust_env=False, timeout=PATIENCE) as client:
        assert client.get("/prices/tea").json() == {"item": "tea", "price": 320}
        assert client.get("/prices/coffee").status_code == 404
        taken = client.post("/orders", json={"tea": 2, "cake": 1})
        assert (taken.status_code, taken.json()) == (202, {"total": 1090, "queued": False})
        assert client.post("/orders", content=b"nonsense").status_code == 400

    assert "TakeOrder has no QUEUE" in started.text
    started.wait_for('TakeOrder | took an order {"total": 1090, "queued": false}')


@pytest.mark.timeout(SECONDS * 3)
@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_what_is_started_here_uses_what_is_deployed_there(shop: Machine, tmp_path: Path) -> None:
    with running_cloud(tmp_path / "moto.log") as aws:
        aws.user(shop)
        deployed = shop.sst("deploy", "--stage", "dev", "--json", timeout=SECONDS)
        assert deployed.returncode == 0, deployed.stderr
        (queue,) = aws.queues()
        assert json.loads(deployed.stdout)["stacks"][0]["outputs"] == {"Queue": queue}
        assert len(aws.functions()) == 2

        terminal = shop.terminal("start", "--stage", "dev", "--", "--port", "0")
        terminal.wait_for("listening on http://127.0.0.1:")
        taken = httpx.post(f"{url(terminal)}/orders", json={"tea": 1}, trust_env=False, timeout=PATIENCE)
        terminal.type("\x03")
        assert terminal.end().exit_code == 130

        assert taken.json() == {"total": 320, "queued": True}, terminal.text
        sqs = aws.client("sqs")
        (message,) = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"])["Messages"]
        assert json.loads(message["Body"]) == {"tea": 1}
