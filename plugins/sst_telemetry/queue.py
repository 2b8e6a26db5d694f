"""Recorded runs on disk, one file each, in maildir's way: written under a temporary name, then renamed.

No lock and no shared file: a command that is killed leaves a whole file or none, and never touches another's.
"""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

MAX_RUNS = 1000
MAX_AGE = 30 * 24 * 3600.0
"""In seconds."""
MAX_BYTES = 4096
"""No recorded run is larger."""

_SUFFIX = ".json"


class Queue:
    """The folder of waiting runs. No dataclass, since making one takes longer than recording a run does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, session: str, content: bytes) -> None:
        """Add one run. Raises OSError, also when consent has been withdrawn and the folder's parent is gone."""
        name = f"{time.time_ns():020d}-{session}{_SUFFIX}"
        temporary = self.folder / f".{name}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:
            # Its parent is made by consent alone. Another command may be making it at this moment.
            self.folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Buffered, since a bare write to a disk that is almost full writes a part, and says so only by its result.
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            temporary.rename(self.folder / name)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def waiting(self) -> list[Path]:
        """Everything that waits, the oldest run first. Empty if there is no folder."""
        try:
            return sorted(path for path in self.folder.iterdir() if not path.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read(self, path: Path) -> bytes | None:
        """A run's content; None for what is no whole, regular file of ours."""
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            content = os.read(descriptor, MAX_BYTES + 1)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return content if len(content) <= MAX_BYTES else None

    def pinned(self, path: Path, week: str) -> Path:
        """The run, renamed to say in which week it was first sent: a retry in the next one has no other weekly id."""
        if _recorded_at(path) is None or week_of(path) is not None:
            return path
        target = path.with_name(f"{path.name.removesuffix(_SUFFIX)}.{week}{_SUFFIX}")
        path.rename(target)
        return target

    def set_aside(self, path: Path) -> None:
        """Move what is not a recorded run out of the way, and keep it: somebody may want to know what it was."""
        aside = self.folder.parent / "set-aside"
        aside.mkdir(mode=0o700, exist_ok=True)
        target = aside / path.name
        if target.is_symlink() or target.exists():
            target = aside / f"{path.name}.{time.time_ns()}"
        try:
            path.rename(target)
        except FileNotFoundError:
            return  # somebody has tidied up

    def trim(self, now: float) -> int:
        """Remove the runs that are over the bounds, the oldest first, and return how many that were."""
        # By their names: what is none of ours is set aside when it is read, and takes no run's place here.
        recorded = [(moment, path) for path in self.waiting() if (moment := _recorded_at(path)) is not None]
        surplus = len(recorded) - MAX_RUNS
        dropped = 0
        for position, (moment, path) in enumerate(recorded):
            if position < surplus or not now - MAX_AGE <= moment <= now + MAX_AGE:
                dropped += _remove(path)
        for path in self._abandoned(now):
            _remove(path)
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


def week_of(path: Path) -> str | None:
    """The week that the run's name was given when it was first sent; None if it never was."""
    parts = path.name.split(".")
    return parts[1] if len(parts) == 3 else None


def _recorded_at(path: Path) -> float | None:
    """Seconds since the epoch, from the name; None for a name that is none of ours."""
    stamp = path.name.partition("-")[0]
    return int(stamp) / 1e9 if stamp.isascii() and stamp.isdecimal() and len(stamp) == 20 else None


def _remove(path: Path) -> bool:
    """Whether there was a file to remove. A folder, whatever its name, is not one."""
    try:
        path.unlink()
    except (FileNotFoundError, IsADirectoryError, PermissionError):  # macOS says the last of a folder
        return False
    return True
