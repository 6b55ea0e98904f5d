"""A sample of small changes to right answers: what a check decides does not depend on the seed."""

import inspect

import pytest
from changed_answers import mutants
from right_answers import ANSWERS

from vaelib import check

SAMPLE = 4  # changes of each exercise's first right answer
FIRST = {}
for parameter in ANSWERS:
    exercise, function = parameter.values
    if inspect.isfunction(function) and function.__name__ != "<lambda>":
        FIRST.setdefault(exercise, function)


@pytest.mark.parametrize("name", FIRST)
def test_a_changed_answer_is_refused_on_every_seed_or_on_none(name):
    results = []
    changed = list(mutants(FIRST[name]))
    for text, mutant in changed[:: -(-len(changed) // SAMPLE)]:
        judged = [getattr(check, name)(mutant, seed=s, seconds=0.5) for s in (0, 1)]
        assert not any("the check itself failed" in result.message for result in judged), text
        assert judged[0].passed == judged[1].passed, text
        results.append(judged[0].passed)
    assert False in results
