"""The site as files: links, words, statements, weights. No browser but for the paper."""

import gzip
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin

import pytest
from PIL import Image
from site_pages import LESSONS, built, open_page

from course.site import ROOT

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site():
    return built("site")


class Found(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links = []
        self.places = {""}
        self.pictures = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.links += [about[key] for key in ("href", "src") if key in about]
        self.places |= {about["id"]} if "id" in about else set()
        self.pictures += [about] if tag == "img" else []


def test_every_link_of_the_site_leads_somewhere(site):
    pages = {p.as_uri(): Found(p.read_text(encoding="utf-8")) for p in site.glob("*.html")}
    assert len(pages) == len(LESSONS) + 2
    assert sum(len(page.links) for page in pages.values()) > 300
    for base, page in pages.items():
        for link in page.links:
            if link.startswith(("data:", "https:")):
                continue
            target, _, place = urljoin(base, link).partition("#")
            assert target.startswith(site.as_uri()), link
            assert (site / unquote(target.removeprefix(site.as_uri() + "/"))).is_file(), link
            if target in pages:
                assert unquote(place) in pages[target].places, f"{base}: {link}"


def test_every_picture_has_words_and_no_mark_is_left(site):
    for name in LESSONS:
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        pictures = Found(text).pictures
        assert pictures and all(len(about["alt"]) > 15 for about in pictures)
        assert "ipynb#" not in text and "\ue000" not in text


def test_exercises_stand_there_with_their_statements_and_without_solutions(site):
    text = "".join((site / f"{name}.html").read_text(encoding="utf-8") for name in LESSONS)
    source = "".join(
        p.read_text(encoding="utf-8") for p in (ROOT / "notebooks/source").glob("*.py")
    )
    asked = re.findall(r'^# %% \[markdown\].*exercise="([\d.]+)', source, re.MULTILINE)
    assert len(asked) > 15
    for number in asked:
        assert re.search(rf">Exercise {number}\b", text), number
    assert "BEGIN SOLUTION" not in text and "nbgrader" not in text
    assert text.count("NotImplementedError") >= len(asked)


def test_it_prints_whole(page, site, tmp_path):
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 1000})
    open_page(page, site / "04_the_elbo.html")
    assert not page.locator(".top").is_visible() and not page.locator(".contents").is_visible()
    cut = page.evaluate("""() => [...document.querySelectorAll("pre")].filter((one) =>
      one.scrollWidth > one.clientWidth + 1).length""")
    assert cut == 0
    assert page.pdf(path=tmp_path / "lesson.pdf").startswith(b"%PDF")


def test_pages_are_light_enough_for_a_slow_line(site):
    """At 200 kB/s: what one reads takes 0.6 s of travel, the live explorer 4 s."""
    size = {path.relative_to(site).as_posix(): path.stat().st_size for path in site.rglob("*.*")}
    read = [
        "index.html",
        "static/site.css",
        "static/parts.css",
        "static/site.js",
        "static/colours.css",
        "static/headings.js",
        "live/LatentExplorer.css",
    ]
    assert sum(size[name] for name in read) < 120e3
    page = Found((site / "index.html").read_text(encoding="utf-8"))
    first = {link for link in page.links if link in size and not link.endswith(".html")}
    assert {"live/LatentExplorer.js", "live/faces-0.js"} <= first
    assert sum(size[name] for name in first) < 800e3
    for name in LESSONS:
        page = (site / f"{name}.html").read_bytes()  # three quarters of it are formulas
        assert len(gzip.compress(page)) < 70e3, "as hosts send it"
        assert len(page) < 450e3
        # A visitor loads one of the two twins of a picture.
        figures = [link for link in size if link.startswith(f"figures/{name}")]
        for dark in (False, True):
            twins = (link for link in figures if dark or not link.endswith("-dark.png"))
            shown = {
                link.replace("-dark.png", ".png"): size[link]
                for link in sorted(twins, reverse=True)
            }
            assert sum(shown.values()) < 1.5e6
    assert all(Image.open(site / name).width <= 1600 for name in size if name.endswith(".png"))
