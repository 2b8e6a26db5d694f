"""The project that a command works on: the folder of the nearest `sst.toml`, and what providers are told of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sst_core.configuration import read_toml
from sst_core.errors import ConfigurationError
from sst_core.product import Product
from sst_core.records import Record


class Detected(Record):
    """A provider's claim to a folder."""

    provider: str
    """The provider's name, as `provider = "…"` in `sst.toml` would give it."""
    because: str
    """What it saw: `sst.toml has [tasks]`."""


class Project(Record):
    """What a provider works on."""

    root: Path
    """Its folder, absolute: where `sst.toml` is, or the working directory where there is none."""
    provider: str
    """The one provider that claimed the folder."""
    settings: Mapping[str, Any]
    """The parsed `sst.toml`, or nothing."""
    settings_file: Path
    """That `sst.toml`, for messages; it may not exist."""


class Options(Record):
    """What the user asked of a provider."""

    arguments: tuple[str, ...] = ()
    """Everything after `--`, for the tool as it is."""


class ProviderResult(Record):
    """What a provider did."""

    exit_code: int
    """The tool's own, passed on as it is."""


def settings_files(product: Product, folder: Path) -> Iterator[Path]:
    """Every `sst.toml` there is in `folder` and above it, the nearest first, whoever owns it."""
    for parent in (folder, *folder.parents):
        candidate = parent / f"{product.name}.toml"
        if _is_there(candidate):
            yield candidate


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # a folder that can't be searched may hold one: whoever reads it is told why that fails
    return True


def read_settings(product: Product, folder: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """The nearest `sst.toml` and its content; None if there is none. Raises :class:`ConfigurationError`."""
    for path in settings_files(product, folder):
        settings = read_toml(path)
        if settings is None:
            raise ConfigurationError(f"{path} went away while it was read. Try again.")
        return path, settings
    return None
