"""The site on lessons made here: links, anchors, formulas, outputs, and what stops a build."""

import base64
import io
import json
import re

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image, ImageDraw

from course.site.__main__ import main
from course.site.deck import lines
from course.site.formulas import Formulas
from course.site.links import broken
from course.site.live import smaller
from course.site.markdown import Renderer
from course.site.twins import dark_twin
from course.site.veil import veiled
from vaelib.plots import SYMBOLS

PIXEL = base64.b64encode(
    base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
    )
).decode()


def picture(text="<Figure>", alt="A single dot."):
    about = {"image/png": {"alt": alt}} if alt else {}
    return new_output("execute_result", {"image/png": PIXEL, "text/plain": text}, metadata=about)


EXPLORER = "LatentExplorer: 4 dimensions, started from test face 0"
EXPLORER_CELL = new_code_cell("explorer", outputs=[picture(EXPLORER)])


def make(folder, first, second="# 2 · Two\n\n**Why?**\n\n## A place", cells=(EXPLORER_CELL,)):
    """A folder with two lessons: `first` is prose, and `cells` come after it."""
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    lessons = {"01_one": [first, *cells], "02_two": [second]}
    for name, parts in lessons.items():
        made = [new_markdown_cell(p) if isinstance(p, str) else p for p in parts]
        nbformat.write(new_notebook(cells=made), notebooks / f"{name}.ipynb")
    return notebooks


def built(tmp_path, *arguments, slides=False, **options):
    """The page of the first of two lessons, built; and the folder."""
    notebooks = make(tmp_path, *arguments, **options)
    into = tmp_path / "site"
    flags = ["--notebooks", str(notebooks), "--into", str(into)] + ["--slides"] * slides
    assert main(flags) == 0
    return (into / "01_one.html").read_text(encoding="utf-8"), into


def refused(tmp_path, capsys, *arguments, **options):
    """What the build says when it refuses."""
    notebooks = make(tmp_path, *arguments, **options)
    assert main(["--notebooks", str(notebooks), "--into", str(tmp_path / "site")]) == 1
    assert not (tmp_path / "site").exists()
    return capsys.readouterr().err


def prose(source):
    """Markdown as the site has it, its formulas set."""
    formulas = Formulas()
    html = Renderer(formulas).text_of(source, "here")
    formulas.render()
    return formulas.fill(html)


def test_links_between_lessons_lead_to_pages_with_their_anchors(tmp_path):
    page, _ = built(
        tmp_path,
        "# 1 · One\n\n[two](02_two.ipynb), [there](02_two.ipynb#A-place), [here](#Own-place), "
        '<a href="02_two.ipynb#A-place">raw</a>, [out](https://x.org/x.ipynb)\n\n## Own place',
    )
    main = page[page.index("<main") : page.index("</main>")]
    found = re.findall(r'href="([^"]*)"', main)
    there = "02_two.html#A-place"
    assert found == ["02_two.html", there, "#Own-place", there, "https://x.org/x.ipynb"]


def test_a_link_to_another_file_of_the_project_leads_to_a_copy(tmp_path):
    (tmp_path / "NOTES.txt").write_text("notes")
    page, into = built(tmp_path, "# 1 · One\n\n[notes](../NOTES.txt)")
    assert 'href="files/NOTES.txt"' in page
    assert (into / "files" / "NOTES.txt").read_text() == "notes"


@pytest.mark.parametrize("link", ["03_three.ipynb", "02_two.ipynb#No-place", "#Nowhere", "../x.md"])
def test_a_link_that_leads_nowhere_stops_the_build(tmp_path, capsys, link):
    said = refused(tmp_path, capsys, f"# 1 · One\n\n[x]({link})")
    assert "01_one" in said and link.replace(".ipynb#", ".html#") in said


