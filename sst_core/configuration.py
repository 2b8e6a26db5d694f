"""TOML files: read with their owner checked, and edited with a person's comments and order kept."""

import os
import re
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from sst_core.environment import YES, slips_of
from sst_core.errors import ConfigurationError
from sst_core.files import private_draft, read_own, write_private

TELEMETRY_KEYS = ("enabled", "collector")
"""All that is read in a file's `[telemetry]`."""
MAX_KEY_PARTS = 16
"""A key of that many parts, and no more: the parser keeps each of its beginnings, so that 8 KB of dots take 64 MiB."""
MAX_BARE = 1 << 16
"""Characters beside strings and comments: the parser takes half a kilobyte for each."""

_OPEN_TELEMETRY = re.compile("open[_-]?telemetry")
"""Another thing, which other settings are called after."""
_NO = ("0", "false", "no", "off", "none", "never", "disable", "disabled", "optout")
_NOT = ("0", "false", "no")
"""What takes a *disabled* back. Whoever says that `off` is `off` may mean either."""
_MARK = b"\xef\xbb\xbf"
"""What editors on Windows begin a file of UTF-8 with."""

# Nothing in a string or a comment makes a key. What ends too early is an error of the parser's in any case.
_NO_KEYS = r"""(?sx)
    \"{3} (?: [^"\\]++ | \\. | "(?!"") )*+ \"{0,5} | '{3} (?: [^']++ | '(?!'') )*+ '{0,5}
    | " (?: [^"\\\n]++ | \\. )*+ "? | ' [^'\n]*+ '? | \# [^\n]*+
"""
_DEEP_KEY = rf"(?:\.[^.,=\[\]{{}}\n]*+){{{MAX_KEY_PARTS}}}"

_BLANK_END = re.compile(r"(?<=\n)\r?\n\Z")


def read_toml(path: Path) -> Mapping[str, Any] | None:
    """The parsed file; None if nothing is there. Raises :class:`ConfigurationError`, see :func:`read_own`."""
    content = read_own(path)
    return None if content is None else _parsed(path, content)


def _parsed(path: Path, content: bytes) -> Mapping[str, Any]:
    try:
        return parse_toml(content.removeprefix(_MARK).decode())
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except ValueError as error:
        what = "that line" if "line" in str(error) else "it"
        raise ConfigurationError(f"{path} is not valid TOML: {error}. Mend {what}.") from None


