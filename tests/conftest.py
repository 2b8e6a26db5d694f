"""The fixtures that every test may use."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loopback import Loopback
from machine import PATIENCE, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A fresh machine: an empty HOME and an empty working directory."""
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm"}
    return Machine(home=home, folder=folder, environ=environ, plugins=tmp_path / "plugins")


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A collector on loopback that answers as a test tells it to."""
    server = Loopback()
    yield server
    server.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], str], None]:
    """Wait until something is so, and fail if it never is."""

    def wait(is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < deadline, f"never: {what}"
            time.sleep(0.02)

    return wait
