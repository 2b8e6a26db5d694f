"""`sst telemetry flush`: what is queued goes now, and the exit code says whether anything is left."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from consenting import Consenting
from loopback import Loopback, answer, dripping, hanging, refusing
from sst_core.testing import PATIENCE, PROGRAM, Machine


def flush(machine: Machine, url: str | None, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return machine.sst("telemetry", "flush", *arguments, env={"SST_TELEMETRY_URL": url} if url else None)


def test_flush_delivers_and_exits_with_zero(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    consenting.record("build")

    ended = flush(machine, loopback.url)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "Nothing is left to send.\n", "")
    assert loopback.commands == ["build"]
    assert json.loads(flush(machine, loopback.url, "--json").stdout)["left"] == 0


def test_flush_with_nothing_queued_exits_with_zero(machine: Machine, loopback: Loopback) -> None:
    assert flush(machine, loopback.url).returncode == 0
    assert loopback.requests == []
    assert list(machine.home.iterdir()) == []


def test_flush_does_not_wait_for_a_backoff(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    consenting.record("build")
    loopback.script = [answer(503, headers={"Retry-After": "86400"})]

    assert flush(machine, loopback.url).returncode == 1
    assert flush(machine, loopback.url).returncode == 0


def test_flush_that_leaves_something_exits_with_one_and_says_why(machine: Machine, consenting: Consenting) -> None:
    consenting.record("build")
    consenting.record("deploy")
    bound, url = refusing()
    with bound:
        ended = flush(machine, url)
        as_json = flush(machine, url, "--json")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "sst: error: 2 runs are left: connection refused (SST_TELEMETRY_URL)\n"
    assert (as_json.returncode, as_json.stderr) == (1, "")
    assert json.loads(as_json.stdout) == {
        "left": 2,
        "reason": "connection refused (SST_TELEMETRY_URL)",
        "of_other_versions": 0,
    }


@pytest.mark.parametrize("others", [1, 2])
def test_flush_says_what_another_version_recorded_and_has_not_failed(
    machine: Machine, consenting: Consenting, loopback: Loopback, others: int
) -> None:
    for _ in range(others):
        run = consenting.record("build")
        run.write_text(run.read_text().replace('"build"', '"sell"'))
    consenting.record("deploy")

    ended = flush(machine, loopback.url)
    as_json = flush(machine, loopback.url, "--json")

    assert (ended.returncode, ended.stderr) == (0, "")
    runs = "1 run is" if others == 1 else "2 runs are"
    assert ended.stdout == (
        f"Nothing is left to send. {runs} another version's, and kept for that, 30 days at most; "
        "`sst telemetry purge` deletes what is queued.\n"
    )
    assert (as_json.returncode, json.loads(as_json.stdout)["of_other_versions"]) == (0, others)


def test_flush_that_fails_counts_what_another_version_recorded_apart(machine: Machine, consenting: Consenting) -> None:
    run = consenting.record("build")
    run.write_text(run.read_text().replace('"build"', '"sell"'))
    consenting.record("deploy")
    bound, url = refusing()
    with bound:
        ended = flush(machine, url, "--json")

    assert ended.returncode == 1
    assert (json.loads(ended.stdout)["left"], json.loads(ended.stdout)["of_other_versions"]) == (1, 1)


def test_flush_without_a_collector_says_so(machine: Machine, consenting: Consenting) -> None:
    consenting.record("build")

    ended = flush(machine, None)

    assert ended.returncode == 1
    assert ended.stderr.startswith("sst: error: 1 run is left: no collector is configured")


def test_flush_waits_for_a_sender_that_is_at_work(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    consenting.record("build")
    loopback.script = [hanging]
    with subprocess.Popen(
        [PROGRAM, "telemetry", "flush"],
        cwd=machine.folder,
        env={**machine.environ, "SST_TELEMETRY_URL": loopback.url},
        stdout=subprocess.DEVNULL,
    ) as first:
        while not loopback.requests:
            assert first.poll() is None
            time.sleep(0.02)

        ended = flush(machine, loopback.url)

        assert (ended.returncode, ended.stdout) == (0, "Nothing is left to send.\n")
        assert loopback.requests[1].sessions == loopback.requests[0].sessions
        assert first.wait(PATIENCE) == 1


@pytest.mark.parametrize("off", ["environment", "project", "plugins"])
def test_flush_while_off_sends_nothing(machine: Machine, consenting: Consenting, loopback: Loopback, off: str) -> None:
    consenting.record("build")
    if off == "environment":
        machine.environ["SST_TELEMETRY_DISABLED"] = "1"
    elif off == "project":
        machine.project('build = ["true"]', extra="[telemetry]\nenabled = false")
    else:
        machine.environ["SST_DISABLE_PLUGINS"] = "telemetry"

    ended = flush(machine, loopback.url)

    assert (ended.returncode, ended.stderr) == (1, "sst: error: 1 run is left: telemetry is off\n")
    assert loopback.requests == []


def test_flush_ends_whatever_the_collector_does(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    consenting.record("build")
    loopback.otherwise = dripping
    shorter = "import sst_telemetry.cli as c; c.REQUESTS_SECONDS = 4.5; from sst_core.sst import main; main()"

    ended = machine.sst(
        "telemetry",
        "flush",
        env={"SST_TELEMETRY_URL": loopback.url},
        program=(sys.executable, "-c", shorter),
    )

    assert (ended.returncode, ended.stderr) == (1, "sst: error: 1 run is left: timed out (SST_TELEMETRY_URL)\n")
    assert len(machine.queued()) == 1


@pytest.mark.parametrize("command", ["flush", "forget", "reset"])
@pytest.mark.usefixtures("no_leaks")
def test_what_ends_a_request_that_takes_too_long_is_gone_with_the_command(machine: Machine, command: str) -> None:
    assert machine.in_process("telemetry", command).returncode == 0

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize(("variable", "value"), [("HTTPS_PROXY", "nonsense://x"), ("SSL_CERT_FILE", "/nowhere.pem")])
def test_settings_that_cannot_be_used_are_an_error_in_words(
    machine: Machine, consenting: Consenting, variable: str, value: str
) -> None:
    consenting.record("build")
    machine.environ[variable] = value

    ended = flush(machine, "https://localhost:1/events")

    assert ended.returncode == 2
    assert ended.stderr.startswith(f"sst: error: The proxy or certificate settings can't be used ({variable})")
    assert len(machine.queued()) == 1


def test_help_is_there_for_every_command(machine: Machine) -> None:
    listed = machine.sst("telemetry", "--help")
    assert listed.returncode == 0
    for command in ("status", "enable", "disable", "show", "flush"):
        assert command in listed.stdout
        ended = machine.sst("telemetry", command, "--help")
        assert ended.returncode == 0
        assert re.search(rf"Examples?:\s+sst telemetry {command}\b", ended.stdout)


def test_json_is_asked_for_after_the_command(machine: Machine) -> None:
    ended = machine.sst("telemetry", "--json", "status")

    assert ended.returncode == 2
    assert "put it after the command" in ended.stderr
