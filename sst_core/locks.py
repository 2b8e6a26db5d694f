"""A lock between processes that goes with the process that holds it, however that ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int, wait: bool) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(descriptor: int, wait: bool) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Wait for the lock at `path` and hold it. The file is made if need be and never deleted. Raises OSError."""
    with open(path, "ab", opener=_private) as file:
        _take(file.fileno(), wait=True)
        yield


@contextmanager
def held_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock at `path` if nobody else does, and say whether. Raises OSError."""
    with open(path, "ab", opener=_private) as file:
        yield _take(file.fileno(), wait=False)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