def parse_toml(text: str) -> dict[str, Any]:
    """What `text` says. Of up to 1 MiB, whatever is in it, this takes no more than 50 MiB.

    Raises ValueError for what is no TOML, and for keys that nobody writes and that would take all the memory.
    """
    import tomllib  # 3 ms, and most runs have no file to parse

    # Not splitlines: what else ends a line for Python may stand in a quoted key.
    if len(text) > MAX_BARE or any(line.count(".") >= MAX_KEY_PARTS for line in text.split("\n")):
        bare = re.sub(_NO_KEYS, '"', text)
        if len(bare) > MAX_BARE:
            raise ValueError(f"more than {MAX_BARE} characters beside strings and comments")
        if re.search(_DEEP_KEY, bare):
            raise ValueError(f"a key of more than {MAX_KEY_PARTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        why = "values in values, too deep"
    except (MemoryError, SystemError):  # the second where Python 3.11 has too little left to say the first
        why = "there is not enough memory"
    raise ValueError(why)  # out here, where what the parser took has been let go


def telemetry_table(path: Path) -> Mapping[str, Any]:
    """The file's `[telemetry]` table, empty if the file or the table isn't there.

    Raises :class:`ConfigurationError`, also for a `telemetry` that is no table.
    """
    return telemetry_in(path, read_toml(path) or {})


def telemetry_in(path: Path, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `[telemetry]` table of what was read from `path`. Raises :class:`ConfigurationError`, as above."""
    table = settings.get("telemetry", {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: telemetry has to be a table. Write [telemetry] on a line of its own.")
    return table


def misspelt_telemetry(settings: Mapping[str, Any]) -> str | None:
    """What in a file may be meant to be about telemetry and is not read, in words."""
    for key in settings.get("telemetry", ()):
        if key not in TELEMETRY_KEYS or isinstance(settings["telemetry"][key], dict | list):
            return f"[telemetry] has {key!r}, and what is known there is {' and '.join(TELEMETRY_KEYS)}"
    elsewhere = next(_noes_elsewhere(settings), None) or _slip(settings)
    return None if elsewhere is None else f"{elsewhere!r} is not known, and [telemetry] may be meant"


def _noes_elsewhere(settings: Mapping[str, Any]) -> Iterator[str]:
    """What answers under a name that has `telemetry` in it, or in a table of such a name, and isn't plainly a yes. What
    stands below another table's header belongs to that one. By its table and its own name."""
    # No recursion, and no name of all the tables around one: a stranger's file has thousands, with names of any length.
    todo: list[tuple[str, str, str | None, object]] = [("", "", None, settings)]
    while todo:
        table, name, about, value = todo.pop()
        if isinstance(value, dict):
            for key, each in value.items():
                if value is settings and key == "telemetry":
                    continue
                where = (name, key) if about is None else (table, name)
                asked = _about_telemetry(key, is_about=about is not None)
                if asked == "" and _denies(_letters(name)):
                    asked = _letters(name)  # as in `disable.telemetry`
                todo.append((*where, asked, each))
        elif isinstance(value, list):
            todo += [(table, name, about, each) for each in value if about is not None or isinstance(each, dict | list)]
        elif about is not None and _is_no(about, value):
            yield f"{table}.{name}" if table else name


def _about_telemetry(key: str, *, is_about: bool) -> str | None:
    """What the name says beside the word, if it has that, or `is_about` it in any case; OpenTelemetry's is none."""
    name = _OPEN_TELEMETRY.sub("", key.casefold())
    return _letters(name.replace("telemetry", "")) if is_about or "telemetry" in name else None


def _is_no(about: str, value: object) -> bool:
    """Whether it is an answer and no yes. Under a name that asks nothing, text of any other kind is none."""
    # Of a number, only whether it is one of two: one of a million digits has no decimal ones for Python.
    word = _letters(value) if isinstance(value, str) else {0: "0", 1: "1"}.get(value, "")  # type: ignore[call-overload]
    if _denies(about):
        return word not in _NOT
    if about == "on" or "enable" in about:
        return word not in YES
    return word in _NO or (value is True and about != "")


def _denies(about: str) -> bool:
    return about in ("no", "off") or any(no in about for no in ("disable", "optout"))


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


def _slip(settings: Mapping[str, Any]) -> str | None:
    """The key or table that is nearly called so."""
    folded = {key.casefold(): key for key in settings if key != "telemetry"}
    return next((folded[name] for name in slips_of("telemetry", folded)), None) if folded else None


def write_telemetry_enabled(path: Path, enabled: bool, new_mode: int = 0o600) -> bool:
    """Write `[telemetry] enabled` into the file, and return whether that changed it. A new file gets `new_mode`.

    `enabled = true` is never written, since nothing overrides an *off*: the line is taken out instead. Raises
    :class:`ConfigurationError` for a file that can't be read, and OSError for one that can't be written.
    """
    content = (read_own(path) or b"").removeprefix(_MARK)
    if telemetry_in(path, _parsed(path, content)).get("enabled", True) is enabled:
        return False
    text = _with_enabled(path, content.decode(), enabled)
    if enabled and not text.strip():
        path.unlink(missing_ok=True)  # nothing else was in it, and a file that isn't there costs no parsing
    else:
        write_private(path, text.encode(), mode=_mode(path, new_mode))
    return True


def set_aside_for_off(path: Path) -> Path:
    """Rename what can't be edited, and write an *off* in its place, so that there is one all the time. Returns the new
    name, which was free. Raises OSError."""
    names = (path.with_name(f"{path.name}.unreadable{number or ''}") for number in count())
    aside = next(name for name in names if not os.path.lexists(name))
    with private_draft(path, b"[telemetry]\nenabled = false\n") as draft:
        try:
            os.link(path, aside, follow_symlinks=False)
        except OSError:  # a folder, or a file system that has no links
            path.replace(aside)
        draft.replace(path)
    return aside


def _with_enabled(path: Path, text: str, enabled: bool) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
    except (TOMLKitError, RecursionError, MemoryError) as error:  # a corner of TOML where it and tomllib differ
        raise ConfigurationError(f"{path} can't be edited: {error}. Edit [telemetry] enabled yourself.") from None
    table = document.setdefault("telemetry", tomlkit.table())
    if enabled:
        del table["enabled"]
        # tomlkit counts the comments up to the next table as part of this one.
        if not table and "#" not in table.as_string():
            del document["telemetry"]
    else:
        table["enabled"] = False
    edited = tomlkit.dumps(document)
    # tomlkit sets the table apart by a blank line, and leaves that behind.
    return edited if _BLANK_END.search(text) else _BLANK_END.sub("", edited)


def _mode(path: Path, new_mode: int) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:  # or another process has just removed it
        return new_mode
