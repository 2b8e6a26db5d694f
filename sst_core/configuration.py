"""TOML files: read with their owner checked, and edited with a person's comments and order kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sst_core.errors import ConfigurationError
from sst_core.files import read_own, write_private


def read_toml(path: Path) -> Mapping[str, Any] | None:
    """The parsed file; None if nothing is there. Raises :class:`ConfigurationError`, see :func:`read_own`."""
    content = read_own(path)
    if content is None:
        return None
    import tomllib  # 3 ms, and most runs have no file to parse

    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}. Mend that line.") from None


def telemetry_table(path: Path) -> Mapping[str, Any]:
    """The file's `[telemetry]` table, empty if the file or the table isn't there.

    Raises :class:`ConfigurationError`, also for a `telemetry` that is no table.
    """
    table = (read_toml(path) or {}).get("telemetry", {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: telemetry has to be a table. Write [telemetry] on a line of its own.")
    return table


def write_telemetry_enabled(path: Path, enabled: bool) -> bool:
    """Write `[telemetry] enabled` into the file, and return whether that changed it.

    `enabled = true` is never written, since nothing overrides an *off*: the line is taken out instead. Raises
    :class:`ConfigurationError` for a file that can't be read, and OSError for one that can't be written.
    """
    content = read_own(path)
    if telemetry_table(path).get("enabled", True) is enabled:
        return False
    import tomlkit

    document = tomlkit.parse((content or b"").decode())
    table = document.setdefault("telemetry", tomlkit.table())
    if enabled:
        del table["enabled"]
        if not table:
            del document["telemetry"]
    else:
        table["enabled"] = False
    text = tomlkit.dumps(document)
    if enabled and not text.strip():
        path.unlink()  # nothing else was in it, and a file that isn't there costs no parsing
        return True
    mode = path.stat().st_mode & 0o777 if content is not None else None
    write_private(path, text.encode())
    if mode is not None:
        path.chmod(mode)
    return True
