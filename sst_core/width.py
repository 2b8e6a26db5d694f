"""Text as wide as the terminal that it is read on. Anywhere else its lines stay whole: a script reads them."""

import os
import re
from typing import IO

from sst_core.terminal import is_terminal

_SHORT = 8
"""Columns that have to be left beside an indentation."""
_UNKNOWN = 80
"""Columns of a terminal that doesn't say."""


def fitted(text: str, stream: IO[str] | None) -> str:
    """`text`, with lines broken between words where `stream` is a terminal that they are too long for.

    What follows stands below the last column of its line; columns are two spaces apart. What is in backticks, to be
    copied, and words that are too long, such as paths, stay whole.
    """
    if stream is None or not is_terminal(stream):
        return text
    return broken(text, columns(stream))


def broken(text: str, width: int) -> str:
    """`text` as :func:`fitted` has it on a terminal of `width` columns."""
    return "\n".join(_broken(line, width) if len(line) > width else line for line in text.split("\n"))


def columns(stream: IO[str]) -> int:
    """How many the terminal has: as `shutil.get_terminal_size`, which asks stdout. That may be a file, or wider."""
    try:
        said = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        said = 0
    if said > 0:
        return said
    try:
        return os.get_terminal_size(stream.fileno()).columns or _UNKNOWN
    except (OSError, ValueError):  # no terminal of the system's, or none any more
        return _UNKNOWN


def _broken(line: str, width: int) -> str:
    from textwrap import wrap

    before = re.match(r"(?:.*\S)?  +", line)
    indent = before.end() if before and before.end() <= width - _SHORT else 0
    kept = re.sub(r"`[^`]+`", lambda quoted: quoted[0].replace(" ", "\0"), line[indent:])
    lines = wrap(kept, width - indent, break_long_words=False, break_on_hyphens=False) or [""]
    return line[:indent] + f"\n{' ' * indent}".join(lines).replace("\0", " ")
