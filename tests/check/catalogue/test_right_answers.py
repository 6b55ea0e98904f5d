"""Right answers, each exercise's in several ways: none is refused.

`make torture` tries them on more seeds.
"""

from collections import Counter

import pytest
import torch
from right_answers import ANSWERS
from right_answers.lesson4 import with_the_default_dtype

from vaelib import check


@pytest.mark.parametrize("name, function", ANSWERS)
def test_a_right_answer_is_accepted_on_every_seed(name, function):
    results = [getattr(check, name)(function, seed=seed) for seed in range(3)]
    for result in results:
        assert result.passed and result.attempted and result.misconception is None, result
    assert {repr(result) for result in results} == {repr(results[0])}
    assert "\n" not in repr(results[0])


def test_every_exercise_has_ten_styles():
    names = Counter(parameter.values[0] for parameter in ANSWERS)
    assert all(names[name] >= (5 if name == "diagnose" else 10) for name in check.EXERCISES), names


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_an_answer_may_rely_on_the_default_dtype_that_the_lesson_sets(default):
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        assert check.linear_gaussian_posterior(with_the_default_dtype).passed
        assert torch.get_default_dtype() == default
    finally:
        torch.set_default_dtype(before)
