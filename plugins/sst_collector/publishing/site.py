"""The public site: every file of it, made from a snapshot. The same snapshot gives the same bytes.

The collector serves these files, and `sst collector export` writes them: links are relative, nothing is loaded from
another host, and there is no script.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from sst_collector.dimensions import dimensions
from sst_collector.publishing import tables
from sst_collector.publishing.page import PAGES, page, whole_number
from sst_collector.publishing.snapshot import Snapshot, last_published, nothing_published
from sst_core import Catalogue, SstError

POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"
"""The pages' Content-Security-Policy: a style sheet and an icon of their own, and nothing else from anywhere."""

_HTML = "text/html; charset=utf-8"
_CSV = "text/csv; charset=utf-8"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class File:
    """A file of the site."""

    content: bytes
    media_type: str
    digest: str
    """SHA-256, in hexadecimal."""


Site = Mapping[str, File]
"""The files by name. The names follow from the catalogue alone; all are in one folder."""


def site(content: bytes, catalogue: Catalogue, program: str) -> Site:
    """The site of a snapshot, which is given as :meth:`Snapshot.to_json` made it. Raises ValueError for another."""
    snapshot = Snapshot.from_json(content)
    made = {
        **{
            name: (_rendered("page", page=page(snapshot, catalogue, window), program=program), _HTML)
            for window, name in PAGES.items()
        },
        "catalogue.html": (_rendered("catalogue", catalogue=catalogue, snapshot=snapshot, program=program), _HTML),
        "style.css": (_asset("style.css"), "text/css; charset=utf-8"),
        "icon.svg": (_asset("icon.svg"), "image/svg+xml"),
        "stats.json": (content, _JSON),
        "stats.csv": (tables.stats_csv(snapshot), _CSV),
        "weeks.json": (tables.weeks_json(snapshot), _JSON),
        "weeks.csv": (tables.weeks_csv(snapshot), _CSV),
    }
    for dimension in dimensions(catalogue):
        made[f"{dimension}.json"] = (tables.dimension_json(snapshot, dimension), _JSON)
        made[f"{dimension}.csv"] = (tables.dimension_csv(snapshot, dimension), _CSV)
    return {name: File(*file, hashlib.sha256(file[0]).hexdigest()) for name, file in made.items()}


def last_site(snapshot_file: Path, catalogue: Catalogue, program: str, min_machines: int) -> Site:
    """The site of the snapshot that was published last, or of an empty one.

    Of an empty one too if it was made to tell of fewer machines than `min_machines`. Raises :class:`SstError`.
    """
    try:
        content = last_published(snapshot_file, catalogue)
        # That of a collector that was private. Not for seconds only: as long as rounds fail, no other replaces it.
        if Snapshot.from_json(content).min_machines < min_machines:
            content = nothing_published(catalogue)
        return site(content, catalogue, program)
    except ValueError:  # of another version, or not whole: the next one replaces it, and comes in seconds
        return site(nothing_published(catalogue), catalogue, program)
    except OSError as error:
        raise SstError(
            f"{snapshot_file} can't be read: {error.strerror}. Delete it: the next round writes it anew."
        ) from None


def _rendered(template: str, **values: object) -> bytes:
    return _environment().get_template(f"{template}.html").render(values, policy=POLICY).encode()


def _asset(name: str) -> bytes:
    return (files(__package__) / "templates" / name).read_bytes()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = whole_number
    return environment
