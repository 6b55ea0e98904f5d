"""What the build makes of tags, colours, asides and alternative texts, on small lessons."""

import re

import nbformat
import pytest
import small_lesson
from inputs import HOME
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from notebooks import conventions
from notebooks.exercises import BuildError
from vaelib.plots import SYMBOLS

HEAD = "# %% [markdown]\n# # 1 · A lesson\n\n"


def cell(source, kind="code", outputs=(), **metadata):
    make = new_code_cell if kind == "code" else new_markdown_cell
    made = make(source, metadata=metadata)
    if kind == "code":
        made.outputs = list(outputs)
    return made


def applied(*arguments, **metadata):
    made = cell(*arguments, **metadata)
    conventions.apply(made, "here:1")
    return made


def built(here, text):
    small_lesson.write(here, HEAD + text)
    assert small_lesson.main(["01"], here=here) == 0
    return small_lesson.stored(here)


def refused(here, text, capsys):
    small_lesson.write(here, HEAD + text)
    assert small_lesson.main(["01"], here=here) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("name", SYMBOLS)
def test_a_symbols_macro_becomes_a_colour_that_every_renderer_knows(name):
    made = applied(rf"Then $\{name}{{q_\phi}}$ and $$\{name}{{\frac{{a}}{{b}}}}$$.", "markdown")
    colour = rf"\textcolor{{{SYMBOLS[name][1]}}}"
    assert made.source == rf"Then ${colour}{{q_\phi}}$ and $${colour}{{\frac{{a}}{{b}}}}$$."


def test_other_commands_and_code_cells_keep_what_they_say():
    for text in (r"$\epsilon \encode \code \gapless{x}$", r"$\log \sigma$"):
        assert applied(text, "markdown").source == text
    assert applied(r"x = r'\enc{q}'").source == r"x = r'\enc{q}'"


def test_an_aside_is_folded_and_on_no_slide(here):
    text = '# %% [markdown] tags=["aside"]\n# #### Why *nats*\n#\n# With $\\gap{x}$:\n#\n# - one\n'
    made = built(here, text).cells[1]
    assert made.source == (
        "<details>\n<summary><b>Aside:</b> Why nats</summary>\n\n"
        rf"With $\textcolor{{{SYMBOLS['gap'][1]}}}{{x}}$:" + "\n\n- one\n\n</details>"
    )
    assert made.metadata["slideshow"] == {"slide_type": "skip"}


def test_an_aside_may_say_so_itself():
    made = applied("## Aside: nats\n\nText.", "markdown", tags=["aside"])
    assert "<summary><b>Aside:</b> nats</summary>" in made.source


def test_an_aside_without_a_heading_is_refused_with_its_line(here, capsys):
    said = refused(here, '# %% [markdown] tags=["aside"]\n# Only text.\n', capsys)
    assert "01_lesson.py:4" in said and "begins with a heading" in said


@pytest.mark.parametrize("tag", ["check", "spoiler"])
def test_prose_is_neither_a_check_nor_a_spoiler(tag):
    with pytest.raises(BuildError, match=f"here:1: a cell of prose cannot be tagged '{tag}'"):
        applied("Text.", "markdown", tags=[tag])


def test_an_unknown_tag_is_refused():
    with pytest.raises(BuildError, match="here:1: no tag 'spoilers'; there are .*spoiler"):
        applied("1", tags=["spoilers"])


@pytest.mark.parametrize(
    ("tag", "hidden"),
    [
        ("check", {"source_hidden": True}),
        ("spoiler", {"outputs_hidden": True}),
        ("aside", {"source_hidden": True, "outputs_hidden": True}),
        ("nbval-skip", None),
    ],
)
def test_a_tag_folds_the_source_or_the_output(tag, hidden):
    assert applied("1", tags=[tag]).metadata.get("jupyter") == hidden


def test_a_check_prints_one_line(here, capsys):
    good = '# %% tags=["check"]\nassert 1\nprint("✓ one is true")\n'
    assert built(here, good).cells[1].outputs[0].text == "✓ one is true\n"
    for bad in ("1", 'print("one is true")', 'print("✓ one\\n✓ two")', 'print("✓ one")\n1'):
        said = refused(here, f'# %% tags=["check"]\n{bad}\n', capsys)
        assert "is tagged check and must print one line" in said


PLOT = """# %% alt="A line that rises to the right."
from vaelib import plots
plots.curves({"KL": {"": [1, 2]}})
"""


def test_a_figures_alternative_text_is_that_of_its_cell(here):
    (output,) = built(here, PLOT).cells[1].outputs
    assert output.metadata["image/png"]["alt"] == "A line that rises to the right."
    # The figure's own text is what nbval compares: it comes again when the cell runs again.
    assert output.data["text/plain"] == "A plot; KL over epoch."


def test_an_alternative_text_without_a_figure_is_refused(here, capsys):
    assert "and not one picture" in refused(here, '# %% alt="A line."\n1 + 1\n', capsys)


def test_a_veiled_result_has_a_first_line_that_nbval_leaves_out(here):
    text = (
        '# %% tags=["spoiler"]\nprint("the odds are 19")\n\n# %% tags=["spoiler"]\n"KL = 0.294"\n'
    )
    printed, value = (c.outputs[0] for c in built(here, text).cells[1:])
    config = (HOME / "notebooks" / "nbval.cfg").read_text(encoding="utf-8")
    pairs = re.findall("^regex: (.*)$\n^replace: (.*)$", config, re.MULTILINE)  # as nbval reads it
    for stored, run in (
        (printed.text, "the odds are 19\n"),
        (value.data["text/plain"], "'KL = 0.294'"),
    ):
        assert stored == conventions.VEIL + run and conventions.unveiled(stored) == run
        for regex, replace in pairs:
            stored = re.sub(regex, replace, stored)
        assert stored == run


def test_the_handout_has_no_result_that_answers_a_question():
    told = new_output("stream", text="the odds are 19")
    kept = new_output("stream", text="a table")
    lesson = new_notebook(
        cells=[cell("1", outputs=[told], tags=["spoiler"]), cell("2", outputs=[kept])]
    )
    lesson.cells[0].execution_count = 1
    text = nbformat.writes(conventions.without_spoilers(lesson))
    assert "odds" not in text and "a table" in text
    assert lesson.cells[0].execution_count is None


@pytest.mark.parametrize(
    "path", sorted((HOME / "notebooks/source").glob("*.py")), ids=lambda p: p.stem
)
def test_no_progress_bar_that_only_a_slow_machine_shows(path):
    """These show one after two seconds, and a notebook then shows more than the stored one."""
    lines = re.findall(r"^\w.*evaluation\.(?:log_marginal|ladder)\(.*", path.read_text(), re.M)
    assert [line for line in lines if "progress=False" not in line] == []
