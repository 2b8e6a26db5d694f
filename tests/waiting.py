"""Waiting for what another process does."""

import time
from collections.abc import Callable

from sst_core.testing import PATIENCE


def eventually(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so, and fail if it never is: `what` is in the failure's words."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)
