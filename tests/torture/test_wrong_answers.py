"""A wrong answer that a check lets pass on some seed, or names otherwise than on the first."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "check"))

from wrong_answers import BANK, LISTED, UNLISTED

from vaelib import check

SEEDS = range(1, 9)


def answers(name):
    """Pairs of the mistake that is to be named, or None, and an answer."""
    return [
        *LISTED.get(name, ()),
        *((None, answer) for answer, _ in UNLISTED.get(name, ())),
        *BANK.get(name, ()),
    ]


@pytest.mark.parametrize("name", check.EXERCISES)
def test_on_eight_more_seeds(name, record_property):
    wrong = []
    tried = 0
    for i, (mistake, answer) in enumerate(answers(name)):
        for seed in SEEDS:
            tried += 1
            result = getattr(check, name)(answer, seed=seed)
            if result.passed or not result.attempted:
                wrong.append(f"{name} {i}: passes for seed {seed}")
            elif mistake not in (None, result.misconception):
                wrong.append(f"{name} {i}: {result.misconception} for {mistake}, seed {seed}")
    record_property("cases", tried)
    record_property("held", tried - len(wrong))
    if wrong:
        record_property("worst", "; ".join(wrong[:3]))
    assert tried >= 40 * len(SEEDS)
    assert not wrong
