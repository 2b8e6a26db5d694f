"""What the core's own tests need beside a machine."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from sst_core import SST, Consent
from sst_core.testing import PROGRAM, Machine

NOBODY = 65534

CANNOT_GIVE_UP = 77

# Drops CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from what the program may have, and becomes it.
_GIVE_UP_OVERRIDING = f"""
import ctypes, os, sys
if os.geteuid() == 0 and any(ctypes.CDLL(None).prctl(24, right, 0, 0, 0) for right in (1, 2)):
    sys.exit({CANNOT_GIVE_UP})
os.execv(sys.argv[1], sys.argv[1:])
"""

# How long an example takes says something about the machine, and nothing about the law.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture
def consenting(machine: Machine) -> Machine:
    """A machine with a project that builds, whose user has seen the notice: telemetry is on."""
    machine.project('build = ["true"]')
    Consent(SST, machine.environ, machine.folder, ci=None).grant()
    return machine


@pytest.fixture
def modest(machine: Machine) -> tuple[str, ...]:
    """The program, run by somebody whom permissions hold: root gives up its right to override them."""
    program = (sys.executable, "-c", _GIVE_UP_OVERRIDING, str(PROGRAM))
    if machine.sst("--version", program=program).returncode == CANNOT_GIVE_UP:
        pytest.skip("this root can't give up its rights")
    return program


@pytest.fixture
def give_away() -> Callable[[Path], None]:
    """Give a file to somebody else, which only root can do."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    return lambda path: os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