def test_a_build_that_fails_leaves_the_old_site(tmp_path, capsys):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "old.html").write_text("old")
    notebooks = make(tmp_path, "# 1 · One\n\n$\\nonsense$")
    assert main(["--notebooks", str(notebooks), "--into", str(tmp_path / "site")]) == 1
    assert "01_one: a formula cannot be set" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["old.html"]


def test_headings_have_the_anchors_of_jupyterlab_and_no_two_the_same(tmp_path):
    page, _ = built(
        tmp_path, "# 1 · One\n\n## The `x` of $z$ & co\n\n## Lab\n\n## Lab\n\n#### Deep"
    )
    assert re.findall(r'<h\d id="([^"]*)"', page) == [
        *("1-·-One", "The-x-of-$z$-&amp;-co", "Lab", "Lab-2", "Deep")
    ]
    assert '<h3 id="Deep">' in page  # no level is left out
    contents = page[page.index('<nav class="contents"') : page.index("<main")]
    assert contents.count("<li") == 4 and 'class="katex"' in contents


def test_formulas_of_every_kind_are_set():
    html = prose(
        "In $x_i$ a line, $$\\int f\\,dx$$ displayed, \\\\(y\\\\) and\n\n\\begin{align} a &= b\n"
        "\\end{align}\n\n> $$p\n> q$$\n\n| a | b |\n|---|---|\n| $p(x|z)$ | $\\|v\\|$ |\n"
    )
    assert html.count("<math") == 7
    assert html.count('class="wide formula"') == 3
    assert "$" not in re.sub(r"<annotation.*?</annotation>", "", html)
    assert html.count("<td") == 2 and "&gt;" not in html


def test_a_dollar_in_code_or_escaped_stays_a_dollar():
    html = prose("`$a$` and \\$5 or\n\n```python\ncost = '$b$'\n```\n\n    $c$\n")
    assert "<math" not in html.split("<pre")[0]
    assert "<code>$a$</code>" in html and "$5" in html and "$b$" in html


def test_a_heading_of_nothing_is_no_heading_of_a_table():
    html = prose("| | b |\n|---|--:|\n| 1 | 2 |\n")
    assert html.count("<th") - html.count("<thead") == 1
    assert '<th scope="col" style="text-align:right">b</th>' in html


def test_a_picture_keeps_its_words_and_one_without_stops_the_build(tmp_path, capsys):
    cell = new_code_cell("plot", outputs=[picture(alt='It says "x < y".')])
    page, into = built(tmp_path, "# 1 · One", cells=[cell, EXPLORER_CELL])
    assert 'alt="It says &quot;x &lt; y&quot;." width="1" height="1"' in page
    assert (into / "figures" / "01_one-1.png").read_bytes() == base64.b64decode(PIXEL)
    (tmp_path / "other").mkdir()
    bare = new_code_cell("plot", outputs=[picture(alt="")])
    said = refused(tmp_path / "other", capsys, "# 1 · One", cells=[bare])
    assert "01_one: a picture has no alt text" in said


def test_what_a_cell_printed_is_shown_and_not_run(tmp_path):
    outputs = [
        new_output("stream", text="\x1b[31m<b>red</b>\x1b[0m & more\n"),
        new_output("execute_result", {"text/plain": "'<script>alert(1)</script>'"}),
    ]
    cell = new_code_cell("x = '<i>'  # <b>", outputs=outputs)
    page, _ = built(tmp_path, "# 1 · One", cells=[cell, EXPLORER_CELL])
    assert "&lt;b&gt;red&lt;/b&gt; &amp; more" in page and "\x1b" not in page
    assert "<script>alert" not in page and "&lt;i&gt;" in page


def test_a_lab_of_any_state_is_made_again_and_one_of_another_model_stays_a_picture(tmp_path):
    said = "KLLab: mu = -2.5, sigma = 0.6, p = bumps"
    other = "LatentExplorer: 12 dimensions, z = 0"
    cells = [new_code_cell("x", outputs=[picture(text)]) for text in (said, other)]
    page, into = built(tmp_path, "# 1 · One", cells=[*cells, EXPLORER_CELL])
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page)[1])
    assert (state["mu"], state["sigma"], state["p"]) == (-2.5, 0.6, "bumps")
    assert re.findall(r'data-component="(\w+)"', page) == ["KLLab", "LatentExplorer"]
    assert page.count("<img") == 3
    assert page.count("runs the model that is shipped") == 1  # no cell here loads it
    assert {p.name for p in (into / "live").iterdir()} >= {"KLLab.js", "faces-0.js"}


