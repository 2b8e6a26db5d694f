"""`sst` in this process, as a process of its own would see it; and this process afterwards as it was before."""

import gc
import importlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from typing import IO

from sst_core.cli import run
from sst_core.sst import SST
from sst_core.testing.leaks import left_behind

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM") if hasattr(signal, name))


def run_in_process(
    arguments: Sequence[str], environ: Mapping[str, str], folder: Path, root: Path
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """How it ended, and what it left behind outside `root`. Only the main thread may ask."""
    with ExitStack() as undoing:
        undoing.enter_context(_environment(environ))
        undoing.enter_context(_working_folder(folder))
        undoing.enter_context(_modules(environ.get("PYTHONPATH", "")))
        undoing.enter_context(_handlers())
        undoing.enter_context(_collecting_garbage())
        out, err = undoing.enter_context(_streams())
        leaks = undoing.enter_context(left_behind(root))
        code = _exit_code(arguments)
    return subprocess.CompletedProcess([SST.name, *arguments], code, _text(out), _text(err)), leaks


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        run(SST, arguments)
    except SystemExit as ending:
        if isinstance(ending.code, int):
            return int(ending.code)
        if ending.code is not None:
            print(ending.code, file=sys.stderr)
        return 0 if ending.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


@contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    _be(environ)
    # It remembers a folder that another environment named.
    tempfile.tempdir, temporary = None, tempfile.tempdir
    try:
        yield
    finally:
        tempfile.tempdir = temporary
        _be(before)


def _be(environ: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environ)


@contextmanager
def _working_folder(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _modules(path: str) -> Iterator[None]:
    """The machine's own folders come first; what is imported from them is not kept for the next run."""
    before, known = list(sys.path), set(sys.modules)
    folders = [folder for folder in path.split(os.pathsep) if folder]
    sys.path[:0] = folders
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before
        new = set(sys.modules) - known
        theirs = {name for name in {name.partition(".")[0] for name in new} if _is_found_in(name, folders, before)}
        for name in new:
            if name.partition(".")[0] in theirs:
                del sys.modules[name]


def _is_found_in(name: str, folders: Sequence[str], others: Sequence[str]) -> bool:
    """Asked by name: a module may have put anything into its own place, which says nothing of where it is from."""
    spec = PathFinder.find_spec(name, [*folders, *others])
    places = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec else []
    return any(Path(place).is_relative_to(folder) for place in places for folder in folders)


@contextmanager
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextmanager
def _collecting_garbage() -> Iterator[None]:
    """A command has what is there at its start never looked at again; here that would be everything, for good."""
    frozen = gc.get_freeze_count()
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()


@contextmanager
def _streams() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The standard streams: nothing to read, and two files to write to, for the processes that it starts as well."""
    with ExitStack() as undoing:
        nothing = undoing.enter_context(Path(os.devnull).open("rb"))
        # Closed by nobody here: they are read when all is over.
        out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        sys.stdout.flush()
        sys.stderr.flush()
        for number, file in enumerate((nothing, out, err)):
            undoing.callback(_put_back, number, os.dup(number))
            os.dup2(file.fileno(), number)
        undoing.callback(_set_streams, sys.stdin, sys.stdout, sys.stderr)
        _set_streams(*(_text_stream(number, mode) for number, mode in enumerate("rww")))
        yield out, err


def _text_stream(number: int, mode: str) -> IO[str]:
    return open(number, mode, encoding="utf-8", errors="surrogateescape", closefd=False)


def _set_streams(*streams: object) -> None:
    sys.stdin, sys.stdout, sys.stderr = streams


def _put_back(number: int, kept: int) -> None:
    os.dup2(kept, number)
    os.close(kept)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    with file:
        return file.read().decode(errors="replace")
