"""The catalogue, tried on its own checks: references pass, and each mistake is named.

Whether two mistakes behave the same is decided here by comparing their outcomes, without the code
that names them.
"""

from functools import partial
from itertools import combinations

import numpy as np
import pytest

from vaelib import check
from vaelib.check.machinery.recognise import Bench

COMPARED = {name: e for name, e in check.EXERCISES.items() if e.judge is None}
PAIRS = 8  # pairs of mistakes that are tried for each exercise
compared = pytest.mark.parametrize("exercise", COMPARED.values(), ids=COMPARED)


def flags_of(*mistakes):
    return {k: v for mistake in mistakes for k, v in mistake.change.items()}


def variant(exercise, *mistakes, **flags):
    return lambda *args: exercise.variant(*args, **flags, **flags_of(*mistakes))


def test_every_row_of_the_table_has_its_check():
    numbers = [exercise.number for exercise in check.EXERCISES.values()]
    counts = {1: 5, 2: 4, 3: 3, 4: 3, 5: 4, 6: 4, 7: 4}
    assert numbers == [f"{a}.{b}" for a, n in counts.items() for b in range(1, n + 1)]
    for name, exercise in check.EXERCISES.items():
        assert getattr(check, name).__name__ == exercise.signature.split("(")[0] == name
        assert exercise.points == exercise.stars and 5 <= exercise.minutes <= 45


@pytest.mark.parametrize("name", check.EXERCISES)
def test_the_reference_is_right_and_the_stub_is_not_attempted(name):
    exercise = check.EXERCISES[name]
    judge = getattr(check, name)

    def stub(*args):
        raise NotImplementedError

    for seed in range(3):
        assert repr(judge(exercise.variant, seed=seed)) == f"✓ {exercise.number} {name}: right"
        for flags in exercise.also:
            assert judge(variant(exercise, **flags), seed=seed).passed
    for result in (judge(stub), judge(stub)):
        assert (result.passed, result.attempted, result.misconception) == (False, False, None)
        assert repr(result) == f"– {exercise.number} {name}: not attempted yet"


@compared
def test_each_mistake_is_named(exercise):
    assert len(exercise.mistakes) >= 5
    for mistake in exercise.mistakes:
        assert mistake.name and mistake.hint
        result = getattr(check, exercise.name)(variant(exercise, mistake), seed=0)
        assert result.attempted and not result.passed, mistake.name
        assert result.misconception == mistake.name, result
        hints = [m.hint for m in exercise.mistakes if m.name == mistake.name]
        assert any(hint in result.message for hint in hints), result


def differ(a, b):
    """Whether two outcomes are different behaviour, by a rule that only this file uses."""
    if (a.kind, a.several, len(a.value), a.changed) != (b.kind, b.several, len(b.value), b.changed):
        return True
    arrays = [*zip(a.value, b.value, strict=True), *zip(a.gradients, b.gradients, strict=True)]
    return any(
        (x is None) != (y is None)
        or x is not None
        and not (x.shape == y.shape and np.allclose(x, y, rtol=1e-5, atol=1e-8, equal_nan=True))
        for x, y in arrays
    )


@compared
def test_two_mistakes_at_once_are_named_unless_others_behave_the_same(exercise):
    seed = 0
    bench = Bench(exercise, seed)
    known = exercise.mistakes
    pairs = [(a, b) for a, b in combinations(known, 2) if not a.change.keys() & b.change]
    others = [(), *((m,) for m in known), *pairs]
    chosen = np.random.default_rng(5).permutation(len(pairs))[:PAIRS]
    named = 0
    for pair in (pairs[i] for i in chosen):
        alike = [
            other
            for other in others
            if other != pair
            and not any(
                differ(bench.outcome(i, pair), bench.outcome(i, other)) for i in bench.ordinary
            )
        ]
        result = getattr(check, exercise.name)(variant(exercise, *pair), seed=seed)
        if () not in alike:
            assert not result.passed, [m.name for m in pair]
        if not alike and any(
            np.isfinite(v).any() for i in bench.ordinary for v in bench.outcome(i, pair).value
        ):
            named += 1
            assert result.misconception == f"{pair[0].name} + {pair[1].name}", result
    # Single numbers hide much: several pairs give the same number of rolls, or a β of 0 or 1.
    assert named >= (1 if exercise.name in ("rolls_to_convict", "linear_annealing") else 3)


def outcomes(exercise, prop, seed, **flags):
    probes = prop.probes(np.random.default_rng(seed))
    return [check.call(partial(exercise.variant, **flags), probe) for probe in probes]


def shapes(outcomes):
    return [[v.shape for v in outcome.value] for outcome in outcomes]


@compared
def test_each_property_holds_for_the_reference_and_fails_for_a_mistake(exercise):
    assert exercise.properties or exercise.name == "linear_annealing"
    for prop in exercise.properties:
        assert all(prop.holds(outcomes(exercise, prop, seed)) for seed in range(5)), prop.name
        right = shapes(outcomes(exercise, prop, 0))
        wrong = [outcomes(exercise, prop, 0, **m.change) for m in exercise.mistakes]
        assert not all(prop.holds(o) for o in wrong if shapes(o) == right), prop.name


@compared
def test_the_smallest_inputs_come_first_and_limits_last(exercise):
    probes = exercise.inputs(np.random.default_rng(0))
    kinds = [probe.limit for probe in probes]
    assert kinds == sorted(kinds) and True in kinds and kinds.count(False) >= 3
    sizes = [sum(np.asarray(a).size for a in probe.args) for probe in probes if not probe.limit]
    assert sizes[0] == min(sizes)
    assert all(probe.label for probe in probes if probe.limit)
