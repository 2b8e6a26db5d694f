"""The fixtures that every test may use."""

import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from loopback import Loopback
from sst_core.testing import Machine

pytest_plugins = ["sst_core.testing", "pytester"]

# What a test runs outside of a `machine` records nothing on the developer's own, nor shows its notice in CI.
os.environ["SST_TELEMETRY_DISABLED"] = "1"
# A shell that starts the tests in the background has Ctrl-C ignored, and `nohup` a hang-up; every command that they
# start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# How long an example takes says something about the machine, and nothing about the law. Here, since `@given` takes what
# is loaded when its module is imported: a folder's is too late for the tests of the folders before it.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A collector on loopback that answers as a test tells it to."""
    server = Loopback()
    yield server
    server.close()


@pytest.fixture
def one_row_a_process(request: pytest.FixtureRequest, machine: Machine) -> None:
    """Of a table's rows the first runs `sst` as a process and the others in the tests' own, in a fifth of the time.

    For a law whose rows vary what goes in: what only a process has, such as its end, one row shows.
    """
    if any(request.node.callspec.indices.values()):
        machine.sst = machine.in_process  # type: ignore[assignment, method-assign]
