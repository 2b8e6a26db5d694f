"""The file that DuckDB's warehouse is in: whether it is the one that was made, and when it is written anew.

That is after weeks were dropped and after a machine was forgotten: DuckDB gives no space back to the disk, and what was
deleted would stay readable in the file.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import duckdb

from sst_collector.log import in_words, log
from sst_collector.warehouse.protocol import WarehouseError
from sst_core import sync_path, write_private

WRITTEN_ANEW_SECONDS = 24 * 60 * 60.0
"""Between two copies of the whole file for what was forgotten: anyone may ask for that at any time."""

# Nothing is fetched from anywhere, and the loader leaves memory, and all processors but one, to the server beside it:
# two threads load in four fifths of the time, and take a fifth more of the processors'.
CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "memory_limit": "512MB",
    "threads": 1,
}


def mark_of(path: Path) -> Path:
    """The file that says that there is a warehouse at `path`: if it isn't, it was moved or somebody deleted it."""
    return path.with_suffix(".made")


def stale_mark_of(path: Path) -> Path:
    """The file that says that the warehouse at `path` has bytes of deleted rows in it."""
    return path.with_suffix(".stale")


def refuse_if_gone(path: Path) -> None:
    """Raises :class:`WarehouseError`."""
    if mark_of(path).exists() and not path.exists():
        raise WarehouseError(
            f"the warehouse {path} is gone. Put it back, or delete {mark_of(path)} to begin a new one: "
            "its published weeks and the runs that were kept are lost then. What arrives meanwhile is kept"
        )


def spilled_beside(path: Path) -> str:
    """The folder that DuckDB puts into what it has no room for in memory: rows, too."""
    return f"{path}.tmp"


def spilled(path: Path) -> Mapping[Path, int]:
    """The files that lie there, and when each was last written."""
    files = {}
    for file in Path(spilled_beside(path)).glob("*"):
        with suppress(OSError):  # another program may have the file open
            files[file] = file.stat().st_mtime_ns
    return files


def drop_left(files: Mapping[Path, int]) -> None:
    """Delete what a process that was killed left there: DuckDB does so only as it closes.

    `files` are :func:`spilled` of before the file was opened: DuckDB may spill while it opens it, under a name that was
    there.
    """
    for file, written in files.items():
        with suppress(OSError):
            if file.stat().st_mtime_ns == written:
                file.unlink()
                file.parent.rmdir()  # with the last: DuckDB makes it anew


def mark(path: Path) -> None:
    """Note that there is one."""
    # One that a move was ended at, after it was noted and before the file went, is not moved.
    if not mark_of(path).exists() or _says_moved(path):
        write_private(mark_of(path), b"")


def mark_moved(path: Path) -> None:
    """Note that what is at `path` is in another warehouse. For good: the file that was put aside may be deleted."""
    write_private(mark_of(path), b"moved")


def is_moved(path: Path) -> bool:
    """Whether what was at `path` is in another warehouse: to begin a new one here would make two histories."""
    return not path.exists() and mark_of(path).exists() and _says_moved(path)


def mark_stale(path: Path) -> None:
    """Note that bytes of deleted rows are about to be in it."""
    # Before the rows are gone: a copy too many costs less than bytes that nobody knows of.
    with suppress(FileExistsError):  # it may be root's, who repaired something: nobody else may set its time
        stale_mark_of(path).touch(mode=0o600, exist_ok=False)
    sync_path(path.parent)


def is_due(path: Path) -> bool:
    """Whether it has to be written anew for what was forgotten."""
    if not stale_mark_of(path).exists():
        return False
    return not 0 <= time.time() - mark_of(path).stat().st_mtime < WRITTEN_ANEW_SECONDS


def in_our_words(path: Path, error: duckdb.Error) -> WarehouseError:
    """What it means to an operator."""
    # Errors of other kinds may quote a row, and nothing of a row is ever logged.
    detail = f": {error}" if isinstance(error, duckdb.OperationalError) else ""
    return WarehouseError(f"the warehouse {path} failed: {type(error).__name__}{detail}")


def write_anew(path: Path) -> None:
    """Copy what is still kept into a new file, and put it into the old one's place, whole or not at all."""
    copy = path.with_suffix(".anew")
    try:
        mark_of(path).touch()
        copy.unlink(missing_ok=True)
        # A database in memory would put what it has no room for into the working directory.
        configuration = {**CONFIGURATION, "temp_directory": spilled_beside(path)}
        with duckdb.connect(config=configuration) as connection:
            connection.execute("ATTACH $path AS old (READ_ONLY)", {"path": str(path)})
            connection.execute("ATTACH $path AS new", {"path": str(copy)})
            connection.execute("COPY FROM DATABASE old TO new")
            connection.execute("CHECKPOINT new")
        # What is not in the old file yet, but beside it, would be taken for the new one's.
        if path.with_name(f"{path.name}.wal").exists():
            raise WarehouseError(f"the warehouse {path} was not closed")
        copy.chmod(0o600)
        sync_path(copy)
        copy.replace(path)
        stale_mark_of(path).unlink(missing_ok=True)
        sync_path(path.parent)
    except (duckdb.Error, WarehouseError, OSError) as error:
        # It is as good as before, and tried again in a day.
        failure = in_our_words(path, error) if isinstance(error, duckdb.Error) else error
        log(f"the space of deleted runs was not given back to the disk: {in_words(failure)}")
        with suppress(OSError):
            copy.unlink(missing_ok=True)


def _says_moved(path: Path) -> bool:
    return mark_of(path).stat().st_size > 0
