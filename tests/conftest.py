"""The fixtures that every test may use."""

import os
import signal
from collections.abc import Iterator

import pytest

from loopback import Loopback

pytest_plugins = ["sst_core.testing", "pytester"]

# What a test runs outside of a `machine` records nothing on the developer's own, nor shows its notice in CI.
os.environ["SST_TELEMETRY_DISABLED"] = "1"
# A shell that starts the tests in the background has Ctrl-C ignored, and `nohup` a hang-up; every command that they
# start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A collector on loopback that answers as a test tells it to."""
    server = Loopback()
    yield server
    server.close()
