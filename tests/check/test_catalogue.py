"""Every check is put to the test by its own catalogue: what is right passes, each mistake is named.

That two mistakes do the same is decided here by comparing what they do, not by the code that names.
"""

from itertools import combinations

import numpy as np
import pytest

from vaelib import check
from vaelib.check._recognise import Bench

pytestmark = pytest.mark.refuses  # references are called thousands of times: no shapes enforced
COMPARED = {name: e for name, e in check.EXERCISES.items() if e.judge is None}
PAIRS = 8  # of each exercise


def flags_of(*mistakes):
    return {k: v for mistake in mistakes for k, v in mistake.change.items()}


def variant(exercise, *mistakes, **flags):
    return lambda *args: exercise.variant(*args, **flags, **flags_of(*mistakes))


def test_every_row_of_the_table_has_its_check():
    numbers = [exercise.number for exercise in check.EXERCISES.values()]
    counts = {1: 4, 2: 3, 3: 3, 4: 3, 5: 4, 6: 4, 7: 3}
    assert numbers == [f"{a}.{b}" for a, n in counts.items() for b in range(1, n + 1)]
    for name, exercise in check.EXERCISES.items():
        assert getattr(check, name).__name__ == exercise.signature.split("(")[0] == name
        assert exercise.points == exercise.stars and 5 <= exercise.minutes <= 45


@pytest.mark.parametrize("name", check.EXERCISES)
def test_the_reference_is_right_and_the_stub_is_not_attempted(name):
    exercise, judge = check.EXERCISES[name], getattr(check, name)

    def stub(*args):
        raise NotImplementedError

    for seed in range(3):
        assert repr(judge(exercise.variant, seed=seed)) == f"✓ {exercise.number} {name}: right"
        for flags in exercise.also:
            assert judge(variant(exercise, **flags), seed=seed).passed
    for result in (judge(stub), judge(stub)):
        assert (result.passed, result.attempted, result.misconception) == (False, False, None)
        assert repr(result) == f"– {exercise.number} {name}: not attempted yet"


@pytest.mark.parametrize("name", COMPARED)
def test_each_mistake_is_named_as_itself(name):
    exercise = COMPARED[name]
    assert len(exercise.mistakes) >= 5
    for mistake in exercise.mistakes:
        assert mistake.name and mistake.hint
        for seed in (0,):
            result = getattr(check, name)(variant(exercise, mistake), seed=seed)
            assert result.attempted and not result.passed, mistake.name
            assert result.misconception == mistake.name, result
            hints = [m.hint for m in exercise.mistakes if m.name == mistake.name]
            assert any(hint in result.message for hint in hints), result


def differ(a, b):
    """Whether two outcomes are different behaviour, by a rule of this file's own."""
    if (a.kind, a.several, len(a.value), a.changed) != (b.kind, b.several, len(b.value), b.changed):
        return True
    arrays = [*zip(a.value, b.value, strict=True), *zip(a.gradients, b.gradients, strict=True)]
    return any(
        (x is None) != (y is None)
        or x is not None
        and not (x.shape == y.shape and np.allclose(x, y, rtol=1e-5, atol=1e-8, equal_nan=True))
        for x, y in arrays
    )


@pytest.mark.parametrize("name", COMPARED)
def test_two_mistakes_at_once_are_named_where_nothing_else_does_the_same(name):
    exercise, seed = COMPARED[name], 0
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
        result = getattr(check, name)(variant(exercise, *pair), seed=seed)
        if () not in alike:
            assert not result.passed, [m.name for m in pair]
        if not alike and any(
            np.isfinite(v).any() for i in bench.ordinary for v in bench.outcome(i, pair).value
        ):
            named += 1
            assert result.misconception == f"{pair[0].name} + {pair[1].name}", result
    assert named >= 3


def test_a_result_is_text_and_html_without_colour():
    result = check.CheckResult(False, True, "✗ 1.1 x: a < b\n  why & how", "mistake")
    assert repr(result) == result.message
    html = "<div><strong>✗ 1.1 x: a &lt; b</strong><br>  why &amp; how</div>"
    assert result._repr_html_() == html
