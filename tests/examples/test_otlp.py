"""The example of a plugin that collects: what it keeps and sends is declared, seen and consented to, or isn't there."""

import importlib
import json
import signal
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from loopback import Answer, Flood, Loopback, Request, answer, dripping, dripping_bytes
from projects import install
from sst_core import SstError
from sst_core.testing import PROGRAM, Machine, Probe
from waiting import eventually

pytestmark = pytest.mark.usefixtures("no_leaks")

OTLP = Path(__file__).parents[2] / "examples" / "otlp"


@pytest.fixture
def otlp(machine: Machine, loopback: Loopback) -> Machine:
    """A machine on which the plugin is installed, with an endpoint on loopback that takes everything."""
    install(machine, OTLP)
    machine.project('build = ["echo", "built"]', 'deploy = ["false"]')
    loopback.otherwise = answer(200, b"{}", {"Content-Type": "application/json"})
    machine.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = loopback.url.removesuffix("/events")
    return machine


def kept(machine: Machine) -> list[dict[str, Any]]:
    """The events in the file."""
    file = machine.telemetry / "sst-otlp.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def received(request: Request) -> list[dict[str, Any]]:
    """The attributes of each log record, as OpenTelemetry's own schema reads the request."""
    message = Parse(request.raw.partition(b"\r\n\r\n")[2], ExportLogsServiceRequest())
    (resource,) = message.resource_logs
    assert {item.key: item.value.string_value for item in resource.resource.attributes} == {"service.name": "sst"}
    (logs,) = resource.scope_logs
    assert logs.scope.name == "sst_otlp"
    assert all(not record.time_unix_nano and not record.observed_time_unix_nano for record in logs.log_records)
    assert {record.event_name for record in logs.log_records} == {"sst_otlp.run"}
    return [
        {item.key: getattr(item.value, item.value.WhichOneof("value") or "") for item in record.attributes}
        for record in logs.log_records
    ]


def test_it_brings_no_other_projects_sst_along() -> None:
    required = tomllib.loads((OTLP / "pyproject.toml").read_text())["project"]["dependencies"]

    assert [name for name in required if name.startswith("sst")] == []


def test_off_the_null_plugin_stands_in_its_place_and_it_is_not_imported(otlp: Machine) -> None:
    probe = Probe.on(otlp)

    for off in ({}, {"SST_TELEMETRY_DISABLED": "1"}, {"DO_NOT_TRACK": "1"}):  # the first: nobody has seen the notice
        assert otlp.sst("build", env=off).stdout == "built\n"
        assert probe.read().imported("sst_otlp", "sst_telemetry", "sst_null") == {"sst_null"}
    assert otlp.sst("otlp", "send").returncode == 1
    assert not otlp.state.exists()


def test_on_it_keeps_what_it_declared_and_sends_that_when_asked(otlp: Machine, loopback: Loopback) -> None:
    first, second = (otlp.on_terminal("build").text for _ in range(2))
    assert "Nothing is recorded yet: there is more to tell." in first
    assert "Also   plugins that collect too: sst-otlp (command, how it ended, rounded" in second
    assert "duration), to a file, and the OTLP endpoint that you set" in second
    assert kept(otlp) == []

    probe = Probe.on(otlp)
    assert otlp.sst("build").stdout == "built\n"
    assert probe.read().imported("sst_otlp", "sst_null", "httpx") == {"sst_otlp"}
    assert otlp.sst("deploy").returncode == 1
    otlp.sst("telemetry")
    events = [
        {"sst_otlp.command": "build", "sst_otlp.result": "ok", "sst_otlp.seconds": kept(otlp)[0]["sst_otlp.seconds"]},
        {
            "sst_otlp.command": "deploy",
            "sst_otlp.result": "error",
            "sst_otlp.seconds": kept(otlp)[1]["sst_otlp.seconds"],
        },
    ]
    assert kept(otlp) == events
    assert loopback.requests == [], "nothing is sent until somebody asks for it"

    sent = otlp.sst("otlp", "send", env={"OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b"})

    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "Sent: 2.\n", "")
    (request,) = loopback.requests
    assert request.head[0] == "POST /v1/logs HTTP/1.1"
    assert (request.headers["content-type"], request.headers["x-key"]) == ("application/json", "a b")
    assert received(request) == events
    assert [event["sst_otlp.command"] for event in kept(otlp)] == ["plugin"], "only that of sending itself"


