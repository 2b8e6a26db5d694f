"""A process of its own for what measures: it takes every child of its process for a part of what it measured."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from measuring import become_subreaper
from sst_core.testing import PATIENCE

Apart = Callable[..., Any]
"""Calls a function there."""


@contextmanager
def a_process_apart() -> Iterator[Apart]:
    """Ends it, too."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=become_subreaper) as process:
        yield lambda function, *arguments, **options: process.submit(function, *arguments, **options).result(PATIENCE)
