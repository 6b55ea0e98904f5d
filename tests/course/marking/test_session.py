"""What the process of a notebook may answer, and that nothing else is believed."""

import pytest

from course.marking.session import understood

FUNCTION = {"name": "elbo", "cell": 3, "text": "def elbo(): ...", "callable": True}
FUNCTION |= {"vaelib": False, "needs": ["torch"]}
DONE = {"error": "", "defined": ["elbo"]}


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("cell", DONE),
        ("on", DONE),
        ("cell", {"check": FUNCTION}),
        ("on", {"check": FUNCTION}),
        ("last", FUNCTION),
        ("last", {}),
        ("alone", {"error": "NameError"}),
    ],
)
def test_an_answer_is_understood(word, answer):
    assert understood(word, answer) == answer


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("cell", []),
        ("cell", {}),
        ("cell", {"error": ""}),
        ("cell", {"error": 3, "defined": []}),
        ("cell", {"error": "", "defined": "elbo"}),
        ("cell", {"error": "", "defined": [3]}),
        ("cell", {"error": "", "defined": ["x"] * 501}),
        ("cell", FUNCTION),
        ("on", {"check": None}),
        ("on", {"check": FUNCTION | {"cell": "3"}}),
        ("on", {"check": FUNCTION | {"cell": True}}),
        ("on", {"check": FUNCTION | {"name": "all of them"}}),
        ("on", {"check": FUNCTION | {"points": 3}}),
        ("on", {"check": FUNCTION | {"needs": [["x"]]}}),
        ("on", {"check": {"name": "elbo"}}),
        ("last", DONE),
        ("alone", {}),
        ("alone", FUNCTION),
    ],
)
def test_anything_else_is_not(word, answer):
    with pytest.raises(ValueError):
        understood(word, answer)
