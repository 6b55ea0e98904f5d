"""Predict: its texts, what it shows where nothing runs, what it refuses, what its page gets."""

import json

import pytest
from inputs import HOME

from vaelib.widgets import Predict, predict

DIE = {
    "question": r"Is $\enc{q}$ right?",
    "answers": {"yes": "", "no": "A slip with $x^2$."},
    "right": "yes",
    "because": "Count to $2$.",
}
NUMBER = {
    "question": "How many nats?",
    "answers": {"1.10": "A six alone."},
    "right": 0.294,
    "tolerance": 0.03,
    "unit": "nats",
    "because": "On average.",
}
KEYS = list(predict.predictions())


def test_every_question_of_the_lessons_can_be_asked():
    for key in KEYS:
        assert Predict(key).spec["because"]


def test_a_lessons_code_and_text_do_not_show_the_answer():
    for key in KEYS:
        made = Predict(key)
        data, metadata = made._repr_mimebundle_()
        assert data["text/plain"] == repr(made)
        assert metadata["vaelib"] == {"predict": {"key": key}}
        assert made.fields["because"].strip()[:20] not in repr(made)


def test_where_nothing_runs_the_question_and_its_answers_are_text():
    assert repr(Predict(**DIE)) == "Predict: Is q right?\n  ( ) yes\n  ( ) no"
    assert repr(Predict(**NUMBER)) == "Predict: How many nats?\n  a number: ____ nats"


def test_the_page_gets_the_texts_as_html():
    spec = Predict(**DIE).spec
    assert '<mrow class="vaelib-enc">' in spec["question"]
    assert [answer["right"] for answer in spec["answers"]] == [True, False]
    assert "<msup>" in spec["answers"][1]["why"] and spec["number"] is None
    number = Predict(**NUMBER).spec
    assert (number["number"], number["tolerance"], number["right"]) == (0.294, 0.03, "0.294")


def test_what_was_answered_is_no_state():
    export = Predict(**DIE).export()
    assert set(export.state) == {"spec", "error"}
    assert json.loads(export.state_json())["spec"] == Predict(**DIE).spec


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"right": "maybe"}, r"the right answer 'maybe' is not among \['yes', 'no'\]"),
        ({"answers": {"yes": ""}}, "1 answers; a question has two to four"),
        ({"answers": dict.fromkeys("abcde", "x"), "right": "a"}, "5 answers"),
        ({"answers": {"yes": "", "no": " "}}, "say what leads people to the answer 'no'"),
        ({"right": 3}, "a number needs a tolerance above 0"),
        ({"hint": "x"}, "has no field 'hint'; it has answers, because"),
        ({"question": r"$\nonsense$"}, r"\\nonsense, which a widget cannot set"),
    ],
)
def test_fields_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        Predict(**{**DIE, **changes})


def test_a_missing_field_is_named():
    with pytest.raises(ValueError, match="the question: a question needs 'because'"):
        Predict(**{name: text for name, text in DIE.items() if name != "because"})


def test_an_unknown_key_says_which_there_are():
    with pytest.raises(ValueError, match=f"there is no question 'dice'; there are .*{KEYS[0]}"):
        Predict("dice")


def test_a_key_in_two_lessons_is_refused(tmp_path, monkeypatch):
    for name in ("lesson1", "lesson2"):
        (tmp_path / f"{name}.toml").write_text("[die]\nquestion = 'x'\n", encoding="utf-8")
    monkeypatch.setattr(predict, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="lesson2.toml: the key 'die' is taken"):
        predict.predictions.__wrapped__()


def test_each_file_is_a_lessons_and_its_questions_are_asked_there():
    """A lesson's questions are in its own file, where its writer looks for them."""
    names = {f"lesson{path.name[1]}" for path in (HOME / "notebooks" / "source").glob("0*.py")}
    assert {path.stem for path in predict.FOLDER.glob("*.toml")} <= names
