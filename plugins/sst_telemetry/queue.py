"""Recorded runs on disk, one file each, in maildir's way: written under a temporary name, then renamed.

No lock and no shared file: a command that is killed leaves a whole file or none, and never touches another's.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_RUNS = 1000
MAX_AGE = 30 * 24 * 3600.0
"""In seconds."""
MAX_BYTES = 4096
"""No recorded run is larger."""

_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Queue:
    """The folder of waiting runs."""

    folder: Path

    def put(self, session: str, content: bytes) -> None:
        """Add one run. Raises OSError, also when consent has been withdrawn and the folder's parent is gone."""
        name = f"{time.time_ns():020d}-{session}{_SUFFIX}"
        temporary = self.folder / f".{name}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:
            self.folder.mkdir(mode=0o700)  # its parent is made by consent alone
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                file.write(content)
            temporary.rename(self.folder / name)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def waiting(self) -> list[Path]:
        """The files of all waiting runs, the oldest first. Empty if there is no folder."""
        try:
            return sorted(path for path in self.folder.iterdir() if not path.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read(self, path: Path) -> bytes | None:
        """A run's content; None for what is no whole, regular file of ours."""
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(descriptor, "rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError:
            return None
        return content if len(content) <= MAX_BYTES else None

    def set_aside(self, path: Path) -> None:
        """Move what is not a recorded run out of the way, and keep it: somebody may want to know what it was."""
        aside = self.folder.parent / "set-aside"
        aside.mkdir(mode=0o700, exist_ok=True)
        path.rename(aside / path.name)

    def trim(self, now: float) -> int:
        """Remove what is over the bounds, the oldest first, and return how many runs that were."""
        waiting = self.waiting()
        surplus = len(waiting) - MAX_RUNS
        dropped = 0
        for position, path in enumerate(waiting):
            if position < surplus or not now - MAX_AGE <= _recorded_at(path) <= now + MAX_AGE:
                path.unlink(missing_ok=True)
                dropped += 1
        for path in self._abandoned(now):
            path.unlink(missing_ok=True)
        return dropped

    def _abandoned(self, now: float) -> Iterator[Path]:
        """Temporary files of commands that were killed while they wrote."""
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") and now - entry.stat(follow_symlinks=False).st_mtime > 3600:
                        yield Path(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            return


def _recorded_at(path: Path) -> float:
    stamp = path.name.partition("-")[0]
    # What has no time in its name is not ours: it is set aside when it is read, not dropped as too old.
    return int(stamp) / 1e9 if stamp.isdecimal() and len(stamp) == 20 else time.time()
