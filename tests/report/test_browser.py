"""The site in a browser, as a reader sees it: a silent console, no overflow, sorting by mouse and keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.harness.store import REPOSITORY
from experiments.report.site import build_site
from tests.report.browser import Browser, find_chromium

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
PHONE, DESKTOP = 375, 1280


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site beside links to the committed results, so that what is tested is today's evidence."""
    results = tmp_path_factory.mktemp("results")
    for path in (REPOSITORY / "results").iterdir():
        if path.name != "site":
            (results / path.name).symlink_to(path)
    build_site(results, results / "site")
    return results / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser(CHROMIUM, tmp_path_factory.mktemp("profile")) as found:
        yield found


def column(browser: Browser, number: int) -> list[str]:
    script = f"[...document.querySelector('#audit').tBodies[0].rows].map(row => row.cells[{number}].dataset.value)"
    return browser.run(script)


def test_every_page_loads_without_a_word_on_the_console_and_fits_a_phone(browser: Browser, site: Path):
    browser.problems.clear()
    for width in (PHONE, DESKTOP):
        browser.show(width)
        for page in sorted(site.glob("*.html")):
            browser.open(page)
            assert browser.run("document.documentElement.scrollWidth") <= width, f"{page.name} at {width}"
            broken = browser.run("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)")
            assert broken == [], page.name
    assert browser.problems == []


def test_the_first_screen_of_a_phone_says_how_many_claims_hold(browser: Browser, site: Path):
    browser.show(PHONE, 667)
    browser.open(site / "index.html")
    for words in ("Which claims hold?", "reproduced"):
        bottom = f"[...document.querySelectorAll('h1, .lead b')].find(e => e.textContent.includes('{words}'))"
        assert browser.run(f"{bottom}.getBoundingClientRect().bottom") < 667
    assert browser.run("document.querySelector('.bars .stack').getBoundingClientRect().bottom") < 667


@pytest.mark.parametrize("index", [2, 3], ids=["ours", "published"])
def test_a_head_sorts_by_number_up_and_down_and_leaves_what_is_missing_at_the_end(
    browser: Browser, site: Path, index: int
):
    browser.show(DESKTOP)
    browser.open(site / "claims.html")
    click = f"document.querySelectorAll('#audit thead button')[{index}].click()"
    for sign in (1, -1):
        browser.run(click)
        values = column(browser, index)
        numbers = [float(value) for value in values if value != ""]
        assert numbers == sorted(numbers, key=lambda value: sign * value) and len(numbers) > 60
        assert values[len(numbers) :] == [""] * (len(values) - len(numbers))
    head = f"document.querySelectorAll('#audit thead th')[{index}].getAttribute('aria-sort')"
    assert browser.run(head) == "descending"


def test_the_keyboard_reaches_and_sorts(browser: Browser, site: Path):
    browser.show(DESKTOP)
    browser.open(site / "claims.html")
    browser.press("Tab", 9)
    assert browser.run("document.activeElement.className") == "skip"
    browser.run("document.querySelectorAll('#audit thead button')[2].focus()")
    browser.press("Enter", 13)
    numbers = [float(value) for value in column(browser, 2) if value != ""]
    assert numbers == sorted(numbers)


def test_the_audit_is_filtered_by_the_address_and_by_hand(browser: Browser, site: Path):
    browser.open(site / "claims.html", "?paper=ms3d")
    shown = "[...document.querySelectorAll('#audit tbody tr')].filter(row => row.offsetParent).map(row => row.id[0])"
    assert browser.run(shown) == ["M"] * 21
    browser.run("""{
        const text = document.querySelector("form.filter [name=text]");
        text.value = "hmdb";
        text.dispatchEvent(new Event("input", { bubbles: true }));
    }""")
    assert 0 < len(browser.run(shown)) < 21


def test_light_and_dark_are_the_readers_choice_and_legible(browser: Browser, site: Path):
    def contrast(element: str = "document.body") -> float:
        colours = browser.run(f"[getComputedStyle({element}).color, getComputedStyle(document.body).backgroundColor]")
        light = [luminance([int(part) for part in colour[4:-1].split(",")]) for colour in colours]
        return (max(light) + 0.05) / (min(light) + 0.05)

    def luminance(rgb: list[int]) -> float:
        linear = [c / 12.92 if (c := part / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for part in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    backgrounds = []
    for dark in (False, True):
        browser.show(DESKTOP, dark=dark)
        browser.open(site / "index.html")
        backgrounds.append(browser.run("getComputedStyle(document.body).backgroundColor"))
        assert contrast() > 7
        browser.open(site / "claims.html")
        for verdict in ("reproduced", "not-reproduced", "undecided", "not-run"):
            assert contrast(f"document.querySelector('#audit .verdict.v-{verdict}')") > 4.5, verdict
    assert backgrounds[0] != backgrounds[1]
    browser.show(DESKTOP)
