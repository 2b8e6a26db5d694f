"""Which entry points are installed, without importing `importlib.metadata`: that takes 22 ms of a 100 ms command.

An `entry_points.txt` stands in each distribution's metadata folder beside its packages; here they are read and nothing
else is. Wherever distributions can be found in another way (in a zip file, an egg, by a finder that is not Python's
own), `importlib.metadata` is asked after all, so that the answer is the same.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sst_core.records import Record

if TYPE_CHECKING:
    from importlib.metadata import Distribution


_METADATA = (".dist-info", ".egg-info")
"""How the folders of distributions' metadata end, in any case."""


class Point(Record):
    """One entry point."""

    group: str
    name: str
    value: str
    distribution_name: str
    """Of the distribution that brought it, normalized."""
    distribution: "Callable[[], Distribution]"
    """Its metadata, which is read when somebody asks."""


def entry_points(groups: frozenset[str]) -> list[Point]:
    """The entry points of `groups`, of every distribution on `sys.path`; of two with one name, the first counts."""
    return list(_scanned(groups)) if _is_ordinary(sys.path) else list(_asked(groups))


def installed_version(distribution: str) -> str | None:
    """The version of a distribution, from the name of its metadata folder; None if it isn't installed.

    The folder is read only where its name has no version, as setuptools leaves it where a project is developed.
    """
    wanted = normalized(distribution)
    if not _is_ordinary(sys.path):
        return _asked_version(distribution)
    for folder in dict.fromkeys(sys.path):
        try:
            entries = os.listdir(folder or ".")  # noqa: PTH208 - as below
        except OSError:
            continue
        for entry in entries:
            if entry.lower().endswith(_METADATA) and _distribution_name(entry) == wanted:
                version = entry.rpartition(".")[0].partition("-")[2].partition("-")[0]
                return version or _asked_version(distribution)
    return None


def normalized(name: str) -> str:
    """A distribution's name as names are compared (PEP 503, with underscores)."""
    return re.sub(r"[-_.]+", "_", name).lower()


def _is_ordinary(path: Sequence[str]) -> bool:
    """Whether all that `importlib.metadata` would find are folders in the folders of `path`."""
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    if [getattr(finder, "__name__", "") for finder in finders] != ["PathFinder"]:
        return False
    # Not all that stands in sys.path has to be text: `importlib.metadata` takes a Path, too. And no Path here: below a
    # folder that can't be searched, it raises where os.path says that there is no file.
    return all(
        isinstance(folder, str) and not folder.lower().endswith(".egg") and not os.path.isfile(folder)  # noqa: PTH113
        for folder in path
    )


def _scanned(groups: frozenset[str]) -> Iterator[Point]:
    markers = [f"[{group}]".encode() for group in groups]
    passed: list[str] = []
    for folder in dict.fromkeys(sys.path):
        try:
            entries = os.listdir(folder or ".")  # noqa: PTH208 - a Path for each of them is what takes the time
        except OSError:
            continue
        for entry in entries:
            if entry.lower().endswith(_METADATA):
                points = _points_in(f"{folder or '.'}/{entry}", groups, markers)
                # Names are compared only where something was found: in few of hundreds of distributions.
                if points and _distribution_name(entry) not in map(_distribution_name, passed):
                    yield from points
                passed.append(entry)


def _distribution_name(entry: str) -> str:
    return normalized(entry.rpartition(".")[0].partition("-")[0])


def _points_in(metadata: str, groups: frozenset[str], markers: Sequence[bytes]) -> list[Point]:
    try:
        # Unbuffered, and no Path: each distribution is gone through, in every command.
        with open(f"{metadata}/entry_points.txt", "rb", buffering=0) as file:  # noqa: PTH123
            content = file.read()
    except OSError:
        return []
    if not any(marker in content for marker in markers):
        return []
    name = _distribution_name(metadata.rpartition("/")[2])
    return [
        Point(group, point, value, name, lambda: _distribution_at(metadata))
        for group, point, value in _parsed(content.decode(errors="replace"))
        if group in groups
    ]


def _parsed(text: str) -> Iterator[tuple[str, str, str]]:
    """Group, name and value of each line, as `importlib.metadata` takes them."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield group, name.strip(), value.strip()


def _distribution_at(metadata: str) -> "Distribution":
    from importlib.metadata import PathDistribution

    return PathDistribution(Path(metadata))


def _asked_version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _asked(groups: frozenset[str]) -> Iterator[Point]:
    from importlib import metadata

    for group in sorted(groups):
        for point in metadata.entry_points(group=group):
            distribution = point.dist
            if distribution is not None:  # one that somebody's finder has made by hand may have none
                name = normalized(distribution.name)
                yield Point(group, point.name, point.value, name, lambda found=distribution: found)  # type: ignore[misc]
