"""The data folder: made private, and used by one collector at a time."""

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sst_core import ConfigurationError, SstError, held_if_free


@dataclass(frozen=True, slots=True)
class DataFolder:
    """What lies where in it."""

    path: Path

    @property
    def lock(self) -> Path:
        """Held by the collector that uses the folder; what tells that a collector made it."""
        return self.path / "lock"

    @property
    def lock_is_lost(self) -> bool:
        """Whether a collector made the folder, and its lock is gone: it is empty, and some backups leave such out."""
        return not self.lock.exists() and (self.identity.is_file() or any(self.path.glob(f"{self.warehouse.name}*")))

    @property
    def how_to_make_the_lock(self) -> str:
        """Once it is lost. Not done unasked: a collector that runs would hold the one that is gone, and not this."""
        lock = shlex.quote(str(self.lock))
        return f"If no collector is running on it, run: touch {lock} && chmod 600 {lock}"

    @property
    def journal(self) -> Path:
        """The segments."""
        return self.path / "journal"

    def segments(self) -> dict[Path, os.stat_result]:
        """The segments that are there now: the loader deletes each when it has loaded it."""
        found = {}
        for path in self.journal.glob("*.ndjson"):
            with suppress(FileNotFoundError):
                found[path] = path.stat()
        return found

    @property
    def warehouse(self) -> Path:
        """The database."""
        return self.path / "warehouse.duckdb"

    @property
    def moved(self) -> Path:
        """The database, once what was in it is in a warehouse of many machines."""
        return self.path / "warehouse.duckdb.moved"

    @property
    def identity(self) -> Path:
        """What other collectors at the same warehouse know this one by: a random id."""
        return self.path / "collector-id"

    @property
    def snapshot(self) -> Path:
        """What is published."""
        return self.path / "snapshot.json"

    @property
    def site_key(self) -> Path:
        """The weekly keys of the original client's ids, unless the operator keeps them where several can share them."""
        return self.path / "site-key"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold `folder`, made if need be, for this process. Raises :class:`SstError`."""
    with ExitStack() as stack:
        try:
            _make_or_recognise(folder)
            mine = stack.enter_context(held_if_free(DataFolder(folder).lock))
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {folder} can't be used: {error.strerror}. Name another with --data."
            ) from None
        if mine is None:
            raise SstError(
                f"The data folder {folder} is in use by another collector. Stop that one, or name another with --data."
            )
        yield


def _make_or_recognise(folder: Path) -> None:
    """Make the folder, or take an empty one or one that a collector made: nobody else's is changed."""
    if folder.is_dir() and any(entry.name != "lost+found" for entry in folder.iterdir()):
        if DataFolder(folder).lock_is_lost:
            raise SstError(
                f"The data folder {folder} has lost its file lock. {DataFolder(folder).how_to_make_the_lock}"
            )
        if not DataFolder(folder).lock.is_file():
            raise ConfigurationError(
                f"The folder {folder} holds something else than a collector's data. Name an empty one with --data."
            )
        return
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder. Name another with --data.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
