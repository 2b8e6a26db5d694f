"""TOML files: read with their owner checked, and edited with a person's comments and order kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sst_core.errors import ConfigurationError
from sst_core.files import read_own, write_private


def read_toml(path: Path) -> Mapping[str, Any] | None:
    """The parsed file; None if nothing is there. Raises :class:`ConfigurationError`, see :func:`read_own`."""
    content = read_own(path)
    return None if content is None else _parsed(path, content)


def _parsed(path: Path, content: bytes) -> Mapping[str, Any]:
    import tomllib  # 3 ms, and most runs have no file to parse

    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except (ValueError, RecursionError) as error:  # ValueError itself: a number of more than 4,300 digits
        raise ConfigurationError(f"{path} is not valid TOML: {error}. Mend that line.") from None


def telemetry_table(path: Path) -> Mapping[str, Any]:
    """The file's `[telemetry]` table, empty if the file or the table isn't there.

    Raises :class:`ConfigurationError`, also for a `telemetry` that is no table.
    """
    return _telemetry_in(path, read_toml(path) or {})


def _telemetry_in(path: Path, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    table = settings.get("telemetry", {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: telemetry has to be a table. Write [telemetry] on a line of its own.")
    return table


def write_telemetry_enabled(path: Path, enabled: bool) -> bool:
    """Write `[telemetry] enabled` into the file, and return whether that changed it.

    `enabled = true` is never written, since nothing overrides an *off*: the line is taken out instead. Raises
    :class:`ConfigurationError` for a file that can't be read, and OSError for one that can't be written.
    """
    content = read_own(path) or b""
    if _telemetry_in(path, _parsed(path, content)).get("enabled", True) is enabled:
        return False
    text = _with_enabled(path, content.decode(), enabled)
    if enabled and not text.strip():
        path.unlink(missing_ok=True)  # nothing else was in it, and a file that isn't there costs no parsing
    else:
        write_private(path, text.encode(), mode=_mode(path))
    return True


def _with_enabled(path: Path, text: str, enabled: bool) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:  # a corner of TOML where it and tomllib differ
        raise ConfigurationError(f"{path} can't be edited: {error}. Edit [telemetry] enabled yourself.") from None
    table = document.setdefault("telemetry", tomlkit.table())
    if enabled:
        del table["enabled"]
        # tomlkit counts the comments up to the next table as part of this one.
        if not table and "#" not in table.as_string():
            del document["telemetry"]
    else:
        table["enabled"] = False
    return tomlkit.dumps(document)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:  # or another process has just removed it
        return 0o600
