"""The help of every command, for what has to be so of each; and what the tests of the whole say at their end."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

COMMANDS = Path(__file__).parents[2] / "docs" / "commands.md"
_HELP = re.compile(r"^## `(sst[^`]*)`\n\n```text\n(.*?\n)```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="package")
def helps() -> Mapping[str, str]:
    """Of every command, such as `sst telemetry`, in a pipe of 80 columns: from the page, which is held to be fresh."""
    return dict(_HELP.findall(COMMANDS.read_text()))


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
