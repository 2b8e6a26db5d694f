"""What tests look with, and this project does not install (`.ci/programs` does): without it they skip, and CI fails."""

import os
import shutil
from typing import NoReturn

import pytest


def needed(program: str) -> str:
    """Where it is. Skips the test where it isn't, and fails it in CI."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        absent(f"{program} is not installed")
    return found


def absent(reason: str) -> NoReturn:
    """Skip the test for `reason`, and fail it in CI."""
    required_in_ci(reason)
    pytest.skip(reason)


def required_in_ci(reason: str) -> None:
    """Fail the test for `reason` in CI; elsewhere it goes on without."""
    if os.environ.get("CI"):
        pytest.fail(reason)