def test_a_script_loses_its_comments_and_its_indentation_and_nothing_else():
    script = '/** What\n * it is. */\nlet f;\n  // why\n  f = "//no" /* in */; // end\n'
    assert smaller(script) == 'let f;\nf = "//no" /* in */; // end\n'


def test_a_widget_without_a_picture_is_said_to_stand_in_the_notebook(tmp_path):
    curves = new_code_cell(
        "c", outputs=[new_output("execute_result", {"text/plain": "TrainingCurves"})]
    )
    page, _ = built(tmp_path, "# 1 · One", cells=[curves, EXPLORER_CELL])
    assert "In the notebook a live widget (TrainingCurves) stands here" in page


def slides_of(page):
    """The slides of a deck as text, a list a stack."""
    body = page[page.index('<div class="slides">') : page.index("</main>")]
    body = re.sub(r"<(?!/?(?:section|aside|div class=\"fragment\"))[^>]*>", "", body)
    stacks = re.split(r"<section>\s*<section>", body)[1:]
    return [[" ".join(s.split()) for s in re.split(r"</section>\s*<section>", x)] for x in stacks]


def test_slides_are_cut_where_the_metadata_says(tmp_path):
    kinds = [("b", "-"), ("c", "subslide"), ("d", "skip"), ("e", "fragment"), ("f", "notes")]
    kinds += [("g", "slide"), ("h", "fragment"), ("i", "slide")]
    cells = [new_markdown_cell(t, metadata={"slideshow": {"slide_type": k}}) for t, k in kinds]
    page, into = built(tmp_path, "# 1 · One", cells=cells, slides=True)
    stacks = slides_of(page)
    assert [len(stack) for stack in stacks] == [2, 1, 1]
    assert stacks[0][0] == "1 · One b"
    assert 'class="fragment"' in stacks[0][1] and "d" not in re.sub(r"<[^>]*>", "", stacks[0][1])
    assert '<aside class="notes"> f </aside>' in stacks[0][1]
    assert page.count("<section>") == page.count("</section>") == 7
    assert broken(into) == []


def tagged(tag, source, *outputs, **metadata):
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": [tag], **metadata})


def printed(text):
    return new_output("stream", text=text)


QUESTION = {
    "question": "Is $x = 1$?",
    "answers": {"yes": "", "no": "A slip."},
    "right": "yes",
    "because": "Count.",
}


def predict(given):
    about = {"vaelib": {"predict": given}}
    return new_output("execute_result", {"text/plain": "Predict: Is x=1?"}, metadata=about)


@pytest.mark.parametrize("slides", [False, True], ids=["page", "slides"])
def test_a_question_is_asked_live_and_is_text_without_a_script(tmp_path, slides):
    cell = new_code_cell("Predict(…)", outputs=[predict(QUESTION)])
    page, into = built(tmp_path, "# 1 · One", cells=(EXPLORER_CELL, cell), slides=slides)
    assert 'data-component="Predict"' in page and "Predict: Is x=1?</pre>" in page
    state = re.search(r'data-component="Predict".*?<script[^>]*>(.*?)</script>', page)[1]
    assert "<math>" in json.loads(state)["spec"]["question"]
    assert "Predict" in (into / "live" / "Predict.js").read_text(encoding="utf-8")


def test_a_question_that_is_not_there_stops_the_build(tmp_path, capsys):
    cell = new_code_cell('Predict("gone")', outputs=[predict({"key": "gone"})])
    said = refused(tmp_path, capsys, "# 1 · One", cells=(EXPLORER_CELL, cell))
    assert "01_one: a Predict cannot be made: there is no question 'gone'" in said


