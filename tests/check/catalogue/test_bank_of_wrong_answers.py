"""The bank of wrong answers: none passes, and the mistakes of the common ones are named.

`make torture` tries it on more seeds.
"""

import pytest
from wrong_answers import BANK, LISTED, UNLISTED

from vaelib import check


@pytest.mark.parametrize("name", BANK)
def test_no_wrong_answer_passes_and_the_common_mistakes_are_named(name):
    for i, (mistake, answer) in enumerate(BANK[name]):
        result = getattr(check, name)(answer, seed=0)
        assert result.attempted and not result.passed, (i, result)
        assert mistake is None or result.misconception == mistake, (i, mistake, result)


def test_there_are_forty_for_each_exercise():
    banks = (BANK, LISTED, UNLISTED)
    counts = {name: sum(len(bank.get(name, ())) for bank in banks) for name in check.EXERCISES}
    assert all(count >= 40 for count in counts.values()), counts
