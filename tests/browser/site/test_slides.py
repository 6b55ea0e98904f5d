"""The decks in a browser: every slide whole at 1280 × 720, its pictures there, its code legible."""

import re
from collections import Counter

import pytest
from axe import SMALL_PARTS, violations
from playwright.sync_api import expect
from site_pages import LESSONS, built, until

pytestmark = pytest.mark.browser

# Each slide shown, and what of it is not right: a part outside the slide, a picture that is not
# seen, code that is too small.
LOOK = """() => {
  const wrong = [];
  const slides = [...document.querySelectorAll(".slides section:not(.stack)")];
  for (const slide of slides) {
    const { h, v } = Reveal.getIndices(slide);
    Reveal.slide(h, v);
    const say = (what) => wrong.push(`${h}/${v}: ${what}`);
    if (slide.scrollHeight > 720 || slide.scrollWidth > 1280) say("it scrolls");
    for (const part of slide.querySelectorAll("*")) {
      if (part.closest(".katex-mathml, svg, .notes, .vaelib-aloud")) continue;  // these are clipped
      if (part.closest("details:not([open])") && !part.closest("summary")) continue;  // folded
      // In a formula the boxes that hold it; within them are struts that are higher than they look.
      if (part.closest(".katex-html") && !part.matches(".katex-base")) continue;
      const { left, top, right, bottom, width } = part.getBoundingClientRect();
      if (width && (left < 0 || top < 0 || right > 1281 || bottom > 721)) {
        say(`outside: ${part.outerHTML.slice(0, 80)}`);
      }
    }
    for (const image of slide.querySelectorAll(":scope > figure img")) {
      const { width, height } = image.getBoundingClientRect();
      if (!image.naturalWidth || width < 250 || height < 100) say(`picture ${width} × ${height}`);
    }
    for (const code of slide.querySelectorAll("pre")) {
      let size = parseFloat(getComputedStyle(code).fontSize) * Reveal.getScale();
      for (let at = code; at; at = at.parentElement) size *= getComputedStyle(at).zoom || 1;
      if (size < 15.9) say(`code of ${size} px`);
    }
  }
  return [slides.length, wrong];
}"""
# The smallest letters of each lab and stage, in pixels of a slide.
LETTERS = """() => [...document.querySelectorAll(".live")].map((live) => {
  const { h, v } = Reveal.getIndices(live.closest("section"));
  Reveal.slide(h, v);
  const seen = [...live.querySelectorAll("*")].filter((part) => part.checkVisibility() &&
    !part.closest("sub, option, .vaelib-heard, .lab-aloud, .vaelib-aloud") &&
    [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return [live.dataset.component,
    Math.min(...seen.map((part) => parseFloat(getComputedStyle(part).fontSize)))];
}).filter(([component]) => component !== "Predict")"""
# All that a reader sees, without the small line that repeats a section's heading, without the
# heads of tables, which are repeated too, and without what is live, which writes its own text.
TEXT = """() => {
  const copy = document.querySelector(".slides").cloneNode(true);
  for (const one of copy.querySelectorAll(".running, .katex-mathml, thead, .live")) one.remove();
  return copy.textContent.replace(/\\s+/g, "");
}"""


@pytest.fixture(scope="module")
def slides():
    return built("slides")


def show(page, path):
    """The deck, fitted and begun; returns the requests it made."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(path.as_uri())
    until(page, "Boolean(window.Reveal?.isReady())")
    return asked


@pytest.mark.parametrize("name", LESSONS)
def test_every_slide_is_whole_and_nothing_is_lost(page, slides, name):
    asked = show(page, slides / f"{name}.html")
    assert all(url.startswith((slides.as_uri(), "data:")) for url in asked)
    count, wrong = page.evaluate(LOOK)
    assert wrong == []
    assert 10 <= count <= 15
    after = page.evaluate(TEXT)
    page.route("**/slides.js", lambda route: route.abort())
    page.reload()
    assert Counter(after) == Counter(page.evaluate(TEXT))  # the letters: slides may split a word


def deck_of(page, slides, body):
    """A deck of one stack with one slide of the test's own, fitted."""
    made = (slides / "00_start_here.html").read_text(encoding="utf-8")
    head, rest = made.split('<div class="slides">')
    tail = rest[rest.index("</main>") :]
    page_text = (
        f'{head}<div class="slides"><section><section>{body}</section></section></div></div>{tail}'
    )
    (slides / "made.html").write_text(page_text, encoding="utf-8")
    try:
        show(page, slides / "made.html")
        return page.evaluate(LOOK)
    finally:
        (slides / "made.html").unlink()


