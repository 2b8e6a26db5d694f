"""The original client, served as it is."""

import json
import secrets
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collecting import Collector, StartCollector, a_run
from loopback import Loopback, answer
from required_programs import needed
from sst_collector.receiving.legacy import CI_SERVICES, LegacyDecoder
from sst_collector.receiving.schema import RejectedLine
from sst_core import SST

CLIENT = Path(__file__).with_name("legacy_client.mjs")
KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def an_envelope(command: str = "deploy", **environment: Any) -> dict[str, Any]:
    """What version 1.18.4 sent from a machine that it ran on here, with ids of its shape."""
    return {
        "context": {
            "anonymousId": secrets.token_hex(32),
            "projectId": secrets.token_hex(32),
            "sessionId": secrets.token_hex(32),
        },
        "environment": {
            "systemPlatform": "linux",
            "systemRelease": "6.1.0-hunter2",
            "systemArchitecture": "x64",
            "cpuCount": 12,
            "cpuModel": "hunter2(R) Xeon(R)",
            "cpuSpeed": 2794,
            "memoryInMb": 31337,
            "isCI": False,
            "ciName": None,
            "sstVersion": "1.18.4",
            **environment,
        },
        "events": [{"name": "CLI_COMMAND", "properties": {"command": command}}],
    }


def record(envelope: dict[str, Any], key: bytes = KEY) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(LegacyDecoder(SST.catalogue).record(json.dumps(envelope).encode(), key))
    return row


def test_it_becomes_a_run_of_our_catalogue_and_nothing_else_is_left() -> None:
    envelope = an_envelope()
    row = record(envelope)
    assert list(row) == [field.key for field in SST.catalogue]
    SST.catalogue.envelope(row)  # raises, were a value not allowed
    assert row.pop("anonymousId") not in envelope["context"]["anonymousId"]
    assert row.pop("sessionId") in envelope["context"]["sessionId"]
    assert row == {
        "sstVersion": "1.18.4",
        "systemPlatform": "linux",
        "systemArchitecture": "x64",
        "distro": None,
        "cpuCount": 8,
        "isCI": False,
        "ciName": None,
        "pythonVersion": None,
        "command": "deploy",
    }


def test_a_machine_keeps_its_id_for_as_long_as_the_key_is_the_same() -> None:
    machine, another = an_envelope(), an_envelope()
    ids = [record(machine)["anonymousId"], record(machine)["anonymousId"], record(another)["anonymousId"]]
    assert ids[0] == ids[1] != ids[2]
    assert record(machine, OTHER_KEY)["anonymousId"] not in ids


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"systemPlatform": "freebsd"}, {"systemPlatform": "other"}),
        ({"systemArchitecture": "ia32"}, {"systemArchitecture": "other"}),
        ({"cpuCount": 0, "cpuModel": None, "cpuSpeed": None}, {"cpuCount": 1}),
        ({"cpuCount": 500}, {"cpuCount": 32}),
        ({"isCI": True, "ciName": "GitHub Actions"}, {"isCI": True, "ciName": "github-actions"}),
        ({"isCI": True, "ciName": "Seed"}, {"isCI": True, "ciName": "other"}),
        ({"isCI": True, "ciName": None}, {"isCI": True, "ciName": "other"}),
    ],
)
def test_what_it_measures_is_brought_to_our_values(sent: dict[str, Any], kept: dict[str, Any]) -> None:
    assert record(an_envelope(**sent)).items() >= kept.items()


def test_every_ci_service_that_it_names_is_one_of_ours() -> None:
    assert all(SST.catalogue["ciName"].kind.accepts(name) for name in CI_SERVICES.values())


@pytest.mark.parametrize("command", ["console", "add-cdk", "hunter2", ""])
def test_an_unknown_command_is_rejected(command: str) -> None:
    assert reason(an_envelope(command)) == "events[0].properties.command: not what the catalogue allows"


def test_an_unknown_event_is_rejected() -> None:
    envelope = an_envelope()
    envelope["events"][0]["name"] = "CLI_ERROR"
    assert reason(envelope) == "events[0].name: not what the catalogue allows"


