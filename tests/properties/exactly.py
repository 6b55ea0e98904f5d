"""Oracles with 120 digits, and how near to them a result has to be."""

import math
from collections.abc import Iterable

import mpmath
import torch
from mpmath import mpf
from torch import Tensor


def numbers(t: Tensor) -> list[mpf]:
    """The numbers in a tensor, exactly."""
    return [mpf(v) for v in t.detach().double().reshape(-1).tolist()]


def rows(t: Tensor) -> list[list[mpf]]:
    """The numbers along the last dimension, one list for each place in the others."""
    return [numbers(row) for row in t.detach().reshape(-1, t.shape[-1])]


def kl_to_standard_normal(mu: mpf, log_sigma: mpf) -> tuple[mpf, mpf]:
    """½ (μ² + σ² − 1 − 2 log σ), and the sum of its terms' absolute values."""
    growth = mpmath.expm1(2 * log_sigma)
    return (mu**2 + growth - 2 * log_sigma) / 2, (mu**2 + abs(growth) + abs(2 * log_sigma)) / 2


def kl_gaussian(mu_q: mpf, sigma_q: mpf, mu_p: mpf, sigma_p: mpf) -> tuple[mpf, mpf]:
    ratio = sigma_q / sigma_p
    shift = (mu_q - mu_p) / sigma_p
    log_ratio = mpmath.log(ratio)
    # The difference of the means is rounded to the size of the means, also where it is small.
    rounding = (abs(mu_q) + abs(mu_p)) / sigma_p * abs(shift)
    # σ_q/σ_p comes from its logarithm, which is rounded to its own size.
    size = (ratio**2 * (1 + abs(log_ratio)) + shift**2 + 1) / 2 + abs(log_ratio) + rounding
    return (ratio**2 + shift**2 - 1) / 2 - log_ratio, size


def log_normal(z: mpf, mu: mpf, log_sigma: mpf) -> tuple[mpf, mpf]:
    ratio = (z - mu) * mpmath.exp(-log_sigma)
    constant = mpmath.log(2 * mpmath.pi) + 2 * log_sigma
    rounding = (abs(z) + abs(mu)) * mpmath.exp(-log_sigma) * abs(ratio)
    # A rounded log σ changes σ by as much, times |log σ|.
    size = (ratio**2 * (1 + abs(log_sigma)) + 2 + abs(2 * log_sigma)) / 2 + rounding
    return -(ratio**2 + constant) / 2, size


def log_bernoulli(x: mpf, logit: mpf) -> mpf:
    """log sigmoid(ℓ) where x = 1, log sigmoid(−ℓ) where x = 0."""
    towards = logit if x == 1 else -logit
    return -mpmath.log1p(mpmath.exp(-towards)) if towards > -1e3 else towards


def total(terms: Iterable[tuple[mpf, mpf]]) -> tuple[mpf, mpf]:
    """The sum of values and the sum of their sizes."""
    values, sizes = zip(*terms, strict=True) if (terms := list(terms)) else ((), ())
    return mpmath.fsum(values), mpmath.fsum(sizes)


def check(got: Tensor, exact: Iterable[tuple[mpf, mpf]], ulps: float = 8) -> None:
    """Each number is the exact one to `ulps` roundings of its terms, and finite where that fits.

    In the top octaves of the dtype an infinity of the right sign is right as well: a square that
    is halved later overflows there.
    """
    exact = list(exact)
    info = torch.finfo(got.dtype)
    results = got.detach().double().reshape(-1).tolist()
    assert len(results) == len(exact)
    for result, (value, size) in zip(results, exact, strict=True):
        if size > mpf(info.max) / 4 and math.isinf(result):
            assert (result > 0) == (value > 0), f"{result} for {mpmath.nstr(value, 17)}"
            continue
        tolerance = ulps * info.eps * size + 8 * mpf(info.tiny)
        assert math.isfinite(result), f"{result} for {mpmath.nstr(value, 17)}"
        wrong = f"{result!r} for {mpmath.nstr(value, 17)} ± {mpmath.nstr(tolerance, 3)}"
        assert abs(mpf(result) - value) <= tolerance, wrong
