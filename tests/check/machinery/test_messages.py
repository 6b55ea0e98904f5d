"""What a message says is true and of use: near misses, own errors, examples that can be pasted."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Laplace, Normal

from vaelib import check


def likelihood(pi=math.pi, give=lambda value: value):
    def answer(x, mu, sigma):
        squares = ((x - mu) / sigma) ** 2
        return give((-0.5 * squares - np.log(sigma) - 0.5 * np.log(2 * pi)).mean())

    return answer


def test_a_rounded_constant_is_a_near_miss():
    assert check.average_log_likelihood(likelihood(), seed=1).passed
    result = check.average_log_likelihood(likelihood(3.1416), seed=1)
    assert result.misconception == "a near miss" and "a constant rounded" in result.message


def test_half_precision_is_not_enough():
    for give in (torch.Tensor.half, lambda value: value.half().double()):
        assert not check.average_log_likelihood(likelihood(give=give), seed=1).passed


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("linear_annealing", lambda step, warmup: step / warmup if step < warmup - 1 else 1.0),
        ("linear_annealing", lambda step, warmup: 1.0 if warmup <= 1 else min(1.0, step / warmup)),
        ("lower_bound", lambda a, b, c: a.mean(0) - (c - b).mean(0).clamp(min=0)),
    ],
)
def test_what_differs_at_a_limit_only_is_refused_on_every_seed(name, answer):
    for seed in range(10):
        result = getattr(check, name)(answer, seed=seed)
        assert not result.passed and "right on ordinary inputs" in result.message


def test_an_error_of_pytorch_in_the_own_line_is_an_own_error():
    def integers(p, q):
        return torch.ones(2, dtype=torch.long).softmax(0)

    result = check.kl_bernoulli(integers, seed=1)
    assert result.attempted and result.misconception == "raises NotImplementedError"
    assert "in the line: return torch.ones(2, dtype=torch.long).softmax(0)" in result.message


def test_the_raise_left_in_under_code_is_named():
    def under(p, q):
        kl = p * torch.log(p / q)
        raise NotImplementedError
        return kl

    def above(p, q):
        """A docstring is no code."""
        raise NotImplementedError

    assert check.kl_bernoulli(under, seed=1).misconception == "raise left in"
    assert not check.kl_bernoulli(above, seed=1).attempted


def pasted(message):
    """The arguments in the last line of a message, evaluated."""
    line = message.splitlines()[-1].strip().removeprefix("for ").partition(": yours")[0]
    space = {"torch": torch, "dict": dict}
    return eval(f"dict({line.partition(' at ')[0]})", space)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("kl_gaussian", lambda m, s, n, t: (m - n) ** 3 + s - t),
        ("kl_monte_carlo", lambda q, p, z: ((q(z) - p(z)).mean() + 1, 0.5)),
        ("jensen_gap", lambda f, x, w: (w * f(x)).sum() * 3),
        ("lower_bound", lambda a, b, c: (a + 0.3 * b - c).mean(0)),
    ],
)
def test_the_example_can_be_pasted_and_is_there_in_full(name, wrong):
    result = getattr(check, name)(wrong, seed=3)
    example = result.message.splitlines()[-1]
    assert "\N{MINUS SIGN}" not in example
    text = result.message.rpartition(", the estimate")[0] or result.message
    given = pasted(text if "yours" in text else text + ": yours")
    assert given.keys() == result.inputs.keys()
    for key, value in given.items():
        if isinstance(value, torch.Tensor) and value.ndim == result.inputs[key].ndim:
            assert torch.allclose(value.double(), result.inputs[key], rtol=1e-5)


def test_functions_are_shown_as_code_that_makes_them():
    inputs = check.EXERCISES["kl_monte_carlo"].inputs(np.random.default_rng(0))
    space = {"torch": torch}
    z = torch.linspace(-2, 2, 5)
    for probe, kinds in ((inputs[0], (Normal, Normal)), (inputs[1], (Normal, Laplace))):
        for function, kind in zip(probe.args, kinds, strict=False):
            made = eval(repr(function), space)
            assert made.__self__.__class__ is kind
            assert torch.allclose(made(z), function(z), rtol=1e-4)


def test_a_list_of_numbers_is_not_to_be_stacked():
    result = check.traverse(lambda z, dim, values: z.tolist(), seed=1)
    assert "torch.tensor makes one tensor of a list" in result.message
