"""What a killed process left behind: files that never got their name, and folders that were being deleted.

They may hold ids, so they go before anything is sent, and with what `purge` and `reset` delete. The queue has its own.
"""

import shutil

from sst_core import Locations


def remove_leftovers(locations: Locations) -> None:
    """For whoever holds the lock: nobody else makes hidden files here. Raises OSError."""
    for folder in (locations.state, locations.telemetry):
        for path in folder.glob(".*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
