"""What a student's check said is what the mark is: notebooks that IPython runs, and how."""

import re
from pathlib import Path

import pytest
from made_submissions import KL, simple

from course.marking.marks import Mark, Marked, mark

# The processes of the submissions do not enforce annotations, and so no test here does.
pytestmark = pytest.mark.refuses

START = "from torch import log\nfrom vaelib import check"
CHECK = "check.kl_bernoulli(kl_bernoulli)"
BODY = KL.partition("\n")[2]
WRONG = "def kl_bernoulli(p, q):\n    return p"
STUB = "def kl_bernoulli(p, q):\n    raise NotImplementedError"


def marked(folder: Path, *cells: str, **options) -> Marked:
    simple("a.ipynb", *cells).write(folder)
    lessons = options.pop("lessons", {})
    return mark("a.ipynb", [("a.ipynb", folder / "a.ipynb")], lessons, 7, **options)


def of_kl(folder: Path, *cells: str, **options) -> Mark:
    """The mark of exercise 1.1 in a notebook with these code cells."""
    every = marked(folder, *cells, **options)
    (found,) = (each for each in every.marks if each.name == "kl_bernoulli")
    return found


# Each of these shows ✓ when it is run in Jupyter from the first cell to the last.
RIGHT_IN_JUPYTER = {
    "a comment that ends in ? beside a magic": (
        f"%matplotlib inline\n{START}",
        f"%config A.b = 1\n{KL}\n# is it right?",
        CHECK,
    ),
    "a continued shell line": (f"!pip install \\\n  torch\n{START}", KL, CHECK),
    "a shell line whose output is kept": (f"{START}\nfiles = !ls\nn = len(files)", KL, CHECK),
    "display in the answer": (START, KL.replace("return", "display(p)\n    return"), CHECK),
    "get_ipython in the answer": (
        START,
        KL.replace("return", "get_ipython().user_ns['log']\n    return"),
        CHECK,
    ),
    "a constant set by its key": (
        START,
        "C = {}",
        "C['one'] = 1.0",
        KL.replace("(1 - p)", "(C['one'] - p)"),
        CHECK,
    ),
    "a constant that another value replaces after the check": (
        START,
        "C = {'one': 1.0}",
        KL.replace("(1 - p)", "(C['one'] - p)"),
        CHECK,
        "C['one'] = 5.0",
    ),
    "an array that is changed after the check": (
        f"{START}\nimport torch\nW = torch.ones(2)",
        KL.replace("(1 - p)", "(W[1] - p)"),
        CHECK,
        "W[1] = 3.0",
    ),
    "a constant bound in a with": (
        f"{START}\nimport torch\nwith torch.no_grad():\n    ONE = 1.0",
        KL.replace("(1 - p)", "(ONE - p)"),
        CHECK,
    ),
    "a constant bound in a loop": (
        START,
        "for ONE in [0.5, 1.0]:\n    pass",
        KL.replace("(1 - p)", "(ONE - p)"),
        CHECK,
    ),
    "a helper whose name is used again later": (
        START,
        "def term(a, b):\n    return a * log(a / b)",
        "def kl_bernoulli(p, q):\n    return term(p, q) + term(1 - p, 1 - q)",
        CHECK,
        "def term(n):\n    return n",
    ),
    "another name": (START, KL.replace("kl_bernoulli", "mine"), "check.kl_bernoulli(mine)"),
    "a lambda": (
        START,
        "f = lambda p, q: p*log(p/q) + (1-p)*log((1-p)/(1-q))\ncheck.kl_bernoulli(f)",
    ),
    "a partial": (
        f"{START}\nfrom functools import partial",
        f"def general(one, p, q):\n{BODY.replace('1 -', 'one -')}",
        "check.kl_bernoulli(partial(general, 1.0))",
    ),
    "an instance": (
        START,
        f"class KL:\n    def __call__(self, p, q):\n    {BODY}",
        "check.kl_bernoulli(KL())",
    ),
    "only when it is the main program": (
        START,
        f"if __name__ == '__main__':\n    {KL.replace(chr(10), chr(10) + '    ')}\n    {CHECK}",
    ),
    "all in one cell": (f"{START}\n{KL}\nresult = {CHECK}\nassert result.passed",),
    "timed": (START, f"%%time\n{KL}", f"%time {CHECK}"),
    "its output captured": (START, f"%%capture out\n{KL}\n{CHECK}"),
    "a name bound by %time": (
        START,
        "%time ONE = 1.0",
        KL.replace("(1 - p)", "(ONE - p)"),
        CHECK,
    ),
    "the last result as a constant": (
        START,
        "1.0",
        "ONE = _",
        KL.replace("(1 - p)", "(ONE - p)"),
        CHECK,
    ),
    "an unknown magic": (f"%load_ext autoreload\n%autoreload 2\n%tensorboard\n{START}", KL, CHECK),
    "another language": ("%%bash\nexit 1", START, "%%html\n<b>", KL, CHECK),
    "a file written by a magic": (
        f"{START}",
        f"%%writefile helper.py\nfrom torch import log\n{KL}",
        "from helper import kl_bernoulli",
        CHECK,
    ),
    "await at the top": (f"import asyncio\n{START}\nawait asyncio.sleep(0)", KL, CHECK),
    "cells that fail on the way": (
        "1 / 0",
        START,
        "raise SystemExit",
        "x = (",
        KL,
        CHECK,
        "exit()",
    ),
    "a check that is imported by its name": (
        "from torch import log\nfrom vaelib.check import kl_bernoulli as is_it_right",
        KL,
        "is_it_right(kl_bernoulli)",
    ),
    "prompts that were pasted": (START, ">>> ONE = 1.0", KL.replace("(1 - p)", "(ONE - p)"), CHECK),
    "a wrong one first": (START, WRONG, CHECK, KL, CHECK),
    "an experiment afterwards": (START, KL, CHECK, "check.kl_bernoulli(lambda p, q: 0 * p)"),
    "global variables": (
        START,
        "def set_up():\n    global ONE\n    ONE = 1.0\nset_up()",
        KL.replace("(1 - p)", "(ONE - p)"),
        CHECK,
    ),
    "star imports and del": (
        "from math import *\nfrom torch import *\nfrom vaelib import check\nx = 1\ndel x",
        KL,
        CHECK,
    ),
}


