"""What crosses the border between a submission's process and the marking program."""

import json
import pickle

import numpy as np
import pytest

from course.marking import wire
from vaelib.check import Outcome

OUTCOME = Outcome(
    "value",
    (np.array([1.0, np.nan, -np.inf]), np.array(2.0), np.zeros((0, 3))),
    several=True,
    type="tuple of 3",
    gradients=(None, np.ones((2, 1))),
    changed=(1,),
    printed=4,
)


def test_an_outcome_crosses_the_border_unchanged():
    back = wire.unpack_outcome(wire.pack_outcome(5, OUTCOME), 5)
    for mine, theirs in zip(back.value, OUTCOME.value, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.shape == theirs.shape and mine.dtype == np.float64
    assert back.gradients[0] is None and back.gradients[1].shape == (2, 1)
    assert (back.kind, back.several, back.type) == ("value", True, "tuple of 3")
    assert (back.changed, back.printed, back.error) == ((1,), 4, "")


def frame(content, blob: bytes = b"") -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return b"%d\n" % len(text) + text + blob


def head(**changes) -> dict:
    plain = {"kind": "value", "value": 1, "several": False, "type": "float", "error": ""}
    plain |= {"gradients": [], "changed": [], "used_global_random": False, "printed": 0}
    return {"number": 5, "shapes": [[]], "content": plain | changes}


@pytest.mark.parametrize(
    "forged",
    [
        b"",
        b"x",
        b"9" * 5000 + b"\n",
        b"-1\n{}",
        pickle.dumps(OUTCOME),
        frame(b"[" * 100_000),
        frame([1, 2]),
        frame({"number": 5, "shapes": [], "content": 3}),
        frame(head() | {"number": 4}, b"\0" * 8),
        frame(head() | {"number": "5"}, b"\0" * 8),
        frame(head(), b"\0" * 7),
        frame(head(), b"\0" * 9),
        frame(head() | {"shapes": [[10**18, 10**18]]}, b"\0" * 8),
        frame(head() | {"shapes": [[-1, -1]]}, b"\0" * 8),
        frame(head() | {"shapes": [[1.0]]}, b"\0" * 8),
        frame(head() | {"shapes": [[1] * 40]}, b"\0" * 8),
        frame(head(value=2), b"\0" * 8),
        frame(head(value=True), b"\0" * 8),
        frame(head(kind="right"), b"\0" * 8),
        frame(head(passed=True), b"\0" * 8),
        frame(head(printed="4"), b"\0" * 8),
        frame(head(changed=["x"]), b"\0" * 8),
        frame(head(gradients=[True]), b"\0" * 8),
    ],
)
def test_a_forged_answer_is_refused(forged):
    assert wire.unpack_outcome(frame(head(), b"\0" * 8), 5).kind == "value"
    with pytest.raises(ValueError):
        wire.unpack_outcome(forged, 5)


def test_texts_from_outside_are_short_and_plain():
    assert wire.text("a\x1b[31m\x07b\n\u202ec") == "a�[31m�b\n�c"
    assert len(wire.short("x" * 10**6)) == 2000
