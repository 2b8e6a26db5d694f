"""Programs that tests look with, and that this project does not install. `.ci/programs` does."""

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
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
