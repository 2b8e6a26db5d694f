"""Fail if a page of the built site has a browser ask another host for anything: `python docs/asking.py FOLDER`."""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

_FETCHED = {"src", "srcset", "poster", "data", "action", "formaction", "background"}
"""Attributes whose address is fetched; `href` is, too, but for links that somebody has to follow."""
_FOLLOWED = {"a", "area"}
_ELSEWHERE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_IN_STYLES = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:[a-z]+:)?//[^"')\s]+)""", re.IGNORECASE)
_IN_SCRIPTS = re.compile(
    r"""(?:fetch|import|sendBeacon|WebSocket|open)\(\s*["'`]((?:[a-z]+:)?//[^"'`]+)""", re.IGNORECASE
)


def main(folder: Path) -> int:
    """Returns the exit code."""
    found = [f"{path.relative_to(folder)}: {address}" for path, address in asked(folder)]
    print(*found, f"{len(found)} requests to other hosts", sep="\n")
    return 1 if found else 0


def asked(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each address of another host, with the file that has it fetched."""
    pages = sorted(folder.rglob("*.html"))
    if not pages:
        raise FileNotFoundError(f"{folder} has no page")
    for page in pages:
        yield from ((page, address) for address in _of_page(page.read_text()))
    for pattern, kinds in ((_IN_STYLES, ("css", "svg")), (_IN_SCRIPTS, ("js",))):
        for kind in kinds:
            for path in sorted(folder.rglob(f"*.{kind}")):
                yield from ((path, address) for address in pattern.findall(path.read_text()))


def _of_page(text: str) -> list[str]:
    reader = _Reader()
    reader.feed(text)
    return [*reader.found, *_IN_STYLES.findall(text), *_IN_SCRIPTS.findall(text)]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            fetches = name in _FETCHED or (name == "href" and tag not in _FOLLOWED)
            if fetches and value and _ELSEWHERE.match(value):
                self.found.append(value)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