LONG = {
    "code": "<h2>H</h2><pre class='wide code'><code>"
    + "\n".join(f"<span class='n'>line{i}</span> = {i}" for i in range(90))
    + "</code></pre>",
    "prose": "<h2>H</h2>" + "<p>" + "One sentence of a long paragraph. " * 150 + "</p>",
    "list": "<ol>" + "".join(f"<li>point {i} {'words ' * 30}</li>" for i in range(30)) + "</ol>",
    "table": "<h2>H</h2><p>Its rows:</p><div class='wide'><table><thead><tr><th>head</th></tr>"
    "</thead><tbody>"
    + "".join(f"<tr><td>row {i}</td></tr>" for i in range(60))
    + "</tbody></table></div>",
    "wide table": "<div class='wide'><table><tbody><tr>"
    + "".join(f"<td>column{i}</td>" for i in range(24))
    + "</tr></tbody></table></div>",
    "one long line": "<pre class='wide code'><code>" + "x" * 900 + "</code></pre>",
    "many blocks": "".join(f"<p>paragraph {i}</p><h3>heading {i}</h3>" for i in range(30)),
    "indivisible": "<div style='height: 1500px; width: 900px'>A thing</div>",
}


@pytest.mark.parametrize("kind", LONG)
def test_whatever_is_too_long_goes_on_or_gets_smaller(page, slides, kind):
    count, wrong = deck_of(page, slides, LONG[kind])
    assert wrong == []
    single = kind in ("wide table", "one long line", "indivisible")
    assert count == 1 if single else count > 1
    found = page.evaluate(TEXT)
    text = re.sub(r"<thead>.*</thead>", "", LONG[kind])
    assert sorted(re.sub(r"<[^>]*>|\s", "", text)) == sorted(found)
    if kind == "code":
        lines = page.locator("pre").evaluate_all(
            "(all) => all.flatMap((one) => one.innerText.split('\\n'))"
        )
        assert [line for line in lines if line] == [f"line{i} = {i}" for i in range(90)]
    if kind == "list":
        starts = page.locator("ol").evaluate_all("(all) => all.map((one) => one.start)")
        assert starts[0] == 1 and starts == sorted(set(starts))
    if kind == "table":
        assert page.locator("thead").count() == count
        assert [f"row{i}" for i in range(60)] == re.findall(r"row\d+", found)
    if kind == "many blocks":
        last = "(all) => all.map((one) => one.lastElementChild.tagName)"
        assert page.locator("section > section").evaluate_all(last)[:-1] == ["P"] * (count - 1)


def test_keys_turn_the_slides_and_links_lead_to_their_places(page, slides):
    show(page, slides / "06_the_vae.html")
    assert violations(page, without=SMALL_PARTS) == []
    page.keyboard.press("Space")
    assert page.evaluate("Reveal.getIndices().h") == 1
    page.goto((slides / "00_start_here.html").as_uri() + "#The-map")
    until(page, "Boolean(window.Reveal?.isReady())")
    expect(page.locator("section.present h2").last).to_have_text("The map")


def go_to(page, title):
    """To the slide of this title, before its first step."""
    page.evaluate(
        """(title) => {
          const named = (one) => one.querySelector("h2")?.textContent === title;
          const slide = Reveal.getSlides().find(named);
          const { h, v } = Reveal.getIndices(slide);
          Reveal.slide(h, v, -1);
        }""",
        title,
    )


