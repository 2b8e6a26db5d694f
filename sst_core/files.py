"""Reading and writing the few small files that decide something, without trusting who put them there."""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sst_core.errors import ConfigurationError

MAX_BYTES = 1 << 20
"""No file that decides anything is larger than this, in bytes."""

# A named pipe must not hang the command, and a link must not stand in for the file that was checked.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class ForeignFileError(ConfigurationError):
    """The file belongs to somebody who is neither the user nor root, so it has no say."""


def read_own(path: Path) -> bytes | None:
    """The content of a regular file that only the user or root can have written; None if nothing is there.

    Raises :class:`ForeignFileError` for somebody else's file, and :class:`ConfigurationError` for one that is a link or
    a folder, can be written by others, is too large or can't be read.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        entry = _entry(path)
        _refuse_foreign(path, entry and entry.st_uid)
        if entry is not None and stat.S_ISLNK(entry.st_mode):
            raise ConfigurationError(f"{path} is a symbolic link. Put the file itself there.") from None
        raise ConfigurationError(f"{path} can't be read: {error.strerror}.") from None
    try:
        content = _read_checked(path, descriptor)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}.") from None
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"{path} is larger than {MAX_BYTES} bytes.")
    return content


def _read_checked(path: Path, descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    _refuse_foreign(path, status.st_uid)
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"{path} is not a regular file. Put a file there, or nothing.")
    if os.name == "posix" and _others_can_write(descriptor, status):
        raise ConfigurationError(f"{path} can be written by others. Run: chmod go-w {path}")
    # Not before the checks: a folder can't even be wrapped in a file object.
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(MAX_BYTES + 1)


def _others_can_write(file: Path | int, status: os.stat_result) -> bool:
    if status.st_mode & 0o002:
        return True
    return bool(status.st_mode & 0o020) and (_has_access_list(file) or not _is_private_group(status))


def _has_access_list(file: Path | int) -> bool:
    """Whether an ACL names who else may do something. The mode's group bits are then what any of these may at most."""
    if sys.platform != "linux":  # elsewhere an ACL doesn't show in the mode
        return False
    try:
        os.getxattr(file, "system.posix_acl_access")
    except OSError:  # there is none, or no such thing in that file system
        return False
    return True


def _is_private_group(status: os.stat_result) -> bool:
    """Whether the file's group is its owner alone: under umask 002, the default of many systems, git writes 0664."""
    if sys.platform == "win32":
        return False
    import grp
    import pwd

    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return owner.pw_gid == group.gr_gid and group.gr_name == owner.pw_name and not set(group.gr_mem) - {owner.pw_name}


def _entry(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None


def refuse_foreign(path: Path) -> None:
    """Raises :class:`ForeignFileError` where `path`, or what it is a link to, belongs to neither the user nor root, and
    :class:`ConfigurationError` where others can write to it. What isn't there is nobody's."""
    for look in (path.lstat, path.stat):  # whoever has the link can have it lead elsewhere at any time
        try:
            status = look()
        except OSError:
            return
        _refuse_foreign(path, status.st_uid)
    if os.name == "posix" and _others_can_write(path, status):
        raise ConfigurationError(f"{path} can be written by others. Run: chmod go-w {path}")


def _refuse_foreign(path: Path, owner: int | None) -> None:
    if sys.platform != "win32" and owner not in (None, 0, os.geteuid()):
        raise ForeignFileError(
            f"{path} belongs to somebody else (user id {owner}), so it is not used. If it is yours: chown it."
        )


def make_private_folder(path: Path) -> None:
    """Make `path` and what is missing above it, each 0700. Raises OSError."""
    if path.is_dir():
        return
    make_private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` at `path` as a 0600 file in a 0700 folder, whole or not at all, and durably. Raises OSError.

    `mode` is for a file that a person shares, such as a project's own.
    """
    with private_draft(path, content, mode) as draft:
        draft.replace(path)
        sync_path(path.parent)


@contextmanager
def private_draft(path: Path, content: bytes, mode: int = 0o600) -> Iterator[Path]:
    """Write `content` durably to a temporary file beside `path`, and yield its path.

    A full disk shows here; what is left to do is to rename the file. If nobody does, it is deleted. Raises OSError.
    """
    make_private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # Somebody who was killed may have left one. In a folder that others share, nobody else's is written to.
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if mode != 0o600 and sys.platform != "win32":
                os.fchmod(descriptor, mode)  # by its name, it could be another's file by now
            os.fsync(descriptor)
        yield draft
    except OSError as error:
        if error.filename != str(draft):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None  # the draft is a name that nobody knows
    finally:
        draft.unlink(missing_ok=True)


def sync_path(path: Path) -> None:
    """Make durable what is at `path`: the bytes of a file, or the names in a folder. Raises OSError.

    A file that was renamed may have its old name again after a power cut, until its folder was synced. On Windows
    nothing is done: no folder can be opened there.
    """
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such thing for a folder
            raise
    finally:
        os.close(descriptor)
