"""What a killed process left behind: files that never got their name, and folders that were being deleted.

They may hold ids, so they go before anything is sent, and with what `purge` and `reset` delete. The queue has its own.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from sst_core import Locations


def remove_leftovers(locations: Locations) -> None:
    """For whoever holds the lock: nobody else writes such files now. Raises OSError."""
    for path in _leftovers(locations):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _leftovers(locations: Locations) -> Iterator[Path]:
    # The folder around telemetry's own is the program's, which may keep hidden files of its own there.
    yield from locations.state.glob(".telemetry-deleted-*")
    yield from locations.state.glob(".forget.json.*")
    yield from locations.telemetry.glob(".*")
