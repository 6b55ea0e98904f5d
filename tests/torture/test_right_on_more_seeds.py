"""A right answer that a check refuses on some seed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "check"))

from right_answers import ANSWERS

from vaelib import check

SEEDS = range(3, 11)
BY_EXERCISE = {
    name: [a.values[1] for a in ANSWERS if a.values[0] == name] for name in check.EXERCISES
}


@pytest.mark.parametrize("name", BY_EXERCISE)
def test_on_eight_more_seeds(name, record_property):
    refused = [
        f"{name} {i}, seed {seed}"
        for i, function in enumerate(BY_EXERCISE[name])
        for seed in SEEDS
        if not getattr(check, name)(function, seed=seed).passed
    ]
    tried = len(BY_EXERCISE[name]) * len(SEEDS)
    record_property("cases", tried)
    record_property("held", tried - len(refused))
    if refused:
        record_property("worst", "; ".join(refused[:5]))
    assert not refused
