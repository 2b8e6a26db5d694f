"""A lock between processes that goes with the process that holds it, however that ends."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> bool:
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # beyond whatever is written there
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)  # where whoever holds it writes
        return True

else:
    import fcntl

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def held(path: Path, seconds: float) -> Iterator[int]:
    """Hold the lock at `path`, and wait for it at most `seconds`.

    Yields its file descriptor, truncated, so that the holder can write its process id there. The file is
    made if need be and never deleted. Raises TimeoutError and OSError.
    """
    deadline = time.monotonic() + seconds
    descriptor = _opened(path)
    try:
        while not _take(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process holds {path}")
            time.sleep(0.02)
        os.ftruncate(descriptor, 0)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def held_if_free(path: Path) -> Iterator[int | None]:
    """Hold the lock at `path` if nobody else does. Yields its file descriptor, not truncated; None if somebody does.

    Raises OSError.
    """
    descriptor = _opened(path)
    try:
        yield descriptor if _take(descriptor) else None
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    # Not through a link: somebody else's file would be emptied.
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
