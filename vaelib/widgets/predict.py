"""Predict, commit, reveal: a question, an answer that the reader commits to, then why.

The texts of the lessons' questions are in `predictions/lessonN.toml`, so that the code of a lesson
does not show the answer: `Predict("die")`. A question of one's own is given in full.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import traitlets

from vaelib.widgets import bundle
from vaelib.widgets.base import Widget
from vaelib.widgets.bundle import Export
from vaelib.widgets.mathml import plain, rich

FOLDER = Path(__file__).parent / "predictions"
FIELDS = {"question", "answers", "right", "because", "tolerance", "unit"}


@cache
def predictions() -> dict[str, dict[str, Any]]:
    """The questions of all lessons, by key. Raises ValueError where two have the same key."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for key, fields in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if key in found:
                raise ValueError(f"{path.name}: the key {key!r} is taken; choose another")
            found[key] = fields
    return found


class Predict(Widget):
    """A question whose answer appears when the reader has committed to one.

    `Predict("die")` is one of the lessons' questions; `Predict(question=…, …)` is one of your own:

    - `question`: text, in which `$…$` is a formula and `**…**` bold;
    - `answers`: two to four texts, each with what leads people to it (empty for the right one);
    - `right`: the right one of them. If it is a number, the reader types a number, right within
      `tolerance`, in `unit`; `answers` are then the wrong numbers that people give;
    - `because`: why it is right.

    What the reader answered is stored nowhere. Raises ValueError at an unknown key and where the
    fields do not fit together.

    >>> Predict(question="Is $1 + 1 = 2$?", answers={"yes": "", "no": "A slip."}, right="yes",
    ...         because="Count.")
    Predict: Is 1+1=2?
      ( ) yes
      ( ) no
    """

    view = "predict"
    _esm = bundle.module(view)
    _css = bundle.style("base", "predict")

    spec = traitlets.Dict().tag(sync=True)

    def __init__(self, key: str = "", **fields: Any) -> None:
        self.given = {"key": key} if key else fields
        if key:
            if key not in predictions():
                known = ", ".join(predictions())
                raise ValueError(f"there is no question {key!r}; there are {known}")
            fields = {**predictions()[key], **fields}
        self.fields = checked(fields, key or "the question")
        super().__init__(spec=spec(self.fields))

    def export(self) -> Export:
        """The question, for a page without a kernel."""
        script = bundle.standalone("Predict", self.view, "show")
        return Export("Predict", {"spec": self.spec, "error": ""}, script, str(self._css))

    def __repr__(self) -> str:
        question = f"Predict: {plain(self.fields['question'])}"
        if not isinstance(self.fields["right"], str):
            return f"{question}\n  a number: ____ {plain(self.fields['unit'])}".rstrip()
        return "\n".join([question, *(f"  ( ) {plain(text)}" for text in self.fields["answers"])])

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The live view, and the question as text for where it cannot run.

        The metadata says which question it is, so that a page can make it live again.
        """
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        data["text/plain"] = repr(self)
        return data, {**metadata, "vaelib": {"predict": self.given}}


def checked(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The fields of a question, complete. Raises ValueError, which begins with `name`."""
    unknown = set(fields) - FIELDS
    missing = {"question", "answers", "right", "because"} - set(fields)
    if unknown or missing:
        wrong = (
            f"has no field {sorted(unknown)[0]!r}" if unknown else f"needs {sorted(missing)[0]!r}"
        )
        raise ValueError(f"{name}: a question {wrong}; it has {', '.join(sorted(FIELDS))}")
    answers = dict(fields["answers"])
    right = fields["right"]
    if isinstance(right, str):
        if not 2 <= len(answers) <= 4:
            raise ValueError(f"{name}: {len(answers)} answers; a question has two to four")
        if right not in answers:
            raise ValueError(f"{name}: the right answer {right!r} is not among {list(answers)}")
    elif float(fields.get("tolerance", 0)) <= 0:
        raise ValueError(f"{name}: a number needs a tolerance above 0, such as tolerance=0.05")
    for text, why in answers.items():
        if not why.strip() and text != right:
            raise ValueError(f"{name}: say what leads people to the answer {text!r}")
    return {"tolerance": 0.0, "unit": "", **fields, "answers": answers}


def spec(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the page needs, its texts as HTML."""
    right = fields["right"]
    number = not isinstance(right, str)
    return {
        "question": rich(fields["question"]),
        "answers": [
            {"html": rich(text), "why": rich(why), "right": text == right}
            for text, why in fields["answers"].items()
        ],
        "right": f"{right:g}".replace("-", "−") if number else rich(right),
        "number": float(right) if number else None,
        "tolerance": float(fields["tolerance"]),
        "unit": rich(fields["unit"]),
        "because": rich(fields["because"]),
    }