def test_a_result_that_answers_a_question_is_veiled(tmp_path):
    veil = "The result, for when you have predicted\n"
    cell = tagged("spoiler", "odds", printed(f"{veil}nineteen"))
    page, _ = built(tmp_path, "# 1 · One", cells=(EXPLORER_CELL, cell))
    veiled = re.search(r'<details class="veil">(.*?)</details>', page, re.DOTALL)[1]
    assert "<summary>Show the result</summary>" in veiled and ">nineteen</pre>" in veiled
    assert veil.strip() not in page


def test_a_result_that_answers_a_question_is_a_slides_next_step(tmp_path):
    cells = (tagged("spoiler", "odds", printed("nineteen"), picture()), tagged("x", "1", picture()))
    page, _ = built(tmp_path, "# 1 · One", cells=cells, slides=True)
    assert re.findall(r'class="(fragment )?(?:wide printed|picture)"', page) == [
        "fragment "
    ] * 2 + [""]


def test_a_check_is_one_line_that_opens_its_code(tmp_path):
    cell = tagged("check", "assert 1 < 2", printed("✓ one < two\n"))
    page, _ = built(tmp_path, "# 1 · One", cells=(EXPLORER_CELL, cell))
    folded = re.search(r'<details class="check">(.*?)</details>', page, re.DOTALL)[1]
    assert folded.startswith("<summary>✓ one &lt; two</summary>") and "assert" in folded


def test_a_check_is_one_line_on_a_slide(tmp_path):
    cell = tagged("check", "assert 1 < 2", printed("✓ one < two\n"))
    page, _ = built(tmp_path, "# 1 · One", cells=(cell,), slides=True)
    assert '<p class="checked">✓ one &lt; two</p>' in page and "assert" not in page


def test_an_asides_formulas_are_set_inside_its_fold():
    html = prose("<details>\n<summary><b>Aside:</b> nats</summary>\n\nWith $x$.\n\n</details>")
    assert html.startswith("<details>") and html.strip().endswith("</details>")
    assert '<span class="katex">' in html and "$" not in html


def test_the_colours_of_the_symbols_are_variables_of_the_page():
    for name, (_, text, _) in SYMBOLS.items():
        html = prose(rf"$\textcolor{{{text}}}{{x}}$ and $\textcolor{{#123456}}{{y}}$")
        assert f"color:var(--{name})" in html and "color:#123456" in html


def test_each_page_names_the_lecturer_and_the_course(tmp_path):
    page, into = built(tmp_path, "# 1 · One")
    for text in (page, (into / "index.html").read_text(encoding="utf-8")):
        assert "Generative Models: VAE basics" in text and "Yingzhen Li" in text


def test_pages_run_no_script_that_is_written_in_them_and_no_eval(tmp_path):
    page, into = built(tmp_path, "# 1 · One")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["script-src"] == "'self' file:" and "http" not in policy
    for path in into.rglob("*.html"):
        if path.name != "explorer.html":  # one file for itself, with a policy of its own
            inline = re.findall(r"<script(?![^>]*(?:src=|application/json))", path.read_text())
            assert inline == []


def test_a_formula_carries_no_source_and_its_common_measures_are_classes():
    formulas = Formulas()
    html = Renderer(formulas).text_of("$x_i$ and " * 6, "here")
    formulas.render()
    html = formulas.fill(html)
    assert "annotation" not in html and "style=" not in html.split("</math>")[1]
    used = set(re.findall(r"\bf[0-9a-f]+\b", " ".join(re.findall('class="([^"]*)"', html))))
    assert used and all(f".katex .{name}{{" in formulas.style for name in used)
    assert "height" in formulas.style


def test_code_has_no_element_around_what_has_no_colour():
    html = prose("```python\nx = f(y)  # why\n```")
    assert "x = f(y)" in html and '<span class="c1"># why</span>' in html


