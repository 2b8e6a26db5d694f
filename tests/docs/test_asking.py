"""A request of the site to another host is seen, wherever it stands and however it is made."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from required_programs import absent

pytestmark = pytest.mark.timeout(300)  # a page is looked at until it asks for nothing more
ASKING = Path(__file__).parents[2] / "documenting" / "asking.py"
_HOST = re.compile(r"\b(\w+)\.example\.org\b")
OURS = """<link rel="stylesheet" href="style.css"><a href="https://example.org">there</a><img src="data:image/png,">
<script>fetch("style.css")</script><meta http-equiv="refresh" content="9; url=index.html">"""

ASKS = {
    "script": '<script src="https://script.example.org/a.js"></script>',
    "preconnect": '<link rel="preconnect" href="//preconnect.example.org">',
    "picture": '<img src="http://picture.example.org/spy.png">',
    "style": "<style>body { background: url('https://style.example.org/a.png') }</style>",
    "dark": """<style>@media (prefers-color-scheme: dark) {
        body { background: url('https://dark.example.org/a.png') } }</style>""",
    "font": '<img src="font.svg"><object data="font.svg"></object>',
    "beacon": '<script>navigator.sendBeacon("https://beacon.example.org/")</script>',
    "xhr": """<script>
        const xhr = new XMLHttpRequest(); xhr.open("GET", "https://xhr.example.org/"); xhr.send()</script>""",
    "built": '<script>fetch(["https:", "", "built.example.org"].join("/"))</script>',
    "image": '<script>new Image().src = "https://image.example.org/"</script>',
    "events": '<script>new EventSource("https://events.example.org/")</script>',
    "socket": '<script>new WebSocket("wss://socket.example.org/")</script>',
    "worker": """<script>new Worker(URL.createObjectURL(new Blob(["fetch('https://worker.example.org/')"])))</script>""",
    "refresh": '<meta http-equiv="refresh" content="3600; url=https://refresh.example.org/">',
    "sooner": '<meta http-equiv="refresh" content="0; url=https://sooner.example.org/">',
    "frame": '<iframe src="https://frame.example.org/"></iframe>',
}


def asked(folder: Path) -> tuple[int, list[str]]:
    ended = subprocess.run([sys.executable, ASKING, folder], capture_output=True, text=True, check=False)
    if "needs Chromium" in ended.stderr:
        absent("needs Chromium: apt-get install chromium")
    assert ended.stderr == ""
    return ended.returncode, ended.stdout.splitlines()


def test_links_that_are_followed_and_what_is_ours_are_none(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(OURS)
    (tmp_path / "style.css").write_text("@import 'other.css'; body { background: url(picture.png) }")

    assert asked(tmp_path) == (0, ["1 pages, 0 requests to other hosts"])


def test_what_is_asked_of_another_host_is_named_and_laid_to_the_page_that_asks(tmp_path: Path) -> None:
    for name, text in ASKS.items():
        (tmp_path / f"{name}.html").write_text(text)
    font = "<svg xmlns='http://www.w3.org/2000/svg'><style>@import url(https://font.example.org/a.css);</style></svg>"
    (tmp_path / "font.svg").write_text(font)

    code, lines = asked(tmp_path)

    assert code == 1
    named = {(line.partition(".html: ")[0], *_HOST.findall(line)) for line in lines[:-1]}
    assert named == {(name, name) for name in ASKS}
