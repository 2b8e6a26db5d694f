"""The fixtures of the telemetry plugin's tests."""

from pathlib import Path

import pytest

from consenting import Consenting, Spawned
from sst_core.testing import Machine


@pytest.fixture
def consenting(machine: Machine) -> Consenting:
    """A machine whose user has seen the notice."""
    there = Consenting(machine)
    there.consent().grant()
    return there


@pytest.fixture
def spawned(machine: Machine, tmp_path: Path) -> Spawned:
    """The senders that commands start on the machine."""
    return Spawned.on(machine, tmp_path / "spawned")
