"""What both benchmarks are told, and where their tables go: between `<!-- measured: NAME -->` and `<!-- end -->`."""

import argparse
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """A parser of what every benchmark takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--from", type=Path, dest="kept")
    parser.add_argument("--write", type=Path, nargs="+", default=[])
    return parser


def without_a_place(pages: Sequence[Path], names: Collection[str]) -> list[Path]:
    """The pages that have a place for none of these tables."""
    return [page for page in pages if not _places(names).search(page.read_text())]


def write(pages: Sequence[Path], tables: Mapping[str, str]) -> None:
    """Put the tables into the places of their names."""
    for page in pages:
        text = _places(tables).sub(lambda place: f"{place[1]}\n{tables[place[2]]}\n\n{place[3]}", page.read_text())
        page.write_text(text)


def _places(names: Collection[str]) -> re.Pattern[str]:
    return re.compile(rf"(<!-- measured: ({'|'.join(names)}) -->\n).*?(<!-- end -->)", re.DOTALL)
