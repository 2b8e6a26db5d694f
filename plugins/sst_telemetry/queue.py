"""Recorded runs on disk, one file each, in maildir's way: written under a temporary name, then renamed.

No lock and no shared file: a command that is killed leaves a whole file or none, and never touches another's.
"""

import errno
import os
import stat
import time
from pathlib import Path

MAX_RUNS = 1000
MAX_AGE = 30 * 24 * 3600.0
"""In seconds."""
MAX_BYTES = 4096
"""No recorded run is larger."""

_SUFFIX = ".json"
_DIGITS = 20
"""Of the time in nanoseconds, in a run's name."""


class Queue:
    """The folder of waiting runs. No dataclass, since making one takes longer than recording a run does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, session: str, content: bytes) -> str:
        """Add one run, and return where it is.

        Raises OSError, also when consent has been withdrawn and the folder's parent is gone.
        """
        name = f"{time.time_ns():0{_DIGITS}d}-{session}{_SUFFIX}"
        folder = str(self.folder)  # and no Path for each of the names below: that takes as long as to write the file
        temporary = f"{folder}{os.sep}.{name}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:
            # Its parent is made by consent alone. Another command may be making it at this moment.
            self.folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                written = os.write(descriptor, content)
            finally:
                os.close(descriptor)
            if written < len(content):  # a disk that is almost full takes a part, and says so only by its result
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            target = f"{folder}{os.sep}{name}"
            os.rename(temporary, target)  # noqa: PTH104
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        return target

    def waiting(self) -> list[Path]:
        """The runs that wait, the oldest first. Empty if there is no folder.

        What has another name is nobody's business here: it is not read, not moved and not counted.
        """
        runs, _ = self._names()
        return [self.folder / name for name in runs]

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
        if pinned_week(path) is not None:
            return path
        target = path.with_name(f"{path.name.removesuffix(_SUFFIX)}.{week}{_SUFFIX}")
        path.rename(target)
        return target

    def set_aside(self, path: Path) -> None:
        """Move what is not a recorded run out of the way, and keep it: somebody may want to know what it was."""
        from sst_telemetry.folder import Folder  # a sender's

        aside = Folder(self.folder.parent).set_aside
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
        runs, temporaries = self._names()
        surplus = len(runs) - MAX_RUNS
        dropped = 0
        for position, name in enumerate(runs):
            moment = _recorded_at(name)
            if position < surplus or moment is None or not now - MAX_AGE <= moment <= now + MAX_AGE:
                dropped += _remove(self.folder / name)
        for name in temporaries:
            self._remove_abandoned(self.folder / name, now)
        return dropped

    def _names(self) -> tuple[list[str], list[str]]:
        """The runs, the oldest first, and the files that are being written."""
        # One pass that keeps no foreign name: among a million of them, a sender still has its runs in a second.
        runs: list[str] = []
        temporaries: list[str] = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    name = entry.name
                    if _recorded_at(name.removeprefix(".")) is not None:
                        (temporaries if name.startswith(".") else runs).append(name)
        except (FileNotFoundError, NotADirectoryError):
            return [], []
        return sorted(runs), temporaries

    def _remove_abandoned(self, temporary: Path, now: float) -> None:
        """What a command that was killed left behind while it wrote."""
        try:
            if now - temporary.lstat().st_mtime > 3600:
                _remove(temporary)
        except FileNotFoundError:  # it has got its name
            return


def pinned_week(path: Path) -> str | None:
    """The week that the run's name was given when it was first sent; None if it never was."""
    parts = path.name.split(".")
    return parts[1] if len(parts) == 3 else None


def session_of(path: Path) -> str:
    """The run's own id, as its name has it."""
    return path.name.partition(".")[0][_DIGITS + 1 :]


def _recorded_at(name: str) -> float | None:
    """Seconds since the epoch, from a run's name; None for a name that is none of ours."""
    if name[_DIGITS : _DIGITS + 1] != "-":  # first, since there may be a million others
        return None
    stamp = name[:_DIGITS]
    return int(stamp) / 1e9 if stamp.isascii() and stamp.isdecimal() else None


def _remove(path: Path) -> bool:
    """Whether there was a file to remove. A folder, whatever its name, is not one."""
    try:
        path.unlink()
    except (FileNotFoundError, IsADirectoryError, PermissionError):  # macOS says the last of a folder
        return False
    return True
