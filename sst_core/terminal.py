"""Whether a person is at the terminal, and what is printed there. Words for a person never fail where there is none."""

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO


def printable(text: str) -> str:
    """In one line, with what could steer the terminal written out (`\\x1b`): it may be a stranger's text, or a path."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def printable_lines(text: str) -> str:
    """As :func:`printable`, with the lines that there are."""
    return "\n".join(map(printable, text.split("\n")))


def output(text: str, *, fit: bool = False) -> None:
    """Print on stdout what a command was asked for, so that any stdout can take it and no terminal is steered by it.

    With `fit`, which is for prose and columns, lines that are too long for the terminal are broken between words: what
    follows stands below the last column of its line, and what is in backticks, to be copied, stays whole. Where stdout
    is no terminal, all lines do: a script reads them. Raises OSError where it can't be written.
    """
    if fit:
        from sst_core.width import fitted  # not every command prints so

        text = fitted(text, sys.stdout)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(printable_lines(text).encode(encoding, "backslashreplace").decode(encoding), flush=True)


def output_result(values: object, words: str, *, as_json: bool) -> None:
    """Print what came of a command on stdout: `values` as indented JSON for scripts, or `words` for people.

    The words are broken for the terminal, as by :func:`output` with `fit`; JSON never is. Raises OSError where it can't
    be written, and TypeError for values that JSON has no form for.
    """
    if as_json:
        import json  # most commands print none

        output(json.dumps(values, indent=2))
    else:
        output(words, fit=True)


def say(message: str, *, fit: bool = False) -> bool:
    """Print a line on stderr, if there is one to print it on, and return whether it is there.

    With `fit`, a terminal's lines are broken between words, as by :func:`output`.
    """
    # Closed by whoever started us: see open_stderr.
    if sys.stderr is None or getattr(sys.stderr, "name", None) == os.devnull:
        return False
    if fit:
        from sst_core.width import fitted

        message = fitted(message, sys.stderr)
    try:
        print(message, file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return False
    return True


def open_stderr() -> None:
    """Have what is said go nowhere if whoever started us closed stderr: `print` and Typer would take stdout instead."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - it is a stream of the process


def unwritten(stream: IO[str] | None) -> OSError | None:
    """Flush `stream`, and return why that failed; None if it didn't.

    One that failed is pointed at the null device, as Python's documentation does for a broken pipe: Python flushes
    again when it exits, and would fail with words and an exit code of its own.
    """
    if stream is None:
        return None
    try:
        stream.flush()
    except OSError as error:
        with suppress(OSError):  # no stream of the system's
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        return error
    except (ValueError, AttributeError):  # closed, or put there by somebody else
        pass
    return None


def can_ask() -> bool:
    """Whether a person can be asked: they read stderr, and what they type is on stdin."""
    return is_terminal(sys.stderr) and is_terminal(sys.stdin)


def leads_nowhere(stream: IO[str] | None) -> bool:
    """Whether what is written to `stream` is thrown away: there is none, or it is the null device. On Windows, where a
    pipe looks like that one, only whether there is none."""
    if stream is None or sys.platform == "win32":
        return stream is None
    try:
        found, null = os.fstat(stream.fileno()), Path(os.devnull).stat()
    except (OSError, ValueError, AttributeError):  # it is in memory, or somebody's own, or there is no such device
        return False
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == null.st_rdev


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a person is at the other end of `stream`: of `sys.stderr`, whether they read what is said there."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
