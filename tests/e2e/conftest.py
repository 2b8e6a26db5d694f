"""The help of every command, for what has to be so of each; and what the tests of the whole say at their end."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

import walking
from sst_core.testing.machine import new_machine


@pytest.fixture(scope="package")
def helps(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Of every command, such as `sst telemetry`, in a pipe of 80 columns."""
    machine = new_machine(tmp_path_factory.mktemp("helps"))
    machine.environ["COLUMNS"] = "80"

    def ask(arguments: Sequence[str]) -> str:
        ended = machine.sst(*arguments)
        assert (ended.returncode, ended.stderr) == (0, ""), arguments
        return ended.stdout

    return {" ".join(("sst", *path)): text for path, text in walking.helps(ask)}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the campaigns came to, over all workers."""
    said = [
        property
        for report in terminalreporter.stats.get("passed", [])
        for property in getattr(report, "user_properties", [])
    ]
    if flown := _of("canary", said):
        cases, rounds, searched = map(sum, zip(*flown, strict=True))
        terminalreporter.write_line(f"canary: {cases:,} cases, {rounds:,} rounds, {searched:,} bytes searched, no leak")
    for text in (*_of("kills", said), *_of("load", said)):
        terminalreporter.write_line(text)
    if disabled := _of("disabled", said):
        rounds, requests = map(sum, zip(*disabled, strict=True))
        terminalreporter.write_line(f"disable: {rounds:,} rounds, {requests:,} requests before it returned, none after")


def _of(name: str, said: Iterable[tuple[str, Any]]) -> list[Any]:
    return [value for each, value in said if each == name]
