"""Every command of the program, found as a reader finds it: from the top, by what each help lists."""

import re
from collections.abc import Callable, Iterator, Sequence


def helps(ask: Callable[[Sequence[str]], str], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each command from `path` down, and its help, for which `ask` is given what stands behind the program's name."""
    text = ask((*path, "--help"))
    yield path, text
    for name in re.findall(r"^  ([\w-]+)", text.partition("\nCommands:\n")[2].partition("\n\n")[0], re.MULTILINE):
        yield from helps(ask, (*path, name))
