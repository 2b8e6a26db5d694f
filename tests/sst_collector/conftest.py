"""The fixtures of the collector's tests."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from collecting import Collector, StartCollector, collectors


@pytest.fixture
def start_collector(tmp_path: Path) -> Iterator[StartCollector]:
    with collectors(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def shared_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """For tests that count nothing."""
    with collectors(tmp_path_factory.mktemp("shared")) as start:
        yield start()


def pytest_unconfigure() -> None:
    # Hypothesis leaves a callback with the garbage collector, and because of it DuckDB's binding complains at exit
    # about a page of objects that are still there.
    gc.callbacks.clear()
