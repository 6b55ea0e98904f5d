"""What a lesson of the second edition keeps: its length, its shape, and how it writes mathematics.

These tests read the sources; nothing is built. tests/notebooks/second_edition.py says which lessons
they hold for.
"""

import ast
import re
import statistics
from pathlib import Path

import jupytext
import pytest
from second_edition import LESSONS
from small_lesson import SECOND_EDITION

from vaelib import widgets
from vaelib.widgets.predict import predictions

SOURCES = Path(__file__).resolve().parents[2] / "notebooks" / "source"
SHOWN = {name for name in widgets.__all__ if name not in ("Predict", "TrainingCurves")}
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(r"(?<!\\)\$\$.+?\$\$|(?<![\\$])\$[^$]+?\$", re.DOTALL)
LINK = re.compile(r"\]\([^)]*\)|<[^>]+>|https?://\S+")
RAW = re.compile(r"[α-ωΑ-Ωϕϵ∇∂∫∑∏√‖≤≥≈≠∈→²³⁻¹ₖ₁₂]|\b[A-Za-z]{1,2}_[A-Za-z0-9]\b|x̂")
RAW_LABEL = re.compile(r"[A-Za-zα-ωϕ][_^][A-Za-zα-ω0-9{]|[₀-₉]|\\[a-z]+")


def cells_of(text: str) -> list:
    return jupytext.reads(text, fmt="py:percent").cells


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def headings(cell) -> list[str]:
    return re.findall(r"^#+ +(.+)", cell.source, re.MULTILINE) if is_prose(cell) else []


def is_prose(cell) -> bool:
    return cell.cell_type == "markdown"


FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)  # a hint


def words(cells: list) -> int:
    """Of the prose that is not folded."""
    prose = (c.source for c in cells if is_prose(c) and "aside" not in tags(c))
    return sum(len(FOLDED.sub("", text).split()) for text in prose)


def raw_mathematics(cells: list) -> list[str]:
    """What should be typeset: signs and letters of formulas that stand as text."""
    found = []
    for cell in filter(is_prose, cells):
        if "map" in tags(cell):
            continue
        text = LINK.sub(" ", FORMULA.sub(" ", CODE.sub(" ", cell.source)))
        found += [match[0] for match in RAW.finditer(text)]
    for cell in cells:
        for label in labels(cell):
            found += [m[0] for m in RAW_LABEL.finditer(FORMULA.sub(" ", label))]
    return found


def labels(cell) -> list[str]:
    """The strings that a code cell hands to `plots`."""
    inside = (part for call in plot_calls(cell) for part in ast.walk(call))
    return [p.value for p in inside if isinstance(p, ast.Constant) and isinstance(p.value, str)]


def calls(cell) -> list[ast.Call]:
    if is_prose(cell):
        return []
    return [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]


def plot_calls(cell) -> list[ast.Call]:
    return [call for call in calls(cell) if ast.unparse(call.func).startswith("plots.")]


def called(cell, names) -> list[ast.Call]:
    """The calls in a code cell of a name among `names`, also as an attribute."""
    return [call for call in calls(cell) if ast.unparse(call.func).split(".")[-1] in names]