def test_what_an_endpoint_did_not_take_waits_and_disable_deletes_it(otlp: Machine, loopback: Loopback) -> None:
    otlp.sst("telemetry", "enable")
    otlp.sst("build")
    loopback.script = [answer(503)]

    failed = otlp.sst("otlp", "send")
    assert (failed.returncode, failed.stderr) == (1, "sst: error: The endpoint answered 503. What waits is kept.\n")
    assert otlp.sst("otlp", "send").stdout == "Sent: 1.\n"
    assert [event["sst_otlp.command"] for event in received(loopback.requests[-1])] == ["build"]

    assert otlp.sst("telemetry", "disable").returncode == 0
    assert not otlp.telemetry.exists()
    refused = otlp.sst("otlp", "send")
    assert (refused.returncode, refused.stderr) == (1, "sst: error: Telemetry is off, so nothing is sent.\n")
    assert len(loopback.requests) == 2


def test_disable_does_not_wait_for_an_endpoint_that_drips(otlp: Machine, loopback: Loopback) -> None:
    otlp.sst("telemetry", "enable")
    otlp.sst("build")
    loopback.otherwise = dripping
    with subprocess.Popen([PROGRAM, "otlp", "send"], cwd=otlp.folder, env=otlp.environ) as sending:
        eventually(lambda: len(loopback.requests) == 1, "a request")

        assert otlp.sst("telemetry", "disable").returncode == 0

    assert sending.returncode == -signal.SIGKILL
    assert not otlp.telemetry.exists()


@pytest.mark.parametrize(
    ("reply", "said"),
    [(dripping, "Nothing was sent"), (dripping_bytes, "Nothing was sent"), (Flood(), "no OTLP endpoint's answer")],
    ids=["a head that drips", "a body that drips", "a gigabyte"],
)
def test_an_answer_is_bounded_in_time_and_size(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, reply: Answer, said: str
) -> None:
    monkeypatch.syspath_prepend(str(OTLP))
    otlp = importlib.import_module("sst_otlp.otlp")
    monkeypatch.setattr(otlp, "SECONDS", 1.5)
    loopback.otherwise = reply

    with pytest.raises(SstError, match=said):
        otlp.export(loopback.url, "sst", [{"sst_otlp.command": "build"}], {})


def test_the_catalogue_shows_what_it_declares(otlp: Machine) -> None:
    listed = json.loads(otlp.sst("telemetry", "catalog", "--json").stdout)
    text = otlp.sst("telemetry", "catalog").stdout

    assert [value["key"] for value in listed if value.get("plugin") == "sst-otlp"] == [
        "sst_otlp.command",
        "sst_otlp.result",
        "sst_otlp.seconds",
    ]
    assert "Plugin sst-otlp collects too, and sends to a file, and the OTLP endpoint that you set:" in text
    assert "Also       plugin sst-otlp collects, to a file, and the OTLP" in otlp.sst("telemetry").stdout
    assert json.loads(otlp.sst("telemetry", "--json").stdout)["plugins"] == [
        {"name": "sst-otlp", "sends_to": "a file, and the OTLP endpoint that you set"}
    ]
    assert "sst_otlp.result\n  values    one of ok, error, abort, interrupt\n" in text


def test_a_value_more_is_shown_before_it_is_kept(otlp: Machine) -> None:
    otlp.sst("telemetry", "enable")
    assert otlp.plugins
    declaration = otlp.plugins / "sst_otlp" / "telemetry.toml"
    declaration.write_text(declaration.read_text().replace("[0, 1, 10, 60, 600]", "[0, 1, 2, 10, 60, 600]"))

    otlp.sst("build")
    assert (kept(otlp), otlp.queued()) == ([], []), "nobody has agreed to that"
    shown = otlp.on_terminal("build").text
    assert "sst would record more than you have seen before" in shown
    assert "sst-otlp (rounded duration), to a file, and" in shown
    assert "the OTLP endpoint that you set" in " ".join(shown.split())
    otlp.sst("build")

    assert len(kept(otlp)) == len(otlp.queued()) == 1


def test_a_malformed_declaration_keeps_it_from_being_loaded(otlp: Machine) -> None:
    otlp.sst("telemetry", "enable")
    assert otlp.plugins
    declaration = otlp.plugins / "sst_otlp" / "telemetry.toml"
    declaration.write_text(declaration.read_text().replace('choice = ["ok", ', 'text = ["ok", '))
    probe = Probe.on(otlp)

    ended = otlp.sst("build")

    assert (ended.returncode, ended.stdout) == (0, "built\n")
    assert ended.stderr == (
        "sst: plugin 'otlp' (sst-otlp 1.0.0) failed in loading: its telemetry.toml has a value `result` that is not "
        "exactly one of bucket, choice, field, flag, version; SST_DISABLE_PLUGINS=otlp switches it off\n"
    )
    assert probe.read().imported("sst_otlp") == set()
    assert len(otlp.queued()) == 1, "the product's own telemetry goes on"


def test_the_file_is_bounded(otlp: Machine) -> None:
    otlp.sst("telemetry", "enable")
    file = otlp.telemetry / "sst-otlp.jsonl"
    file.write_bytes(b"x" * 256 * 1024)

    assert otlp.sst("build").stderr == ""

    assert file.stat().st_size == 256 * 1024
