"""Exporting: the site as files in a folder, with a manifest of their digests by which the folder is known again."""

import json
from pathlib import Path

from sst_collector.publishing.site import Site
from sst_core import ConfigurationError

MANIFEST = "manifest.json"
_TEMPORARY = ".exporting"
_FORMAT = "a published site, one sha256 for each file"


def write_site(site: Site, folder: Path) -> None:
    """Make `folder` hold the files of `site` and their manifest, and nothing else. A reader meets no half file.

    Raises OSError, and :class:`ConfigurationError` for a folder that holds something else: then nothing is changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    earlier = _earlier(folder)
    for name in earlier - site.keys():
        (folder / name).unlink(missing_ok=True)
    # The manifest first: whenever this ends, it names every file that is there.
    digests = {name: file.digest for name, file in sorted(site.items())}
    _replace(folder / MANIFEST, (json.dumps({"format": _FORMAT, "files": digests}, indent=2) + "\n").encode())
    for name, file in site.items():
        _replace(folder / name, file.content)


def _earlier(folder: Path) -> set[str]:
    """The files of an earlier export."""
    there = {entry.name for entry in folder.iterdir()} - {MANIFEST, _TEMPORARY}
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        known = set(manifest["files"]) if manifest["format"] == _FORMAT else set()
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        known = set()
    if there - known or ((folder / MANIFEST).exists() and not known):
        stranger = min(there - known, default=MANIFEST)
        raise ConfigurationError(f"The folder {folder} holds something else ({stranger}). Name an empty one.")
    return there


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(_TEMPORARY)
    temporary.write_bytes(content)
    temporary.replace(path)
