"""Streams as a command may be handed them: a terminal, one that is closed, and a pipe that nobody reads."""

import io
import os
import pty
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def open_terminal() -> Iterator[IO[str]]:
    """The command's end of a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        yield stream
    os.close(ours)


def closed() -> IO[str]:
    """A stream that was closed."""
    stream = io.StringIO()
    stream.close()
    return stream


_UNREAD = """
import os, sys
reading, writing = os.pipe()
os.dup2(writing, int(sys.argv[1]))
os.close(reading)
os.close(writing)
os.execv(sys.argv[2], sys.argv[2:])
"""


def unread(stream: int, *program: str) -> tuple[str, ...]:
    """How to run `program` with a pipe that nobody reads for `stream`, 1 or 2."""
    return (sys.executable, "-c", _UNREAD, str(stream), *program)
