"""Make the pictures of README and docs anew, from the real thing: `sst telemetry` on a terminal, a collector's page.

`--check` changes nothing and fails when a picture of the terminal shows what is not so any more. The pages, drawn by
Chromium, differ in pixels from machine to machine, so they are made and not compared.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from sst_core.testing import Machine
from sst_core.width import broken

if TYPE_CHECKING:
    from playwright.sync_api import Page

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
TESTS = Path(__file__).parents[1] / "tests"
COLUMNS = 100
NARROW = 65
"""Columns of a terminal whose picture can be read beside another one."""
PHONE = 480
"""Pixels of a window in which the page is drawn to be read beside that."""
MARGIN = 24
"""Below the last card that a picture of the page has, in pixels."""
HOME = "/home/you"
"""What stands in a picture for the folder of a machine that was made for it."""
# Rich has the font fetched from a network. Nothing of ours asks another host for anything.
_FORMAT = re.sub(r"@font-face \{\{.*?\n    \}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main(check: bool) -> int:
    """Returns the exit code."""
    fresh = screens()
    if check:
        stale = [name for name, screen in fresh.items() if (PICTURES / name).read_text() != screen]
        for name in stale:
            print(f"{name} shows what is not so any more; run: python3 -m nox -s screens")
        return 1 if stale else 0
    PICTURES.mkdir(exist_ok=True)
    for name, screen in fresh.items():
        (PICTURES / name).write_text(screen)
    for name, picture in pages():
        (PICTURES / name).write_bytes(picture)
    return 0


def screens() -> dict[str, str]:
    """By name, what a terminal shows, as SVG."""
    with _machine() as machine:
        notice = machine.on_terminal("build").text
        machine.sst("build")
        telemetry = machine.on_terminal("telemetry").text
        shown = machine.on_terminal("telemetry", "show", "--preview", "build").text
    shown = re.sub(r'Id":"[0-9a-f]{32}', lambda _: 'Id":"' + "0123456789abcdef" * 2, shown)  # random each time
    told = {
        "notice": ("build", notice, COLUMNS),
        "telemetry": ("telemetry", telemetry, NARROW),
        "preview": (_PREVIEW, shown, COLUMNS),
    }
    return {
        f"{name}.svg": _drawn(command, text.replace(str(machine.home), HOME), columns)
        for name, (command, text, columns) in told.items()
    }


_PREVIEW = "telemetry show --preview build"


@contextmanager
def _machine() -> Iterator[Machine]:
    """A machine on which nothing has been run yet, with a project that builds."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve() / "home"
        project = home / "shop"
        project.mkdir(parents=True)
        # So wide that no line is broken for the name of this folder, which the picture doesn't have.
        environ = {"HOME": str(home), "PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "COLUMNS": "1000"}
        machine = Machine(home, project, {**environ, "LANG": "C.UTF-8"})
        machine.project('build = ["true"]')
        yield machine


def _drawn(command: str, text: str, columns: int) -> str:
    console = Console(record=True, width=columns, file=StringIO(), force_terminal=True)
    shown = broken(text.rstrip(), columns)
    console.print(Text.from_ansi(f"$ sst {command}\n{shown}"), overflow="fold")
    return console.export_svg(title="", code_format=_FORMAT, unique_id="sst", font_aspect_ratio=0.61)


def pages() -> Iterator[tuple[str, bytes]]:
    """By name, a collector's page that is full of an invented community's runs, as PNG."""
    sys.path.insert(0, str(TESTS))
    from playwright.sync_api import ViewportSize

    import community
    from browsing import chromium
    from collecting import collectors

    with tempfile.TemporaryDirectory() as folder:
        community.fill(Path(folder) / "data", datetime.now(UTC))
        with collectors(Path(folder)) as start, chromium() as browser:
            collector = start("--min-machines", "10", "--snapshot-every", "3600")
            collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
            address = str(collector.client.base_url)
            for scheme in ("light", "dark"):
                with browser.new_context(
                    color_scheme=scheme, viewport=ViewportSize(width=PHONE, height=900), device_scale_factor=2
                ) as context:
                    page = context.new_page()
                    page.goto(address)
                    yield (
                        f"dashboard-beside-{scheme}.png",
                        _shot(page, ".span", "section[aria-labelledby=weeks] figure"),
                    )
            with browser.new_context(viewport=ViewportSize(width=1100, height=900)) as context:
                page = context.new_page()
                page.goto(address)
                # Down to a card's end, so that no card is cut.
                yield "dashboard.png", _shot(page, "body", "section[aria-labelledby=weeks]")
                yield "dashboard-command.png", page.locator("section[aria-labelledby=command]").screenshot()


def _shot(page: "Page", first: str, last: str) -> bytes:
    """From the top of `first` to the end of `last`, as wide as the window."""
    top, bottom = (page.locator(each).first.bounding_box() for each in (first, last))
    assert top and bottom and page.viewport_size
    start = max(top["y"] - MARGIN, 0)
    height = bottom["y"] + bottom["height"] + MARGIN - start
    return page.screenshot(clip={"x": 0, "y": start, "width": page.viewport_size["width"], "height": height})


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
