"""Fail if a page of the built site asks another host for anything: `python documenting/asking.py FOLDER`.

Each is opened in Chromium, whose way to any other host is a proxy that notes who was asked for and lets nothing
through. What a browser would do later, or without a request, is looked for in the pages themselves.
"""

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

TESTS = Path(__file__).parents[1] / "tests"
_FETCHED = {"src", "srcset", "poster", "data", "action", "formaction", "background"}
"""Attributes whose address is fetched; `href` is, too, but for links that somebody has to follow."""
_FOLLOWED = {"a", "area"}
_ELSEWHERE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_REFRESHED = re.compile(r"url\s*=\s*['\"]?(.*)", re.IGNORECASE)


def main(folder: Path) -> int:
    """Returns the exit code."""
    pages = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.html"))
    if not pages:
        raise FileNotFoundError(f"{folder} has no page")
    found = [f"{page}: {address}" for page in pages for address in written((folder / page).read_text())]
    searched = ["search.html?q=telemetry"] if "search.html" in pages else []
    found += [f"{page}: {host}" for page, host in asked(folder, [*pages, *searched])]
    print(*found, f"{len(pages)} pages, {len(found)} requests to other hosts", sep="\n")
    return 1 if found else 0


def written(text: str) -> list[str]:
    """Addresses of other hosts that stand in a page to be fetched."""
    reader = _Reader()
    reader.feed(text)
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if tag == "meta" and name == "content" and ("http-equiv", "refresh") in attrs:
                addresses = _REFRESHED.findall(value or "")
            elif name in _FETCHED or (name == "href" and tag not in _FOLLOWED):
                addresses = [value or ""]
            else:
                continue
            self.found += filter(_ELSEWHERE.match, addresses)


def asked(folder: Path, pages: list[str]) -> Iterator[tuple[str, str]]:
    """Each page with each host that Chromium asked for while it showed the page, in either colours."""
    sys.path.insert(0, str(TESTS))
    from playwright.sync_api import Error

    from browsing import chromium

    with _serving(folder) as address, _noting() as (proxy, hosts), chromium() as browser:
        for scheme in ("light", "dark"):
            with browser.new_context(color_scheme=scheme, proxy={"server": proxy, "bypass": "127.0.0.1"}) as context:
                for page in pages:
                    tab = context.new_page()
                    try:
                        tab.goto(f"{address}/{page}", wait_until="networkidle")
                    except Error:  # it went elsewhere by itself
                        if not hosts:
                            raise
                    tab.close()
                    yield from ((page, host) for host in sorted(hosts))
                    hosts.clear()


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """The address at which the site is served, as it will be: scripts of a `file:` may do less."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def _noting() -> Iterator[tuple[str, set[str]]]:
    """A proxy's address, and what it was asked for."""
    hosts: set[str] = set()

    class Noting(StreamRequestHandler):
        def handle(self) -> None:
            if words := self.rfile.readline().decode("latin-1").split():
                hosts.add(words[1])
            while self.rfile.readline().strip():
                pass  # what is left unread would end the connection before the answer is read
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Noting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", hosts
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
