"""The fixtures. `pytest_plugins = ["sst_core.testing"]` in a `conftest.py` makes them known.

PYTEST_DONT_REWRITE: there is no assert in here.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sst_core.testing.leaks import Watch
from sst_core.testing.machine import Machine, new_machine
from sst_core.testing.watching import Watcher


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A fresh machine: an empty HOME, an empty working directory, and no plugin but the product's own."""
    return new_machine(tmp_path)


@pytest.fixture
def watcher(machine: Machine) -> Watcher:
    """A plugin on the machine that writes down what it is told."""
    return Watcher.on(machine)


@pytest.fixture
def no_leaks(machine: Machine) -> Iterator[None]:
    """Fail, when the test is over, if a run on the machine leaked."""
    watch = Watch.on(machine)
    yield
    leaks = watch.leaks()
    if leaks:
        pytest.fail("a run leaked: " + "; ".join(leaks), pytrace=False)
