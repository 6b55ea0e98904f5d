"""The site on lessons made here: links, anchors, formulas, outputs, and what stops a build."""

import base64
import json
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course.site.__main__ import main
from course.site.formulas import Formulas
from course.site.links import broken
from course.site.markdown import Renderer
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
