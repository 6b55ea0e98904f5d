"""Wrong answers that try to get their points all the same."""

import json

import pytest
from forged_answers import FORGED, forged
from made_submissions import KL

# The processes of the submissions do not enforce annotations, and so no test here does.
pytestmark = pytest.mark.refuses
# One of each kind: in the result, in the process, over the pipe, in files. `make torture` has all.
SOME = [
    "an object that is equal to everything",
    "outcomes that say right",
    "answers for later, sent by a thread",
    "modules in its folder",
]


@pytest.mark.parametrize("name", SOME)
def test_a_forged_answer_gets_no_point(name, tmp_path):
    marked = forged(name, tmp_path)
    assert marked.total == 0
    assert "1.1" in next(m.message for m in marked.marks if m.name == "kl_bernoulli")
    json.dumps(marked.as_json()).encode()


def test_a_right_answer_in_the_same_place_gets_its_point(tmp_path, monkeypatch):
    right = "from torch import log\n" + KL + "\nfrom vaelib import check\n"
    monkeypatch.setitem(FORGED, "right", [right + "check.kl_bernoulli(kl_bernoulli)"])
    assert forged("right", tmp_path).total == 1
