"""What the core's own tests need beside a machine."""

import pytest

from permissions import modestly
from sst_core import SST, Consent
from sst_core.testing import PROGRAM, Machine


@pytest.fixture
def consenting(machine: Machine) -> Machine:
    """A machine with a project that builds, whose user has seen the notice: telemetry is on."""
    machine.project('build = ["true"]')
    Consent(SST, machine.environ, machine.folder, ci=None).grant()
    return machine


@pytest.fixture
def modest() -> tuple[str, ...]:
    """The program, run by somebody whom permissions hold."""
    return modestly(PROGRAM)