def test_a_proof_comes_line_by_line_and_lights_its_part_of_the_lab(page, slides):
    show(page, slides / "04_the_elbo.html")
    go_to(page, "The bound, line by line")
    slide = page.locator("section.present section.present")
    lines = [slide.locator(f".katex-html .step{row}") for row in range(1, 5)]
    lab = slide.locator(".live")
    lit = []
    for shown in range(5):
        for row, line in enumerate(lines):
            assert line.count() >= 1
            for part in line.all():  # they fade in
                expect(part).to_have_css("visibility", "visible" if row < shown else "hidden")
        keys = lab.locator("[data-key].lit").evaluate_all("(all) => all.map((m) => m.dataset.key)")
        dim = lab.locator("[data-key]:not(.lit)").first.evaluate(
            "(m) => getComputedStyle(m).opacity"
        )
        assert keys and float(dim) < 0.5
        lit.append(keys)
        page.keyboard.press("ArrowRight")
    assert "log_px" in lit[0] and "elbo" in lit[2] and lit[0] != lit[2]
    assert page.evaluate("Reveal.getIndices().h") > 3  # and then the next slide
    go_to(page, "The bound, line by line")
    before = lab.locator(".vaelib-says, [class*=says]").first.inner_text()
    lab.locator("input[type=range]").first.press("End")
    expect(lab.locator(".vaelib-says, [class*=says]").first).not_to_have_text(before)


@pytest.mark.parametrize("name", LESSONS)
def test_widgets_are_live_code_is_rare_and_there_is_something_to_say(page, slides, name):
    show(page, slides / f"{name}.html")
    widgets = page.locator(".live").evaluate_all(
        "(all) => all.map((one) => [one.dataset.component, one.dataset.live])"
    )
    assert all(live == "true" for _, live in widgets)
    assert {component for component, _ in widgets} - {"Predict"}, "no lab"
    assert all(size >= 24 for _, size in page.evaluate(LETTERS)), "small letters in a lab"
    assert page.locator("pre.code").count() <= 1
    notes = page.locator("section:not(.stack):has(aside.notes)").count()
    assert notes >= page.evaluate("Reveal.getTotalSlides()") / 2
    expect(page.locator(".whose")).to_contain_text("Yingzhen Li")


def test_the_address_has_the_slide_and_what_its_stage_shows(page, slides):
    path = slides / "00_start_here.html"
    show(page, path)
    go_to(page, "Which slider smiles?")
    until(page, "location.hash === '#/1'")  # reveal.js writes it within a second
    slider = page.locator(".vaelib-row input[type=range]").first
    slider.fill("-1.25")
    until(page, "location.hash.includes('z=')")
    link = page.evaluate("location.hash")
    assert link.startswith("#/1/0&model=faces&z=")
    page.goto("about:blank")
    page.goto(f"{path.as_uri()}{link}&hide=encoder")
    until(page, "Boolean(window.Reveal?.isReady())")
    assert page.evaluate("Reveal.getIndices().h") == 1
    expect(slider).to_have_value("-1.25")
    expect(page.locator(".vaelib-encoder")).not_to_be_visible()
    page.keyboard.press("l")
    expect(page.get_by_role("dialog", name="The stage, lecture mode")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("Reveal.getIndices().h") == 1


def test_the_speakers_notes_open_and_follow(page, slides):
    show(page, slides / "02_maximum_likelihood.html")
    go_to(page, "From a divergence to a likelihood")
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    notes = opened.value
    expect(notes.locator("h1")).to_have_text("From a divergence to a likelihood")
    expect(notes.locator(".said")).to_contain_text("but no formula for")
    expect(notes.locator(".next")).to_have_text("Next: Cross-entropy = entropy + KL")
    for _ in range(2):  # the second line of the formula, and then the next slide
        notes.keyboard.press("ArrowRight")
    expect(notes.locator("h1")).to_have_text("Cross-entropy = entropy + KL")
    assert page.evaluate("document.querySelector('section.present section.present h2').textContent")


def test_the_slides_shut_nobody_out(page, slides):
    """Three slides in the dark; all of them in all looks: tests/torture/test_axe.py."""
    page.emulate_media(color_scheme="dark")
    show(page, slides / "04_the_elbo.html")
    for title in ("One look", "The bound, line by line", "Which q loses nothing at (3)?"):
        go_to(page, title)
        assert violations(page, without=SMALL_PARTS) == [], title


def test_the_list_of_decks_leads_to_all_of_them(page, slides):
    page.goto((slides / "index.html").as_uri())
    assert violations(page, without=SMALL_PARTS) == []
    hrefs = page.locator("main a").evaluate_all("(all) => all.map((a) => a.getAttribute('href'))")
    assert hrefs == [f"{name}.html" for name in LESSONS]
