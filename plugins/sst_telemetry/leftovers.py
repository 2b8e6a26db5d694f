"""Deleting, and what a killed process left behind: files that never got their name, and what was being deleted.

They may hold ids, so they go before anything is sent, and with what `purge` and `reset` delete. Those in the queue's
folder are deleted by `Queue.trim`.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sst_core import Locations
from sst_telemetry.folder import Folder

_DELETED = "-deleted-"


def delete(path: Path) -> bool:
    """Delete a folder or a file, and return whether it was there. It is gone under its name at once, then piece by
    piece. Raises OSError, also for a link."""
    if path.is_symlink():
        raise OSError(f"{path} is a symbolic link; delete what it points to by hand")
    doomed = f".{path.name}{_DELETED}"
    with suppress(FileNotFoundError):
        path.rename(path.with_name(f"{doomed}{os.getpid()}-{time.time_ns()}"))
    # All of them: whoever renamed one may have been killed before it was gone.
    leftovers = list(path.parent.glob(f"{doomed}*"))
    for leftover in leftovers:
        _remove(leftover)
    return bool(leftovers)


def remove_leftovers(locations: Locations) -> None:
    """For whoever holds the lock: nobody else writes such files now. Raises OSError."""
    for path in _leftovers(locations):
        _remove(path)


def _leftovers(locations: Locations) -> Iterator[Path]:
    # The folder around telemetry's own is the program's, which may keep hidden files of its own there.
    yield from locations.state.glob(f".{locations.telemetry.name}{_DELETED}*")
    yield from locations.state.glob(f".{Folder(locations.telemetry).pending.name}.*")
    yield from locations.telemetry.glob(".*")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
