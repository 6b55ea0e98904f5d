"""Answers that fail in other ways than with a wrong number: the check says how."""

import sys

import numpy as np
import pytest
import torch
from kl_bernoulli_answers import judged, right

from vaelib import check


def raises(p, q):
    return p / undefined_name  # noqa: F821


def prints_megabytes(p, q):
    for _ in range(40):
        print("x" * 100_000)
        print("y" * 100_000, file=sys.stderr)


def changes_input(p, q):
    value = right(p, q)
    p *= 2
    return value


def changes_input_through_numpy(p, q):
    value = right(p, q)
    q.numpy()[...] = 0.5
    return value


def recurses(p, q):
    return recurses(p, q)


def exits(p, q):
    sys.exit("enough")


def asks(p, q):
    return float(input("p? "))


def reads(p, q):
    return float(sys.stdin.readline())


def yields(p, q):
    yield right(p, q)


async def awaits(p, q):
    return right(p, q)


def noisy(p, q):
    return right(p, q) + torch.randn(p.shape)


BROKEN = [
    (raises, "raises NameError", "return p / undefined_name"),
    (lambda p: p, "raises TypeError", "it is called as kl_bernoulli(p, q)"),
    (lambda p, q: None, "returns None", "return"),
    (lambda p, q: "0.5", "returns a string", "string (str)"),
    (lambda p, q: {"kl": right(p, q)}, "wrong type", "dict"),
    (lambda p, q: right(p, q).sum, "returns a function", "brackets"),
    (lambda p, q: right, "returns a function", "brackets"),
    (yields, "returns a generator", "yield"),
    (awaits, "returns a coroutine", "async"),
    (lambda p, q: (right(p, q),), "a tuple of one", "comma"),
    (lambda p, q: list(right(p, q)), "a list for a tensor", "torch.stack"),
    (lambda p, q: right(p, q).tolist() + [], "a list for a tensor", "torch.tensor"),
    (lambda p, q: (right(p, q), p), "several results", "tuple of 2"),
    (lambda p, q: right(p, q) * float("nan"), "NaN", "NaN in 1 of 1 places"),
    (lambda p, q: right(p, q) / 0, "infinite", "exp too large"),
    (lambda p, q: right(p, q)[..., None], "wrong shape", "the numbers are right, the shape is not"),
    (lambda p, q: torch.zeros(3, 4), "wrong shape", "it returns shape (3, 4); expected shape (5,)"),
    (lambda p, q: p[:0], "wrong shape", "it returns shape (0,); expected shape (5,)"),
    (lambda p, q: right(p, q).long(), "whole numbers", "int64"),
    (lambda p, q: right(p, q) > 0, "whole numbers", "bool"),
    (lambda p, q: right(p, q).to(torch.complex128), "wrong type", "complex128"),
    (lambda p, q: np.array([{}]), "wrong type", "ndarray object"),
    (prints_megabytes, "returns None", "return"),
    (changes_input, "changes its inputs", "it changes its input p in place"),
    (changes_input_through_numpy, "changes its inputs", "it changes its input q in place"),
    (recurses, "endless recursion", "without end"),
    (exits, "calls exit", "return"),
    (asks, "asks for input", "input()"),
    (reads, "raises ValueError", "could not convert"),
    (noisy, "global random state", "random numbers of its own"),
    (lambda p, q: torch.zeros(10**13), "out of memory", "memory"),
    (lambda p, q: [0.0] * 10**13, "out of memory", "memory"),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("answer, name, text", BROKEN, ids=[name for _, name, _ in BROKEN])
def test_a_broken_answer_is_named(answer, name, text):
    result = judged(answer)
    assert not result.passed and result.attempted
    assert (result.misconception, text in result.message) == (name, True), result
    assert judged(right).passed


def cuts(mu, log_sigma, eps):
    return mu + log_sigma.exp().detach() * eps


def leaves_torch(mu, log_sigma, eps):
    return torch.from_numpy(np.exp(log_sigma.numpy()) * eps.numpy() + mu.numpy())


def new_tensor(mu, log_sigma, eps):
    return torch.tensor((mu + log_sigma.exp() * eps).tolist(), dtype=mu.dtype)


@pytest.mark.parametrize("answer", [cuts, leaves_torch, new_tensor])
def test_a_cut_graph_is_named(answer):
    result = check.reparameterise(answer, seed=2)
    assert result.misconception.startswith("graph cut"), result


def test_an_input_that_needs_its_gradient_is_not_to_be_changed():
    def in_place(mu, log_sigma, eps):
        mu += log_sigma.exp() * eps
        return mu

    assert check.reparameterise(in_place, seed=2).misconception == "changes its inputs"


def test_not_implemented_by_a_library_is_an_error():
    def library(p, q):
        return torch.distributions.Distribution(validate_args=False).log_prob(p)

    result = judged(library)
    assert result.attempted and result.misconception == "raises NotImplementedError"


def test_an_error_that_cannot_be_shown_is_survived():
    class Evil(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def evil(p, q):
        raise Evil

    assert judged(evil).misconception == "raises Evil"
