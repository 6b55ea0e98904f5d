"""Lesson 2's lab: the likelihood of θ from N data, and log p(x) estimated from the prior."""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vaelib.widgets import bundle
from vaelib.widgets.labs.controls import Slider, Steps
from vaelib.widgets.labs.lab import Lab, Mark, Panel, Preset
from vaelib.widgets.labs.scene import LOG_2PI, Array, Scene, noise, reach

# x = θ z + σ_x ε in every dimension, z ~ N(0, 1); the data were made with θ = 1.
S2 = 0.25
TRUE = 1.0 + S2
MOST_DATA = 1000
MOST = 5000
DIMS = 20
RUNS = 5
THETA = np.arange(10, 301, 2) / 100
D = np.arange(1.0, DIMS + 1)
DATA = (1, 2, 3, 4, 5, 7, 10, 14, 20, 30, 40, 50, 70, 100, 140, 200, 300, 500, 700, 1000)
SAMPLES = (1, 2, 3, 5, 7, 10, 14, 20, 30, 50, 70, 100, 200, 300, 500, 700, 1000, 2000, 3000, 5000)


@cache
def sample_data(seed: int) -> Array:
    """Data from the model with θ = 1, (1000,); the lab shows the first N."""
    draws = noise(100 + seed, 2 * MOST_DATA)
    return draws[:MOST_DATA] + math.sqrt(S2) * draws[MOST_DATA:]


@cache
def _prior_sums() -> tuple[Array, Array]:
    """Σ_d z_d and Σ_d z_d² over the first 1 … 20 dimensions of prior draws, (20, 5, K) each."""
    z = noise(2, DIMS * RUNS * MOST).reshape(DIMS, RUNS, MOST)
    return z.cumsum(0), (z**2).cumsum(0)


def _average(theta: Array, mean_square: float) -> Array:
    """The mean of log N(x; 0, θ² + σ_x²) over x with E x² = `mean_square`, nats."""
    variance = theta**2 + S2
    return -0.5 * (LOG_2PI + np.log(variance) + mean_square / variance)


def log_weights(theta: float, dim: int, k: int) -> Array:
    """log p(x|z_k) at x = (1, …, 1) for five runs of K draws z_k from the prior, (5, K)."""
    first, second = (sums[dim - 1, :, :k] for sums in _prior_sums())
    error = dim - 2 * theta * first + theta**2 * second
    return -0.5 * (error / S2 + dim * (LOG_2PI + math.log(S2)))


def relative_error(theta: float, dims: Array, k: int) -> Array:
    """√((r^D − 1)/K), r = E p(x|z)²/p(x)² of one dimension: closed form, as p(x|z) is Gaussian."""
    v = theta**2 + S2
    u = theta**2 + S2 / 2
    log_r = math.log(v) + 1 / v - 0.5 / u - 0.5 * math.log(2 * u * S2)
    return np.sqrt(np.expm1(dims * log_r) / k)


