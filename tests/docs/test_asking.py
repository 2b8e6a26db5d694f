"""A request of the site to another host is seen, wherever it stands."""

import subprocess
import sys
from pathlib import Path

import pytest

ASKING = Path(__file__).parents[2] / "docs" / "asking.py"


def asked(folder: Path) -> tuple[int, str]:
    ended = subprocess.run([sys.executable, ASKING, folder], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def test_links_that_are_followed_and_what_is_ours_are_none(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<link rel="stylesheet" href="style.css"><a href="https://example.org">there</a><img src="data:image/png,">'
    )
    (tmp_path / "style.css").write_text("@import 'other.css'; body { background: url(picture.png) }")

    assert asked(tmp_path) == (0, "0 requests to other hosts\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://cdn.example.org/a.js"></script>'),
        ("a.html", '<link rel="preconnect" href="//fonts.example.org">'),
        ("a.html", '<img src="http://example.org/spy.png">'),
        ("a.html", "<style>body { background: url('https://example.org/a.png') }</style>"),
        ("a.html", '<script>navigator.sendBeacon("https://example.org/")</script>'),
        ("a.css", '@import "https://example.org/a.css";'),
        ("a.svg", "<svg><style>@font-face { src: url(https://example.org/a.woff) }</style></svg>"),
        ("a.js", 'fetch("https://example.org/")'),
    ],
)
def test_what_is_fetched_from_elsewhere_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "index.html").write_text("<p>ours</p>")
    (tmp_path / name).write_text(text)

    code, said = asked(tmp_path)

    assert (code, said.splitlines()[-1]) == (1, "1 requests to other hosts")
    assert said.startswith(f"{name}: ")
