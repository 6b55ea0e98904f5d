"""In a notebook's kernel: it outlives every answer, and what it shows is the same every time."""

import nbformat
from nbclient import NotebookClient

CELLS = [
    "from vaelib import check",
    "def kl_bernoulli(p, q):\n    raise NotImplementedError\ncheck.kl_bernoulli(kl_bernoulli)",
    "def kl_bernoulli(p, q)\n    return p",
    "check.kl_bernoulli(kl_bernoulli)",
    "def kl_bernoulli(p, q):\n    while True:\n        try:\n            pass\n        except:\n"
    "            pass\ncheck.kl_bernoulli(kl_bernoulli, seconds=0.3)",
    "def kl_bernoulli(p, q):\n    exit()\ncheck.kl_bernoulli(kl_bernoulli)",
    "def kl_bernoulli(p, q):\n    return input('p?')\ncheck.kl_bernoulli(kl_bernoulli)",
    "def kl_bernoulli(p, q):\n    print('here')\n    return p < q\n"
    "check.kl_bernoulli(kl_bernoulli)",
    "def kl_bernoulli(p, q):\n    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()\n"
    "check.kl_bernoulli(kl_bernoulli)",
]


def test_the_kernel_outlives_every_answer_and_shows_what_is_wrong():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute()
    shown = [c.outputs[-1]["data"] for c in notebook.cells[1:] if "check." in c.source]
    first = [data["text/plain"].split("\n")[0] for data in shown]
    assert first == [
        "– 1.1 kl_bernoulli: not attempted yet",
        "✗ 1.1 kl_bernoulli: its cell has not been run: SyntaxError: expected ':'",
        "✗ 1.1 kl_bernoulli: it did not come back within 0.3 s and was stopped: "
        "is there a loop that does not end?",
        "✗ 1.1 kl_bernoulli: it calls exit: a function hands its result back with return",
        "✗ 1.1 kl_bernoulli: it waits for input(): all it needs is in its arguments",
        "✗ 1.1 kl_bernoulli: it returns whole numbers (Tensor bool); expected floating-point ones",
        "✓ 1.1 kl_bernoulli: right",
    ]
    panels = [data["text/html"] for data in shown]
    assert all("lesson 1: 0 of 5 done" in panel for panel in panels[:-1])
    assert "lesson 1: 1 of 5 done" in panels[-1]
    assert shown[-1]["text/plain"] == first[-1]
    printed = [o for o in notebook.cells[7].outputs if o.output_type == "stream"]
    assert [o.text for o in printed] == ["here\n"]