def places(k: int) -> NDArray[np.int_]:
    """The numbers of draws at which a run's estimate is shown: from 1 to K in growing steps."""
    at = [1]
    while at[-1] < k:
        at.append(min(k, at[-1] + max(1, at[-1] // 12)))
    return np.array(at)


def compute(theta: float, n_data: int, seed: int, n_samples: int, dim: int) -> Scene:
    """The average log-likelihood over θ and its expectation, and log p(x) by Monte Carlo."""
    mean_square = float((sample_data(seed)[:n_data] ** 2).mean())
    here = np.array([theta])
    average = _average(THETA, mean_square)
    expected = _average(THETA, TRUE)
    entropy = 0.5 * (LOG_2PI + math.log(TRUE) + 1)
    at_average = _average(here, mean_square)
    at_expected = _average(here, TRUE)
    log_px = dim * float(_average(here, 1.0)[0])
    k = places(n_samples)
    running = np.logaddexp.accumulate(log_weights(theta, dim, n_samples), 1)[:, k - 1] - np.log(k)
    gap = np.full((RUNS, 1), np.nan)  # lifts the pen between the runs
    # All five runs are in the picture: an estimate that misses by 100 nats is the lesson.
    below = reach(log_px - float(running.min()), 2 + dim)
    above = reach(float(running.max()) - log_px, 1 + dim / 4)
    errors = relative_error(theta, D, n_samples)
    theta_hat = math.sqrt(max(0.0, mean_square - S2))
    return Scene(
        {
            "average": (THETA, average),
            "expected": (THETA, expected),
            "minus_kl": (THETA, expected + entropy),
            "at_average": (here, at_average),
            "at_expected": (here, at_expected),
            "at_kl": (here, at_expected + entropy),
            "runs": (
                np.hstack([np.tile(k.astype(float), (RUNS, 1)), gap]).ravel(),
                np.hstack([running, gap]).ravel(),
            ),
            "log_px": (np.array([1.0, float(MOST)]), np.full(2, log_px)),
            "estimates": (np.full(RUNS, float(n_samples)), running[:, -1]),
            "error": (D, errors),
            "error_here": (np.array([float(dim)]), errors[dim - 1 : dim]),
        },
        {
            "theta": theta,
            "n": n_data,
            "k": n_samples,
            "d": dim,
            "theta_hat": theta_hat,
            "average": float(at_average[0]),
            "expected": float(at_expected[0]),
            "kl": -float(at_expected[0]) - entropy,
            "entropy": entropy,
            "log_px": log_px,
            "lowest": float(running[:, -1].min()),
            "highest": float(running[:, -1].max()),
            "error": float(errors[dim - 1]),
            "needed": math.log10(float(errors[dim - 1]) ** 2 * n_samples * 100),
        },
        {"runs": (1, MOST, log_px - below, log_px + above)},
    )


class LikelihoodLab(Lab):
    """Fit θ of x = θ z + σ_x ε to N data, and estimate log p(x) with K draws from the prior.

    The data were made with θ = 1 and σ_x = 0.5, `seed` (1 to 20) choosing which. The estimate is at
    x = (1, …, 1) in `dim` dimensions. `numbers` has average, expected, kl, log_px (nats) and error,
    the relative error predicted for the estimate of p(x).

    >>> abs(LikelihoodLab(theta=1.0).numbers["kl"]) < 1e-12
    True
    """

    theta = Slider("θ", 1.5, 0.1, 3.0, colour="dec")
    n_data = Steps("N, data", 20, DATA)
    seed = Steps("data set", 1, range(1, 21))
    n_samples = Steps("K, draws", 1000, SAMPLES, colour="code")
    dim = Steps("D, dimensions", 2, range(1, DIMS + 1))

    title = "Likelihood lab: x = θ z + σₓ ε"
    panels = (
        Panel(
            "theta",
            "Log-likelihood of {n} data",
            "θ",
            "nats",
            (
                Mark("average", "average", colour="dec"),
                Mark("expected", "E log p_θ(x)", look=1),
                Mark("minus_kl", "−KL", colour="gap", look=2),
                Mark("at_kl", "", "points", "gap", 2),
                Mark("at_expected", "", "points", "ink", 1),
                Mark("at_average", "", "points", "dec"),
            ),
            "Minus the KL and the expected log-likelihood over θ, the same curve {entropy:2} nats "
            "apart, both highest at θ = 1; the average over {n} data is highest at {theta_hat:2}.",
            limits=(0, 3, -4, 0.5),
        ),
        Panel(
            "runs",
            "Estimates of log p_θ(x)",
            "draws used",
            "nats",
            (
                Mark("log_px", "exact"),
                Mark("runs", "five runs", colour="code", width=1.4),
                Mark("estimates", "at K", "points", "code"),
            ),
            "Five running estimates of log p(x) against the draws used: at K = {k} they lie "
            "between {lowest:2} and {highest:2}, and the exact value is {log_px:2} nats.",
            log="x",
        ),
        Panel(
            "error",
            "Their relative error: {error:1}",
            "D, dimensions",
            "predicted",
            (
                Mark("error", "√((r^D − 1)/K)", colour="code", look=1),
                Mark("error_here", "at D", "points", "code", 1),
            ),
            "The predicted relative error grows exponentially with the dimension; at D = {d} it "
            "is {error:2}.",
            limits=(1, 20, 1e-3, 1e7),
            log="y",
        ),
    )
    says = (
        "θ = {theta:2}: the average of log p_θ(x) over N = {n} data is {average:3} nats; it is "
        "best at θ = {theta_hat:2}, and the data were made with θ = 1.",
        "E log p_θ(x) = {expected:3} nats = −(KL {kl:3} + entropy of the data {entropy:3}).",
        "log p_θ(x) at x = (1, …, 1), D = {d}: exact {log_px:2}; five estimates from K = {k} draws "
        "each, {lowest:2} to {highest:2} nats.",
        "Predicted relative error of the estimate of p_θ(x): {error:2}; for 0.1 it would take "
        "10^{needed:1} draws.",
    )
    presets = (
        Preset("Data made with θ = 1. Which θ fits them best?", {}),
        Preset("Five data: their best θ need not be 1.", {"n_data": 5, "seed": 3, "theta": 1.0}),
        Preset("A thousand data: the average is near its mean.", {"n_data": 1000}),
        Preset("One dimension: a thousand draws are enough.", {"dim": 1, "theta": 1.0}),
        Preset("Twelve dimensions: how far off are the five?", {"dim": 12, "theta": 1.0}),
    )
    compute = staticmethod(compute)
    view = "labs/likelihood"
    _esm = bundle.module(view)