CHECK = {"grade": True, "grade_id": "check_kl", "locked": True, "solution": False}


def test_an_exercise_says_where_it_can_be_done(tmp_path):
    output = new_output("execute_result", {"text/html": "<b>kl: not attempted yet</b>"})
    cell = new_code_cell("check.kl(kl)", outputs=[output], metadata={"nbgrader": CHECK})
    second = "# 2 · Two\n\n## How exercises answer\n\nAt once."
    page, _ = built(tmp_path, "# 1 · One", second, cells=(EXPLORER_CELL, cell))
    said = re.search(r'<p class="todo">.*?</p>', page)[0]
    assert "<code>kl</code>" in said and 'href="notebooks/01_one.ipynb" download' in said
    assert 'href="02_two.html#How-exercises-answer"' in said
    assert "not attempted yet" not in page


def test_a_cell_of_imports_is_folded_and_one_that_does_more_is_not(tmp_path):
    cells = [new_code_cell("import json\nfrom x import y"), new_code_cell("import json\nz = 1")]
    page, _ = built(tmp_path, "# 1 · One", cells=(EXPLORER_CELL, *cells))
    folded = re.findall(r'<details class="imports">.*?</details>', page, re.DOTALL)
    assert len(folded) == 1 and "json" in folded[0] and "z = 1" not in folded[0]


def test_a_question_veils_what_follows_up_to_the_next_heading(tmp_path):
    asked = new_code_cell("Predict(…)", outputs=[predict(QUESTION)])
    cells = [asked, "It is one.", new_code_cell("shown"), "So.\n\n## Next\n\nMore.", "Free."]
    page, _ = built(tmp_path, "# 1 · One", cells=(EXPLORER_CELL, *cells))
    behind = re.search(r'<div class="behind">(.*?)<h2', page, re.DOTALL)[1]
    assert "It is one." in behind and "shown" in behind and "So." in behind
    assert behind.count("<button") == 1 and behind.count("<div") - behind.count("</div") == 0
    assert page.count('class="behind"') == 1 and "Free." in page.split("<h2")[1]


def test_the_veil_knows_a_heading_from_a_comment_in_code():
    asked = new_code_cell("Predict(…)", outputs=[predict(QUESTION)])
    text = "Run\n\n```\n# a comment\n```\n\nand see."
    made = veiled(new_notebook(cells=[asked, new_markdown_cell(text)]))
    assert [cell.source for cell in made.cells][1:] == [text]
    assert made.cells[1].metadata.veil_begins and made.cells[1].metadata.veil_ends


def test_a_symbol_in_a_checks_line_has_its_subscript(tmp_path):
    cell = tagged("check", "assert True", printed("✓ σ_x = 0.1, at least e^KL\n"))
    page, _ = built(tmp_path, "# 1 · One", cells=(EXPLORER_CELL, cell))
    assert "✓ σ<sub>x</sub> = 0.1, at least e<sup>KL</sup>" in page


def test_the_dark_twin_turns_the_paper_and_keeps_the_pictures():
    given = Image.new("RGB", (200, 120), "white")
    draw = ImageDraw.Draw(given)
    draw.rectangle((20, 30, 89, 99), fill="#808080")
    draw.rectangle((40, 50, 60, 70), fill="white")  # light inside a picture
    draw.text((20, 10), "letters", fill="black")
    draw.line((120, 60, 180, 60), fill="#bf3a2a", width=3)
    out = io.BytesIO()
    given.save(out, "png")
    before = np.asarray(given, dtype=int)
    after = np.asarray(Image.open(io.BytesIO(dark_twin(out.getvalue()))), dtype=int)
    assert (after[30:100, 20:90] == before[30:100, 20:90]).all()
    assert after[5, 150].max() < 40 and before[5, 150].min() == 255
    assert after[8:22, 20:70].max() > 200  # letters
    red, green, blue = after[60, 150]
    assert red > green and red > blue and red > before[60, 150][0] - 60


