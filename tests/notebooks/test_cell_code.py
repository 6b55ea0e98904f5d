"""The names that a cell binds and needs, found without running it."""

import ast

from notebooks.cell_code import names_read, statements


def test_names_that_a_cell_needs_and_binds():
    source = "def f(x: Gone, y=one):\n    import os\n    z = g(x)\n    return [h(i) for i in z]"
    tree = ast.parse(source)
    (found,) = statements(source, tree)
    assert found.binds == {"f"}
    assert found.reads == {"one", "g", "h"}
    assert names_read(tree) == {"one", "g", "h"}


def test_only_imports_definitions_and_assignments_may_be_run():
    source = (
        "from __future__ import annotations\nimport os\nfor i in x: pass\nprint(1)\na = b\n"
        "if a:\n    c = 1\nelse:\n    d = 2\n"
        "try:\n    import e\nexcept ImportError:\n    print(2)\n"
    )
    found = [statement.binds for statement in statements(source, ast.parse(source))]
    assert found == [{"os"}, {"a"}, {"c", "d"}]
