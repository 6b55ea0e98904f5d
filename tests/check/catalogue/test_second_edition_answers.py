"""The bank of wrong answers of the second edition: none passes, the common ones are named."""

import pytest
from wrong_answers.second_edition import BANK

from vaelib import check

CASES = [
    pytest.param(name, mistake, answer, id=f"{name}-{i}")
    for name, bank in BANK.items()
    for i, (mistake, answer) in enumerate(bank)
]


@pytest.mark.parametrize("name, mistake, answer", CASES)
def test_a_wrong_answer_does_not_pass_and_its_mistake_is_named(name, mistake, answer):
    for seed in (0, 1):
        result = getattr(check, name)(answer, seed=seed, seconds=1.0)
        assert result.attempted and not result.passed, seed
        assert mistake is None or result.misconception == mistake, result


def test_there_are_forty_for_each_exercise():
    assert all(len(bank) >= 40 for bank in BANK.values()), {n: len(b) for n, b in BANK.items()}
