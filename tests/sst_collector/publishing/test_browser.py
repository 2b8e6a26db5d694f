"""The page as people meet it: in Chromium, on a collector with a year's numbers and on one that has just begun."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, ViewportSize

import community
from attacking import read_page
from browsing import chromium
from collecting import Collector, collectors
from sst_collector.publishing.page import PAGES

PHONE = ViewportSize(width=360, height=740)
DESKTOP = ViewportSize(width=1280, height=900)
EVERY_PAGE = (*PAGES.values(), "catalogue.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that took in a community's runs for 14 weeks."""
    folder = tmp_path_factory.mktemp("full")
    community.fill(folder / "data", datetime.now(UTC), weeks=14)
    with _serving(folder) as collector:
        yield collector


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that has just been started."""
    with _serving(tmp_path_factory.mktemp("fresh")) as collector:
        yield collector


@contextmanager
def _serving(folder: Path) -> Iterator[Collector]:
    with collectors(folder) as start:
        collector = start("--min-machines", "10", "--snapshot-every", "3600")
        collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
        yield collector


def url(collector: Collector, name: str = "") -> str:
    return f"{collector.client.base_url}/{name}"


# What a scheme changes is colours, and what a viewport changes is places: each is looked at once.
@pytest.mark.parametrize(("scheme", "viewport"), [("light", PHONE), ("dark", DESKTOP)], ids=["phone", "desktop"])
def test_axe_finds_no_violation_and_nothing_is_cut_off(
    scheme: str, viewport: ViewportSize, browser: Browser, full: Collector, fresh: Collector
) -> None:
    with browser.new_context(color_scheme="dark" if scheme == "dark" else "light", viewport=viewport) as context:
        page = context.new_page()
        for address in (*(url(full, name) for name in ("", *EVERY_PAGE)), url(fresh)):
            page.goto(address)
            open_everything(page)
            found = Axe().run(page)
            assert found.response["passes"], address
            assert found.violations_count == 0, f"{address}\n{found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], address


def test_the_schemes_differ(browser: Browser, full: Collector) -> None:
    seen = set()
    for scheme in ("light", "dark"):
        with browser.new_context(color_scheme="dark" if scheme == "dark" else "light") as context:
            page = context.new_page()
            page.goto(url(full))
            seen.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(seen) == 2


def test_nothing_is_asked_of_another_host_and_the_policy_blocks_nothing_of_ours(
    browser: Browser, full: Collector
) -> None:
    asked: list[str] = []
    said: list[str] = []
    with browser.new_context() as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        for name in ("", *EVERY_PAGE):
            page.goto(url(full, name), wait_until="networkidle")
        # That a request elsewhere would be seen, and that the policy forbids it.
        assert {urlsplit(address).netloc for address in asked} == {f"127.0.0.1:{full.port}"}
        assert {urlsplit(address).path for address in asked} >= {"/", "/style.css"}
        assert said == []
        with page.expect_console_message() as message:
            page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.2/spy.png'}))")
        assert "Content Security Policy" in message.value.text


def test_without_javascript_everything_is_there(browser: Browser, full: Collector) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("data:text/html,<title>off</title><script>document.title='on'</script>")
        assert page.title() == "off"
        page.goto(url(full))
        for days, name in PAGES.items():
            page.get_by_role("link", name=f"{days} days").click()
            page.wait_for_url(f"**/{name}")
            stats = full.stats()["windows"][days]
            expected = [(dimension, total["runs"]) for dimension in stats for total in stats[dimension]]
            told = [(dimension, runs) for dimension, _, runs in read_page(page.content())]
            assert sorted(told) == sorted(expected)
        page.get_by_role("group").get_by_text("The weeks as a table").click()
        assert page.get_by_role("row").filter(has_text=full.stats()["weeks"][-1]["week"]).is_visible()
        page.get_by_role("link", name="Everything that is collected, and why").click()
        assert page.get_by_text("anonymousId").is_visible()


def test_the_bars_are_as_long_as_their_numbers(browser: Browser, full: Collector) -> None:
    with browser.new_context(viewport=PHONE) as context:
        page = context.new_page()
        page.goto(url(full))
        totals = full.stats()["windows"]["90"]["command"]
        lengths, (track, *_) = (
            [
                box["width"]
                for bar in page.locator(f"section[aria-labelledby=command] rect.{kind}").all()
                if (box := bar.bounding_box())
            ]
            for kind in ("bar", "track")
        )
        assert len(lengths) == len(totals) > 2
        assert lengths[0] == track
        for length, total in zip(lengths, totals, strict=True):
            assert length / lengths[0] == pytest.approx(total["runs"] / totals[0]["runs"], abs=0.01)


def test_with_the_keyboard_the_focus_shows_on_every_stop(browser: Browser, full: Collector) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(url(full))
        stops = page.locator("a, summary").count()
        seen = []
        for _ in range(stops):
            page.keyboard.press("Tab")
            seen.append(
                page.evaluate(
                    "(() => { const at = document.activeElement, style = getComputedStyle(at);"
                    " return [at.textContent.trim(), style.outlineStyle, parseFloat(style.outlineWidth),"
                    " at.getBoundingClientRect().top >= 0] })()"
                )
            )
        assert seen[0][0] == "Skip to the content"
        assert [stop for stop in seen if stop[1] == "none" or stop[2] < 2 or not stop[3]] == []
        assert {"30 days", "The weeks as a table", "stats.csv"} <= {stop[0] for stop in seen}


def test_a_collector_that_has_just_begun_says_when_the_first_week_is_over(browser: Browser, fresh: Collector) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(url(fresh))
        assert page.get_by_role("heading", name="Nothing is published yet").is_visible()
        assert "at 00:00 UTC" in page.get_by_role("main").inner_text()


def open_everything(page: Page) -> None:
    for summary in page.locator("summary").all():
        summary.click()