@pytest.mark.parametrize("kind", RIGHT_IN_JUPYTER)
def test_what_is_right_in_jupyter_is_right_when_it_is_marked(tmp_path, kind):
    found = of_kl(tmp_path, *RIGHT_IN_JUPYTER[kind])
    assert found.state == "right", (found.message, found.remarks)
    assert not any("its check" in remark for remark in found.remarks)


# What the check said, or what nobody has checked, and a word of the reason that must be given.
NOT_RIGHT = {
    "a constant that is wrong where it is checked": (
        (
            START,
            "C = {'one': 5.0}",
            KL.replace("(1 - p)", "(C['one'] - p)"),
            CHECK,
            "C['one'] = 1.0",
        ),
        "",
    ),
    "a module that is missing": (
        (
            "import no_such_module\nONE = no_such_module.one",
            START,
            KL.replace("(1 - p)", "(ONE - p)"),
            CHECK,
        ),
        "code cell 1 failed: line 1: ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "a file that is missing": (
        (START, "ONE = float(open('data.csv').read())", KL.replace("(1 - p)", "(ONE - p)"), CHECK),
        "code cell 2 failed: line 1: FileNotFoundError",
    ),
    "a helper's cell that fails": (
        (
            START,
            "1 / 0\ndef term(a, b):\n    return a",
            "def kl_bernoulli(p, q):\n    return term(p, q)",
            CHECK,
        ),
        "code cell 2 failed: line 1: ZeroDivisionError",
    ),
    "its own cell is no Python": (
        (START, "def kl_bernoulli(p, q):\n    return p * (q", CHECK),
        "code cell 2 failed: line 2: SyntaxError",
    ),
    "what is given is no function": ((START, KL, "check.kl_bernoulli(0.5)"), ""),
    "the last definition, without a check": ((START, KL, WRONG), ""),
    "a stub": ((START, STUB, CHECK), ""),
}


