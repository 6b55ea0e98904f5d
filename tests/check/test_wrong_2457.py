"""Wrong answers to lessons 2, 4, 5 and 7: what the table lists is named, and nothing passes."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vaelib import check

sys.path.insert(0, str(Path(__file__).parent))
from more_wrong_answers import UNLISTED  # noqa: E402
from wrong_answers import LISTED  # noqa: E402

MINE = [exercise for exercise in check.EXERCISES.values() if exercise.number[0] in "2457"]
listed = [
    pytest.param(name, mistake.strip(), answer, id=f"{name}: {mistake.strip()}")
    for name, answers in LISTED.items()
    for mistake, answer in answers.items()
]
unlisted = [
    pytest.param(name, answer, id=f"{name}-{i}")
    for name, answers in UNLISTED.items()
    for i, answer in enumerate(answers)
]
every = pytest.mark.parametrize("exercise", MINE, ids=lambda e: e.name)


@pytest.mark.parametrize("name, mistake, answer", listed)
def test_a_listed_mistake_is_named_on_every_seed(name, mistake, answer):
    for seed in range(4):
        result = getattr(check, name)(answer, seed=seed)
        assert result.attempted and not result.passed, (seed, result)
        assert result.misconception == mistake, (seed, result)


def test_every_exercise_has_its_share_of_wrong_answers():
    assert list(LISTED) == list(UNLISTED) == [exercise.name for exercise in MINE]
    assert all(len(answers) >= 5 for answers in UNLISTED.values())


def test_nine_in_ten_unlisted_wrong_answers_are_named():
    results = [getattr(check, p.values[0])(p.values[1], seed=3) for p in unlisted]
    unnamed = [result for result in results if result.misconception is None]
    assert len(unnamed) <= 0.15 * len(results), unnamed


@pytest.mark.parametrize("name, answer", unlisted)
def test_an_unlisted_wrong_answer_never_passes_and_is_told_more_than_that_it_differs(name, answer):
    for seed in range(3):
        result = getattr(check, name)(answer, seed=seed)
        assert result.attempted and not result.passed
        fails = [prop.fails for prop in check.EXERCISES[name].properties]
        said = result.misconception or any(sentence in result.message for sentence in fails)
        assert said, result


def outcomes(exercise, prop, seed, **flags):
    probes = prop.probes(np.random.default_rng(seed))
    return [check.call(partial(exercise.variant, **flags), probe) for probe in probes]


def shapes(outcomes):
    return [[v.shape for v in outcome.value] for outcome in outcomes]


@every
def test_each_property_holds_for_the_reference_and_fails_for_a_mistake(exercise):
    assert exercise.properties
    for prop in exercise.properties:
        assert all(prop.holds(outcomes(exercise, prop, seed)) for seed in range(5)), prop.name
        right = shapes(outcomes(exercise, prop, 0))
        wrong = [outcomes(exercise, prop, 0, **m.change) for m in exercise.mistakes]
        assert not all(prop.holds(o) for o in wrong if shapes(o) == right), prop.name


@every
def test_the_smallest_inputs_come_first_and_limits_last(exercise):
    probes = exercise.inputs(np.random.default_rng(0))
    kinds = [probe.limit for probe in probes]
    assert kinds == sorted(kinds) and True in kinds and kinds.count(False) >= 3
    sizes = [sum(np.asarray(a).size for a in probe.args) for probe in probes if not probe.limit]
    assert sizes[0] == min(sizes)
    assert all(probe.label for probe in probes if probe.limit)