def faults(name: str, text: str, keys) -> list[str]:
    """What a lesson does not keep, one sentence each; `keys` are those of all predictions."""
    cells = cells_of(text)
    first_lesson = name.startswith("00")
    code = [cell for cell in cells if not is_prose(cell)]
    found = []
    if (count := words(cells)) > 3000:
        found.append(f"{count} words of prose outside asides; at most 3,000")
    # A solution is not what students see; one line stands for it.
    stub = re.compile(r"### BEGIN SOLUTION.*?### END SOLUTION", re.DOTALL)
    lines = [sum(bool(x.strip()) for x in stub.sub("x", c.source).splitlines()) for c in code]
    if max(lines) > 25 or statistics.median(lines) > 6:
        found.append(f"cells of {max(lines)} lines, {statistics.median(lines)} in the median")
    if len(code[0].source.splitlines()) > 8:
        found.append("the first code cell has more than 8 lines")
    asked = [call for cell in code for call in called(cell, {"Predict"})]
    if not first_lesson and not 2 <= len(asked) <= 5:
        found.append(f"{len(asked)} Predicts; two to five")
    for call in asked:
        key = call.args[0].value if call.args else None
        if key not in keys:
            found.append(f"Predict({key!r}) has no text in vaelib/widgets/predictions/")
    if not looks_early(cells):
        found.append("no lab within the first six cells or before the fourth heading")
    if not first_lesson:
        found += reference_faults(cells)
    found += [f"alt= in the code of {c.source[:40]!r}" for c in code if passes_alt(c)]
    found += [f"a lab's picture twice: {c.source[:40]!r}" for c in code if called(c, {"figure"})]
    for cell in code:
        if "check" not in tags(cell) and any(map(checks, ast.parse(cell.source).body)):
            found.append(f"an assert in a cell not tagged check: {cell.source[:40]!r}")
    if raw := raw_mathematics(cells):
        found.append(f"not typeset: {' '.join(raw[:20])}")
    return found


def checks(statement) -> bool:
    """Whether a statement at the top of a cell only checks: `assert …`, `….assert_close(…)`."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return ast.unparse(statement.value.func).split(".")[-1].startswith("assert")
    return isinstance(statement, ast.Assert)


def looks_early(cells: list) -> bool:
    """Whether a lab or the explorer is shown within about two screens."""
    at = next((i for i, cell in enumerate(cells) if called(cell, SHOWN)), None)
    if at is None:
        return False
    return at < 6 or sum(len(headings(cell)) for cell in cells[:at]) < 4


def reference_faults(cells: list) -> list[str]:
    prose = "\n".join(cell.source for cell in cells if is_prose(cell))
    parts = re.split(r"^## +(.+)$", prose, flags=re.MULTILINE)
    if len(parts) < 3 or parts[-2].strip() != "References":
        return ["the last section is not '## References'"]
    items = re.findall(r"^[-*\d]+\.? ", parts[-1], re.MULTILINE)
    return [] if 3 <= len(items) <= 6 else [f"{len(items)} references; three to six"]


def passes_alt(cell) -> bool:
    keywords = (word for call in plot_calls(cell) for word in call.keywords)
    return any(word.arg == "alt" for word in keywords)


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_keeps_what_the_second_edition_asks_for(name):
    assert faults(name, (SOURCES / f"{name}.py").read_text(encoding="utf-8"), predictions()) == []


def test_the_small_lesson_keeps_everything():
    assert faults("01_small", SECOND_EDITION, {"die"}) == []


CHANGES = {
    "words of prose": ("Its unit", "word " * 3000 + "Its unit"),
    "cells of 28 lines": ("kl = 0.294", "\n".join(["kl = 0.294"] * 26)),
    "the first code cell": ("import torch", "import torch\n" * 9),
    "1 Predicts": ('Predict("die")\n\n# %%\nPredict("die")', 'Predict("die")'),
    "Predict('nothing')": ('Predict("die")', 'Predict("nothing")'),
    "no lab within": ("KLLab()", "KLLab"),
    "the last section": ("## References", "## Papers"),
    "2 references": ("# - Third.\n", ""),
    "alt= in the code": ('xlabel="$n$"', 'xlabel="$n$", alt="A line that rises."'),
    "a lab's picture twice": ("kl = 0.294", "KLLab().figure()"),
    "an assert in a cell": ('tags=["check"]', ""),
    "not typeset: σ": ("Its unit", "The σ, its unit"),
    "not typeset: p_n": ("Its unit", "The p_n, its unit"),
    "not typeset: ≥": ("Its unit", "It is ≥ 0, its unit"),
    "not typeset: p_θ": ('xlabel="$n$"', 'xlabel="p_θ"'),
}


@pytest.mark.parametrize("said", CHANGES)
def test_a_small_lesson_that_breaks_one_rule_is_found(said):
    before, after = CHANGES[said]
    assert before in SECOND_EDITION
    (fault,) = faults("01_small", SECOND_EDITION.replace(before, after, 1), {"die"})
    assert said in fault