@pytest.mark.parametrize("kind", NOT_RIGHT)
def test_what_costs_a_point_is_named(tmp_path, kind):
    cells, reason = NOT_RIGHT[kind]
    found = of_kl(tmp_path, *cells)
    assert found.state != "right" and found.points == 0
    assert any(reason in remark for remark in [*found.remarks, ""]), found.remarks


def test_a_cell_that_never_ends_is_stopped_and_the_next_is_run(tmp_path, monkeypatch):
    monkeypatch.setattr("course.marking.process.SECONDS_PER_CELL", 0.5)
    needs_it = KL.replace("(1 - p)", "(TWO - p)")
    found = of_kl(tmp_path, START, "while True:\n    TWO = 2.0", needs_it, CHECK)
    assert found.cell == 4 and found.state == "wrong"
    assert "code cell 2 failed: not done after 0.5 s" in found.remarks


def test_a_cell_that_ends_the_process_costs_only_itself(tmp_path):
    cells = [START, "import os\nos._exit(3)", KL, CHECK]
    assert of_kl(tmp_path, *cells).state == "right"


LESSON = (
    "from vaelib import check\nfrom torch import log",
    "def helper(p, q):\n    return p * log(p / q)",
    "raise RuntimeError('a training')",
    "history = open('a training').read()",
    "rows = []",
    "rows.append(1.0)",
    STUB,
    CHECK,
)


def test_cells_that_students_got_are_passed_over_unless_they_are_needed(tmp_path):
    """The third and the fourth would fail, and are not run; the helper and the rows are needed."""
    answer = "def kl_bernoulli(p, q):\n    return helper(p, q) + helper(rows[0] - p, rows[0] - q)"
    cells = [answer if cell == STUB else cell for cell in LESSON]
    every = marked(tmp_path, *cells, lessons={1: [*LESSON]})
    (found,) = (each for each in every.marks if each.name == "kl_bernoulli")
    assert found.state == "right", (found.message, found.remarks)
    assert not [remark for remark in every.remarks if "training" in remark]


def test_a_module_in_the_students_folder(tmp_path):
    (tmp_path / "mine.py").write_text(f"from torch import log\n{KL}")
    cells = ["from vaelib import check\nfrom mine import kl_bernoulli", CHECK]
    helpers = [("mine.py", tmp_path / "mine.py")]
    assert of_kl(tmp_path, *cells, helpers=helpers).state == "right"
    assert of_kl(tmp_path, *cells).state == "not attempted"


def test_another_notebook_of_the_folder_can_be_run(tmp_path):
    simple("tools/mine.ipynb", "from torch import log\nONE = 1.0").write(tmp_path)
    answer = KL.replace("(1 - p)", "(ONE - p)")
    simple("01.ipynb", f"{START}\n%run tools/mine.ipynb", answer, CHECK).write(tmp_path)
    files = [(name, tmp_path / name) for name in ("01.ipynb", "tools/mine.ipynb")]
    got = mark("a", files, {}, 7)
    assert got.total == 1, [m.message for m in got.marks if m.message]


@pytest.mark.parametrize("kind", ["script", "notebook cells", "page"])
def test_other_kinds_of_file(tmp_path, kind):
    if kind == "page":
        code = "".join(
            f'<div class="jp-Cell"><div class=" highlight hl-ipython3"><pre><span></span>'
            f"<span>{re.sub('<', '&lt;', cell)}</span></pre></div></div>"
            for cell in (START, KL, CHECK)
        )
        name, text = "a.html", f"<html><script>if (1 < 2) alert()</script>{code}</html>"
    else:
        between = "\n\n# %%\n" if kind == "notebook cells" else "\n\n"
        name, text = "a.py", between.join((START, KL, CHECK))
    (tmp_path / name).write_text(text)
    every = mark("a", [(name, tmp_path / name)], {}, 7)
    assert every.total == 1, every.remarks


def test_nothing_is_trained_for_what_is_no_answer(tmp_path):
    """A drawing of the student's own reads `history`; imports and definitions it does get."""
    got = ("from vaelib import check\nfrom torch import log", "history = open('a training')", CHECK)
    own = "ONE = log(history)\n", KL
    every = marked(tmp_path, got[0], got[1], *own, CHECK, lessons={1: [*got, "a = 1"]})
    assert every.total == 1 and not [r for m in every.marks for r in m.remarks]
