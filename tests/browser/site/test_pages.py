"""The site in a browser, opened from disk: live, accessible, at every width, asking nobody."""

import re
import time
from urllib.parse import unquote

import numpy as np
import pytest
from axe import SMALL_PARTS, violations
from playwright.sync_api import expect
from site_pages import LESSONS, built, open_page, until

pytestmark = pytest.mark.browser
PAGES = ["index", *LESSONS]
LONG = pytest.mark.long
LIGHT = ["index", LESSONS[4]]  # every page is looked at in the dark; these in the light as well
each_page = pytest.mark.parametrize(
    "name", [name if name in LIGHT else pytest.param(name, marks=LONG) for name in PAGES]
)
LABS = {"01": "KLLab", "02": "LikelihoodLab", "03": "JensenLab", "04": "ElboLab"}
LABS["05"] = "ReparameterisationLab"


@pytest.fixture(scope="module")
def site():
    return built("site")


@each_page
def test_it_asks_nobody_shuts_nobody_out_fits_the_window_and_is_set(page, site, name):
    said = []
    page.on("console", lambda message: said.append(message.text))
    asked = open_page(page, site / f"{name}.html")
    assert all(url.startswith((site.as_uri(), "data:")) for url in asked)
    if name in LIGHT:
        assert violations(page, without=SMALL_PARTS) == []
    for width in (768, 1280, 3840, 320):
        page.set_viewport_size({"width": width, "height": width * 9 // 16})
        # A plot takes its new size in the next frame.
        until(page, f"document.documentElement.scrollWidth === {width}")
        letters = "parseFloat(getComputedStyle(document.querySelector('main p')).fontSize)"
        assert page.evaluate(letters) >= (30 if width == 3840 else 14.5)
        column = page.locator("main").bounding_box()["width"]
        assert column >= {320: 320, 768: 700, 1280: 700, 3840: 1600}[width]
    page.emulate_media(color_scheme="dark")
    assert violations(page, without=SMALL_PARTS) == []
    if name in LIGHT:
        page.emulate_media(forced_colors="active")
        assert violations(page, without=SMALL_PARTS) == []
    assert said == []
    prose = page.evaluate("""() => {
      for (const one of document.querySelectorAll("pre, code, script, .katex")) one.remove();
      return document.body.textContent;
    }""")
    assert not re.search(r"\$|\\[a-z]+", prose), "a formula that is not set"


def test_nothing_moves_when_a_figure_arrives(page, site):
    open_page(page, site / f"{LESSONS[7]}.html")
    figures = page.evaluate("""() => [...document.querySelectorAll("main .picture img")]
      .filter((image) => !image.complete)
      .map((image) => [
        image.clientHeight / image.clientWidth,
        image.getAttribute("height") / image.getAttribute("width"),
      ])""")
    assert figures, "all have arrived already"
    kept, needed = zip(*figures, strict=True)
    assert kept == pytest.approx(needed, rel=0.02)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_code_and_formulas_have_enough_contrast(page, site, scheme):
    page.emulate_media(color_scheme=scheme)
    open_page(page, site / "00_start_here.html")
    css = (site / "static" / "colours.css").read_text(encoding="utf-8")
    tokens = sorted(set(re.findall(r"(?m)^\.(\w{1,2}),?(?= \{|$)", css)))
    page.evaluate(
        """(names) => {
          const code = document.querySelector("pre.code > code");
          code.replaceChildren(...names.map((name) => {
            const token = document.createElement("span");
            token.className = name;
            token.textContent = `token ${name} `;
            return token;
          }));
        }""",
        tokens,
    )
    assert page.locator("pre.code > code span").count() > 12
    assert violations(page) == []


def test_axe_would_say_so(page, site):
    open_page(page, site / "index.html")
    page.evaluate("document.querySelector('h1').style.color = '#bbb'")
    page.evaluate("document.body.append(document.createElement('img'))")
    broken = {rule for rule, _ in violations(page, without=SMALL_PARTS)}
    assert broken >= {"color-contrast", "image-alt"}


def test_the_way_through_the_lessons(page, site):
    open_page(page, site / "index.html")
    page.locator(".lessons a").first.click()
    for number, name in enumerate(LESSONS):
        page.wait_for_url(f"**/{name}.html")
        heading = page.locator("h1").inner_text()
        assert heading.startswith(f"{number} · ") and page.title().startswith(heading)
        assert page.locator(".top [aria-current=page]").inner_text().startswith("Lesson")
        links = page.locator(".contents a")
        wanted = page.locator("main h2, main h3").evaluate_all("(all) => all.map((one) => one.id)")
        found = links.evaluate_all("(all) => all.map((a) => decodeURIComponent(a.hash.slice(1)))")
        assert found == wanted and len(wanted) >= 3
        if number + 1 < len(LESSONS):
            page.locator("a[rel=next]").click()
    assert page.locator("a[rel=next]").count() == 0
    page.locator("a[rel=prev]").click()
    page.wait_for_url(f"**/{LESSONS[-2]}.html")
    page.go_back()
    page.goto((site / "00_start_here.html").as_uri() + "#The-map")
    page.locator("#The-map ~ * a, .cell:has(#The-map) + .cell a").last.click()
    page.wait_for_url(lambda url: "#" in url and "_start_here" not in url)
    top = page.locator(f"[id='{unquote(page.url.partition('#')[2])}']").bounding_box()["y"]
    assert 0 <= top < 300


def pixels(page):
    return np.array(
        page.evaluate("""() => {
          const all = [...document.querySelectorAll(".live canvas")].map((one) =>
            [...one.getContext("2d").getImageData(0, 0, one.width, one.height).data]);
          return all.flat();
        }"""),
        dtype=float,
    )


@pytest.mark.parametrize(
    "name", ["index", *(pytest.param(name, marks=LONG) for name in (LESSONS[0], LESSONS[7]))]
)
def test_the_explorer_is_live(page, site, name):
    open_page(page, site / f"{name}.html")
    assert page.locator(".live canvas").first.is_visible()
    assert page.locator(".twin").count() == 0
    before = pixels(page)
    assert before.std() > 20
    page.locator(".live input[type=range]").first.focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert np.abs(pixels(page) - before).max() > 20


def test_the_start_page_opens_on_the_explorer(page, site):
    page.set_viewport_size({"width": 1280, "height": 720})
    open_page(page, site / "index.html")
    box = page.locator(".live canvas").first.bounding_box()
    assert box["y"] + box["height"] < 720
    assert page.locator(".live input[type=range]").first.bounding_box()["y"] < 600


@pytest.mark.parametrize("width", [360, pytest.param(1280, marks=LONG)])
def test_nothing_in_sight_jumps_when_things_come_late(page, site, width):
    """Scripts, fonts and pictures half a second late; the places where nothing is at first."""
    page.set_viewport_size({"width": width, "height": 740})
    page.add_init_script("""window.jumps = [];
      new PerformanceObserver((list) => jumps.push(...list.getEntries().map((one) => one.value)))
        .observe({ type: "layout-shift", buffered: true });""")
    late = {"script", "font", "image"}

    def wait(route):
        if route.request.resource_type in late:
            time.sleep(0.5)
        route.continue_()

    page.route("**/*", wait)
    for name in ("index", LESSONS[1], LESSONS[5]):
        open_page(page, site / f"{name}.html")
        page.evaluate("document.fonts.ready.then(() => true)")
        page.wait_for_timeout(300)
        assert sum(page.evaluate("jumps")) <= 0.02, name


@pytest.mark.parametrize("number", LABS)
def test_a_lab_is_live_where_the_lesson_shows_it(page, site, number):
    name = next(name for name in LESSONS if name.startswith(number))
    open_page(page, site / f"{name}.html")
    places = page.locator(f".live[data-component={LABS[number]}]")
    assert places.count() >= 1 and places.locator("img").count() == 0
    place = places.first  # a lesson may come back to its lab
    code = place.locator("xpath=preceding-sibling::pre").inner_text()
    assert LABS[number] in code or code.strip().endswith("lab")
    says = place.locator(".vaelib-says")
    before = says.inner_text()
    place.locator("input[type=range]").first.focus()
    page.keyboard.press("End")
    expect(says).not_to_have_text(before)


def test_without_scripts_the_pictures_stay(chromium, site):
    page = chromium.new_page(java_script_enabled=False)
    for name in ("index", "01_kl_divergence"):
        page.goto((site / f"{name}.html").as_uri())
        pictures = page.locator(".live .twin img")
        assert pictures.count() >= 1
        assert all(picture.is_visible() for picture in pictures.all())
        assert not any(note.is_visible() for note in page.locator(".twin .note").all())
    assert page.locator(".katex").first.is_visible()
    page.close()


@pytest.mark.parametrize("file", ["LatentExplorer.js", "faces-0.js"])
def test_what_does_not_arrive_is_said_and_the_picture_stays(page, site, file):
    page.route(f"**/live/{file}", lambda route: route.abort())
    open_page(page, site / "index.html", live=False)
    page.get_by_text("The live one could not start, the picture stays").wait_for()
    assert page.locator(".twin img").is_visible()


def test_what_is_wide_scrolls_in_itself_by_keyboard(page, site):
    page.set_viewport_size({"width": 320, "height": 640})
    open_page(page, site / "04_the_elbo.html")
    wide = page.locator(".wide.formula[tabindex='0']").first
    assert wide.get_attribute("aria-label") == "Formula, wider than the page"
    wide.focus()
    page.keyboard.press("ArrowRight")
    until(page, "document.activeElement.scrollLeft > 0")
    page.set_viewport_size({"width": 1280, "height": 640})
    # What is folded is measured when it is opened.
    page.evaluate("document.querySelectorAll('details').forEach((aside) => (aside.open = true))")
    until(page, "!document.querySelector('.wide.formula[tabindex]')")


def test_what_follows_a_question_is_veiled_until_it_is_answered_or_asked_for(page, site):
    open_page(page, site / "01_kl_divergence.html")
    veiled = """() => [...document.querySelectorAll(".behind")].slice(0, 2).map((behind) => {
      const cells = [...behind.querySelectorAll(":scope > .cell")];
      const open = cells.filter((cell) => !cell.querySelector(":scope > details.veil"));
      return open.map((cell) => [cell.inert, getComputedStyle(cell).filter.includes("blur")]);
    })"""
    first, second = page.evaluate(veiled)
    assert len(first) > 2 and len(second) > 2
    assert all(inert and blurred for inert, blurred in first + second)
    assert violations(page, without=SMALL_PARTS) == []
    question = page.locator(".cell:has(+ .behind) .vaelib-predict").first
    question.locator("input").first.check()
    question.get_by_role("button", name="Commit").click()
    first, still = page.evaluate(veiled)
    assert not any(inert or blurred for inert, blurred in first) and still == second
    results = page.locator(".behind").first.locator("details.veil")
    assert all(result.get_attribute("open") is not None for result in results.all())
    page.get_by_role("button", name="Show without predicting").first.click()  # of the second
    assert not any(inert or blurred for inert, blurred in page.evaluate(veiled)[1])
    assert page.evaluate("document.activeElement.closest('.behind') !== null")


@pytest.mark.parametrize("width", [360, 1280])
def test_the_place_in_the_lesson_and_what_was_read_are_shown(page, site, width):
    page.set_viewport_size({"width": width, "height": 740})
    open_page(page, site / "03_jensens_bound.html")
    links = page.locator(".contents a")
    assert page.locator(".contents details").get_attribute("open") == (None if width < 1080 else "")
    for at in (2, links.count() - 2):
        target = unquote(links.nth(at).get_attribute("href")[1:])
        page.evaluate("(id) => document.getElementById(id).scrollIntoView()", target)
        current = page.locator(".contents a[aria-current=location]")
        expect(current).to_have_attribute("href", links.nth(at).get_attribute("href"))
        if width < 1080:
            expect(page.locator(".contents .here")).to_contain_text(f"{at + 1} of {links.count()}")
    # What stands at the top of the window does not lie over the heading that was gone to.
    top = page.locator(f"[id='{target}']").bounding_box()["y"]
    bar = page.locator(".contents" if width < 1080 else ".top").bounding_box()
    assert top >= bar["y"] + (bar["height"] if width >= 1080 else 44) - 1
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    own = page.locator(".top [aria-current=page]")
    until(
        page,
        "document.querySelector('.top ol [aria-current]').style.getPropertyValue('--read') === '1'",
    )
    assert "100 % read" in own.get_attribute("title")
    open_page(page, site / "index.html")
    read = page.locator(".lessons li").evaluate_all(
        "(all) => all.map((li) => li.style.getPropertyValue('--read'))"
    )
    assert read[3] == "1" and read[4] == ""


def test_in_the_dark_a_figure_of_pictures_is_its_dark_twin(page, site):
    page.emulate_media(color_scheme="dark")
    open_page(page, site / "00_start_here.html")
    image = page.locator(".picture:not(.chart) img").first
    image.scroll_into_view_if_needed()
    until(page, "document.querySelector('.picture:not(.chart) img').complete")
    assert image.evaluate("(one) => one.currentSrc").endswith("-dark.png")
    page.emulate_media(color_scheme="light")
    until(page, "!document.querySelector('.picture:not(.chart) img').currentSrc.includes('-dark')")


def test_a_browser_that_stores_nothing_shows_the_page_all_the_same(page, site):
    page.add_init_script("""Object.defineProperty(window, "localStorage", {
      get() { throw new DOMException("no storage", "SecurityError"); } });""")
    open_page(page, site / "index.html")
    open_page(page, site / "01_kl_divergence.html")
    assert page.locator(".vaelib-says").first.is_visible()
