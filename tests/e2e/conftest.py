"""What the tests of the whole say at their end."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much the canary has looked at, over all workers."""
    flown = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in getattr(report, "user_properties", [])
        if name == "canary"
    ]
    if flown:
        cases, rounds, searched = map(sum, zip(*flown, strict=True))
        terminalreporter.write_line(f"canary: {cases:,} cases, {rounds:,} rounds, {searched:,} bytes searched, no leak")