@pytest.mark.parametrize(
    "change",
    [
        {"sstVersion": "1.18.4-hunter2"},
        {"cpuCount": "12"},
        {"cpuCount": -1},
        {"cpuModel": {"deep": [[[[]]]]}},
        {"hunter2": 1},
        {"isCI": 1},
    ],
)
def test_what_it_does_not_send_is_rejected(change: dict[str, Any]) -> None:
    assert "original client" in reason(an_envelope(**change))


def reason(envelope: dict[str, Any]) -> str:
    with pytest.raises(RejectedLine) as rejected:
        record(envelope)
    assert "hunter2" not in str(rejected.value)
    return str(rejected.value)


def send(url: str, envelope: dict[str, Any]) -> dict[str, Any]:
    """Send it with Node; the answer."""
    run = subprocess.run(
        [needed("node"), CLIENT, url, json.dumps(envelope)], capture_output=True, text=True, check=True
    )
    told: dict[str, Any] = json.loads(run.stdout)
    return told


def url_of(collector: Collector) -> str:
    return str(collector.client.base_url.join("/events"))


def test_the_request_that_stands_for_it_is_the_one_that_it_sends(loopback: Loopback) -> None:
    loopback.otherwise = answer(200)
    assert send(loopback.url, an_envelope())["status"] == 200
    (request,) = loopback.requests
    assert request.head[0] == "POST /events HTTP/1.1"
    assert set(request.headers) == {"content-type", "host", "connection", "transfer-encoding"}
    assert request.headers["transfer-encoding"] == "chunked"


def test_it_is_served_as_it_is(start_collector: StartCollector) -> None:
    collector = start_collector()
    envelopes = [an_envelope(), an_envelope(), an_envelope()]
    envelopes[1]["context"]["anonymousId"] = envelopes[0]["context"]["anonymousId"]
    for envelope in [*envelopes, envelopes[0]]:  # it tries twice
        assert send(url_of(collector), envelope) == {"status": 200, "body": '{"accepted":1,"rejected":[]}'}
    collector.post(a_run(command="build"))
    collector.wait_until(lambda: collector.runs() == {"deploy": 3, "build": 1})
    machines = {total["value"]: total["machines"] for total in collector.stats()["windows"]["30"]["command"]}
    assert machines == {"deploy": 2, "build": 1}

    rejected = send(url_of(collector), an_envelope("console"))
    assert (rejected["status"], json.loads(rejected["body"])["accepted"]) == (200, 0)
    assert json.loads(rejected["body"])["rejected"][0]["line"] == 1

    _, out, err = collector.end()
    content = b"".join(path.read_bytes() for path in collector.data.rglob("*") if path.is_file()) + (out + err).encode()
    assert b"hunter2" not in content
    with duckdb.connect(collector.data / "warehouse.duckdb") as warehouse:
        rows = " ".join(map(str, warehouse.execute("FROM runs").fetchall())).replace("-", "").encode()
    for envelope in envelopes:
        for name in ("anonymousId", "projectId"):
            plain = envelope["context"][name].encode()
            assert not any(part in content + rows for part in (plain, plain[:32], plain[32:]))
        assert bytes.fromhex(envelope["context"]["projectId"])[:8] not in content


def test_collectors_that_share_the_site_key_know_a_machine_for_one(
    start_collector: StartCollector, tmp_path: Path
) -> None:
    shared = ["--site-key", str(tmp_path / "shared")]
    first = start_collector(*shared)
    second = Collector(tmp_path / "second", first.options)
    second.start()
    envelope = an_envelope()
    try:
        for collector in (first, second):
            assert send(url_of(collector), envelope)["status"] == 200
            collector.wait_until(lambda collector=collector: collector.runs() == {"deploy": 1})  # type: ignore[misc]
    finally:
        second.end()
    first.end()
    ids = set()
    for collector in (first, second):
        with duckdb.connect(collector.data / "warehouse.duckdb") as warehouse:
            ids.update(warehouse.execute('SELECT "anonymousId" FROM runs').fetchall())
    assert len(ids) == 1
    assert not (first.data / "site-key").exists()
