"""What a process does, as Python's audit events tell. It is also run at the start of each Python on a test's machine.

So it imports what Typer imports anyway and no more: what it brings would be counted as the program's. What a C
extension does by itself, and what a program that is not Python does, isn't seen.
"""

import os
import sys
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = frozenset(
    "os." + name
    for name in (
        *("chflags", "chmod", "chown", "exec", "fork", "forkpty", "link", "mkdir", "posix_spawn", "remove"),
        *("rename", "rmdir", "setxattr", "spawn", "startfile", "symlink", "system", "truncate", "utime"),
    )
)
# Where in an event's arguments its paths stand, each with the folder that it is relative to, if there is one.
_MADE = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((1, 3),),
    "os.mkdir": ((0, 2),),
    "os.rename": ((1, 3),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.utime": ((0, 3),),
    "sqlite3.connect": ((0, None),),
}
_REMOVED = {"os.remove": ((0, 1),), "os.rmdir": ((0, 1),), "os.rename": ((0, 2),)}


def told(event: str, arguments: tuple[Any, ...]) -> tuple[str, str] | None:
    """The event and what it is about, if it is a socket, a process, a thread, or a change of what is on the disk."""
    if event == "open":
        path, _, flags = arguments
        if not isinstance(path, int) and flags & _WRITING and path != os.devnull:
            return event, str(path)
    elif event == "subprocess.Popen":
        return event, " ".join(map(os.fsdecode, arguments[1]))
    elif event in _CHANGING or event.startswith(("socket.", "_thread.start", "shutil.", "tempfile.", "pty.")):
        return event, str(arguments[:2])
    return None


def touched(event: str, arguments: tuple[Any, ...]) -> list[tuple[str, str]]:
    """The paths that the event removes and those that it makes or changes: `[("removed" | "made", path), …]`."""
    if event == "open":
        path, _, flags = arguments
        is_file = isinstance(path, str | bytes) and flags is not None and flags & _WRITING
        return [("made", _normal(os.fsdecode(path)))] if is_file else []
    found = []
    for what, events in (("removed", _REMOVED), ("made", _MADE)):
        for position, folder in events.get(event, ()):
            path = arguments[position]
            if isinstance(path, str | bytes):
                found.append((what, _absolute(os.fsdecode(path), -1 if folder is None else arguments[folder])))
    return found


def _absolute(path: str, folder: int) -> str:
    if folder != -1 and not path.startswith("/"):
        try:
            path = f"{os.readlink(f'/proc/self/fd/{folder}')}/{path}"  # noqa: PTH115
        except OSError:  # not Linux, or closed
            return path
    return _normal(path)


def _normal(path: str) -> str:
    try:
        return os.path.abspath(path)  # noqa: PTH100
    except OSError:  # the working directory is gone: an audit hook that raises would end what it only looks at
        return path


def write_down() -> None:
    """Write what this process does into the files that the environment names."""
    logs = [(variable, os.environ.get(variable)) for variable in ("PROBE_LOG", "TOUCHED_LOG")]
    opened = {variable: os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for variable, log in logs if log}
    probe, touches = opened.get("PROBE_LOG"), opened.get("TOUCHED_LOG")

    def put(descriptor: int, entry: tuple[str, str]) -> None:
        os.write(descriptor, (repr(entry) + "\n").encode())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if probe is not None:
            entry = told(event, arguments)
            if entry is not None:
                put(probe, entry)
        if touches is not None:
            for touch in touched(event, arguments):
                put(touches, touch)

    if opened:
        sys.addaudithook(hook)
    if probe is not None:
        import atexit

        atexit.register(lambda: put(probe, ("modules", " ".join(sorted(filter(sys.modules.get, sys.modules))))))
