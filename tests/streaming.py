"""Streams as a command may be handed them: a terminal, and one that is closed."""

import io
import os
import pty
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
