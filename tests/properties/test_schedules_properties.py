"""Schedules against fractions; steps and lengths beyond any training."""

import math
from fractions import Fraction

import numpy as np
import pytest
from covered import about
from drawn import refused
from hypothesis import given
from hypothesis import strategies as st

from vaelib import schedules

steps = st.integers(0, 20) | st.integers(0, 10**18) | st.just(10**400)
lengths = st.integers(0, 20) | st.integers(0, 10**18)
values = st.floats(-100, 100) | st.floats(-1e300, 1e300)
positive = st.floats(1e-3, 1e3) | st.floats(1e-300, 1e300)
NO_COUNT = st.sampled_from([-1, 1.5, True, None, "3", math.nan, math.inf, 1j])
NO_NUMBER = st.sampled_from([math.nan, math.inf, -math.inf, True, None, "1", 1j])


def done(step, length) -> Fraction:
    return min(Fraction(1), Fraction(step, length)) if length else Fraction(1)


def near(got, exact: Fraction, size: float) -> bool:
    return isinstance(got, float) and abs(Fraction(got) - exact) <= Fraction(size) * 1e-14


@about("schedules.linear_annealing")
@given(steps, lengths, values, values)
def test_linear(step, warmup, start, end):
    exact = Fraction(start) + (Fraction(end) - Fraction(start)) * done(step, warmup)
    got = schedules.linear_annealing(step, warmup, start, end)
    assert near(got, exact, max(abs(start), abs(end), 1))


@about("schedules.annealing_from_above")
@given(steps, lengths, values, values)
def test_from_above(step, length, start, rest):
    got = schedules.annealing_from_above(step, length, start, rest)
    exact = Fraction(start) + (Fraction(rest) - Fraction(start)) * done(step, length // 4)
    assert near(
        got, exact if step < length * 7 // 10 else Fraction(1), max(abs(start), abs(rest), 1)
    )


def test_small_whole_numbers_of_numpy():
    """100 · 7 does not fit into NumPy's int8."""
    for step in (0, 50, 99):
        eight_bits = schedules.annealing_from_above(np.int8(step), np.int8(100))
        assert eight_bits == schedules.annealing_from_above(step, 100)


@about("schedules.cosine_decay")
@given(steps, lengths, values, st.floats(0, 0.999))
def test_cosine(step, length, start, hold):
    late = max(Fraction(0), done(step, length) - Fraction(hold)) / (1 - Fraction(hold))
    got = schedules.cosine_decay(step, length, start, hold)
    exact = start * 0.5 * (1 + math.cos(math.pi * late))
    assert got == pytest.approx(exact, rel=1e-9, abs=1e-9 * abs(start))


BY_NAME = {
    "linear": lambda step, length, value: schedules.linear_annealing(step, length, value),
    "linear end": lambda step, length, value: schedules.linear_annealing(step, length, 0.0, value),
    "from above": schedules.annealing_from_above,
    "from above rest": lambda s, n, value: schedules.annealing_from_above(s, n, 60.0, value),
    "cosine": schedules.cosine_decay,
    "cosine hold": lambda s, n, value: schedules.cosine_decay(s, n, 1.0, value),
}


@pytest.mark.parametrize("name", BY_NAME)
@given(NO_COUNT, NO_NUMBER)
def test_wrong_arguments_are_refused(name, no_count, no_number):
    schedule = BY_NAME[name]
    refused(lambda: schedule(no_count, 5, 0.5), "step")
    refused(lambda: schedule(1, no_count, 0.5), "steps", "warmup")
    refused(lambda: schedule(1, 5, no_number), *"start end rest hold".split())
