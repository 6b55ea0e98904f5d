"""A right answer that a check refuses on some seed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "check"))

from right_answers import ANSWERS

from vaelib import check

SEEDS = range(3, 23)


@pytest.mark.parametrize("name", check.EXERCISES)
def test_on_twenty_more_seeds(name, record_property):
    refused = []
    tried = 0
    for parameter in ANSWERS:
        exercise, function = parameter.values
        for seed in SEEDS if exercise == name else ():
            tried += 1
            result = getattr(check, name)(function, seed=seed)
            if not result.passed:
                refused.append(f"{parameter.id}, seed {seed}: {result.misconception}")
    record_property("cases", tried)
    record_property("held", tried - len(refused))
    if refused:
        record_property("worst", "; ".join(refused[:3]))
    assert tried >= 5 * len(SEEDS)
    assert not refused
