"""Schedules against their formulas, at their ends, and as pure functions."""

import math

import pytest

from vaelib.schedules import cosine_decay, linear_annealing


@pytest.mark.parametrize("warmup", [1, 3, 500])
def test_linear_annealing_is_step_over_warmup(warmup):
    for step in range(2 * warmup + 2):
        assert linear_annealing(step, warmup) == min(1.0, step / warmup)
        assert linear_annealing(step, warmup, 4.0, 1.0) == pytest.approx(
            4 - 3 * min(1.0, step / warmup)
        )
    assert linear_annealing(0, warmup) == 0.0 and linear_annealing(warmup, warmup) == 1.0


def test_linear_annealing_without_warmup_is_at_its_end():
    assert [linear_annealing(step, 0) for step in (0, 1, 7)] == [1.0] * 3
    assert linear_annealing(0, 0, start=9.0, end=2.0) == 2.0


def test_cosine_decay_holds_then_falls():
    values = [cosine_decay(step, 1000, 3e-3, hold=0.7) for step in range(1003)]
    assert values[:701] == [3e-3] * 701
    for step in range(700, 1001):
        exact = 3e-3 * 0.5 * (1 + math.cos(math.pi * (step - 700) / 300))
        assert values[step] == pytest.approx(exact, abs=1e-15)
    assert values[850] == pytest.approx(1.5e-3)
    assert values[1000:] == pytest.approx([0, 0, 0], abs=1e-18) and min(values) >= 0
    assert values == sorted(values, reverse=True)
    assert cosine_decay(0, 10, 1.0, hold=0.0) == 1.0
    assert cosine_decay(5, 10, 1.0, hold=0.0) == pytest.approx(0.5)


def test_schedules_depend_on_the_step_alone():
    for schedule in (
        lambda step: linear_annealing(step, 7),
        lambda step: cosine_decay(step, 7, 1.0),
    ):
        forward = [schedule(step) for step in range(20)]
        assert [schedule(step) for step in reversed(range(20))] == forward[::-1]
        assert all(isinstance(value, float) for value in forward)