def test_a_proof_of_a_slide_is_cut_into_its_lines():
    body = r" a &= \begin{cases} 1 & x \\ 2 & y \end{cases} \\[4pt] & \ge \frac{b \\& c}{d}"
    cut = lines(body)
    assert cut.count("htmlClass") == 1 and cut.startswith(body.split(r"\\[4pt]")[0])
    assert r"\htmlClass{step step1}{{} \ge \frac{b \\& c}{d}}" in cut


def on_slides(tmp_path, *cells):
    page, into = built(tmp_path, "# 1 · One\n\n**Why?**", cells=cells, slides=True)
    return page, slides_of(page), into


def test_a_deck_holds_what_the_sources_choose(tmp_path):
    text = "Said first.\n\n$$x = 1$$\n\n- a point\n\nSaid [there](02_two.ipynb#A-place)."
    cells = [
        new_markdown_cell("## Left out\n\nBut said."),
        new_markdown_cell(text, metadata={"deck": "Chosen", "points": ["In short, $y$."]}),
        new_code_cell("plot", outputs=[printed("printed")], metadata={"deck": "+"}),
        new_code_cell("left_out", outputs=[printed("unseen")]),
        new_code_cell("the_point", metadata={"deck": "Code", "code": True}),
    ]
    page, stacks, into = on_slides(tmp_path, *cells)
    (cover,), (first,), (second,) = stacks
    assert "1 · One" in cover and "Why?" in cover and "Yingzhen Li" in cover
    assert '<aside class="notes"> Why? But said. </aside>' in cover
    shown, notes = first.split("<aside")
    assert "Chosen" in shown and "a point" in shown and "In short" in shown and "printed" in shown
    assert "Said" not in shown and "Said first." in notes and "Said there." in notes
    assert "the_point" in second
    assert "unseen" not in page and "left_out" not in page and ">plot<" not in page
    assert 'href="02_two.html#A-place"' in page and broken(into) == []


def test_a_deck_shows_the_blocks_of_a_cell_that_are_named(tmp_path):
    text = "$$x = 1$$\n\nand\n\n$$y = 2$$\n\n| a |\n|---|\n| b |"
    cell = new_markdown_cell(text, metadata={"deck": "Two", "blocks": [1]})
    page, stacks, _ = on_slides(tmp_path, cell)
    assert page.count("<math") == 1 and "<mi>y</mi>" in page and "<table" not in page


def test_a_proof_comes_in_steps_next_to_a_live_lab_that_it_lights(tmp_path):
    proof = "$$\\begin{aligned} a &= b \\\\ &= c \\end{aligned}$$"
    about = {"deck": "Proof", "lab": "KLLab: mu = 2.0", "lit": ["q", "p q"]}
    page, _, into = on_slides(tmp_path, new_markdown_cell(proof, metadata=about))
    assert 'class="proof" data-lit="q|p q"' in page and "step step1" in page
    state = re.search(r'data-component="KLLab".*?<script[^>]*>(.*?)</script>', page)[1]
    assert json.loads(state)["mu"] == 2.0
    assert 'src="live/KLLab.js"' in page and (into / "live" / "KLLab.js").is_file()


def test_a_link_to_a_section_that_is_on_no_slide_leads_to_its_deck(tmp_path):
    """From a lesson of which nothing is chosen, to one of which something is."""
    folder = make(tmp_path, "# 1 · One\n\n[x](02_two.ipynb#A-place)", cells=())
    second = nbformat.read(folder / "02_two.ipynb", as_version=4)
    second.cells.append(new_markdown_cell("$$x$$", metadata={"deck": "Chosen"}))
    nbformat.write(second, folder / "02_two.ipynb")
    flags = ["--slides", "--notebooks", str(folder), "--into", str(tmp_path / "slides")]
    assert main(flags) == 0
    page = (tmp_path / "slides" / "01_one.html").read_text(encoding="utf-8")
    assert 'href="02_two.html"' in page
