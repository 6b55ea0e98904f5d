"""Lesson 5's lab: fixed noise carried by μ and σ, and two estimators of one gradient."""

import math
from functools import cache

import numpy as np

from vaelib.widgets import bundle
from vaelib.widgets.labs.controls import Choice, Slider, Steps
from vaelib.widgets.labs.lab import Lab, Mark, Panel, Preset
from vaelib.widgets.labs.scene import Array, Scene, histogram, noise, reach

REPEATS = 1000
MOST = 50
SAMPLES = (*range(1, 11), 12, 14, 16, 18, 20, 25, 30, 35, 40, MOST)
DOTS = 24
BINS = 60
CURVE = np.arange(-120, 121) / 20
BELL = np.linspace(-3.5, 3.5, 71)  # standard deviations from the mean
TALL = 0.85  # of the bell, whatever its width: it stands on the line of z


@cache
def _noise() -> Array:
    return noise(5, REPEATS * MOST).reshape(REPEATS, MOST)


def estimators(mu: float, sigma: float, gradient: str, eps: Array) -> tuple[Array, Array]:
    """One-draw estimates of d/dμ (or d/d log σ) E f(z), f(z) = z²: score function, pathwise.

    Score function: f(z) ∂ log q(z); pathwise: f′(z) ∂z, with z = μ + σ ε. Elementwise.
    """
    z = mu + sigma * eps
    if gradient == "mu":
        return z**2 * eps / sigma, 2 * z
    return z**2 * (eps**2 - 1), 2 * z * sigma * eps


def exact(mu: float, sigma: float, gradient: str) -> tuple[float, float, float]:
    """The gradient itself and the two estimators' variances from one draw, in closed form."""
    if gradient == "mu":
        return 2 * mu, 15 * sigma**2 + 14 * mu**2 + mu**4 / sigma**2, 4 * sigma**2
    score = 2 * mu**4 + 60 * mu**2 * sigma**2 + 74 * sigma**4
    return 2 * sigma**2, score, 4 * sigma**2 * (mu**2 + 2 * sigma**2)


def compute(mu: float, log_sigma: float, gradient: str, n_samples: int) -> Scene:
    """The noise and the z that it becomes; histograms of 1,000 estimates from K draws each."""
    sigma = math.exp(log_sigma)
    eps = _noise()
    dots = eps.ravel()[:DOTS]
    z = mu + sigma * dots
    score, pathwise = (each.mean(1) for each in estimators(mu, sigma, gradient, eps[:, :n_samples]))
    truth, score_variance, pathwise_variance = exact(mu, sigma, gradient)
    # Wide enough for nearly all estimates of both: the one with the larger variance decides.
    wide = reach(4 * math.sqrt(max(score_variance, pathwise_variance) / n_samples))
    low = truth - wide
    high = truth + wide
    score_bars = histogram(score, low, high, BINS)
    pathwise_bars = histogram(pathwise, low, high, BINS)
    tallest = float(max(score_bars[1].max(), pathwise_bars[1].max()))
    top = reach(tallest)
    lines = np.full((DOTS, 3), np.nan)
    lines[:, 0] = dots
    lines[:, 1] = z
    return Scene(
        {
            "paths": (lines.ravel(), np.tile([0.0, 1.0, np.nan], DOTS)),
            "eps": (dots, np.zeros(DOTS)),
            "z": (z, np.ones(DOTS)),
            "bell": (mu + sigma * BELL, 1 + TALL * np.exp(-0.5 * BELL**2)),
            "f": (CURVE, CURVE**2),
            "f_z": (z, z**2),
            "score": score_bars,
            "pathwise": pathwise_bars,
            "truth": (np.full(2, truth), np.array([0.0, top])),
        },
        {
            "mu": mu,
            "sigma": sigma,
            "k": n_samples,
            "truth": truth,
            "of": "μ" if gradient == "mu" else "(log σ)",
            "score_mean": float(score.mean()),
            "score_std": float(score.std()),
            "pathwise_mean": float(pathwise.mean()),
            "pathwise_std": float(pathwise.std()),
            "score_predicted": math.sqrt(score_variance / n_samples),
            "pathwise_predicted": math.sqrt(pathwise_variance / n_samples),
            "ratio": score_variance / pathwise_variance,
        },
        {"histograms": (low, high, 0, top)},
    )


class ReparameterisationLab(Lab):
    """Fixed ε carried to z = μ + σ ε, and two estimators of the gradient of E f(z), f(z) = z².

    `gradient` is "mu" or "log_sigma"; each of 1,000 estimates is a mean over K = `n_samples` draws.
    `numbers` has truth, and for score_ and pathwise_ the mean, std, and predicted std.

    >>> ReparameterisationLab(mu=1.0).numbers["truth"]
    2.0
    """

    mu = Slider("μ", 1.0, -2.0, 2.0, colour="enc")
    log_sigma = Slider("log σ", -0.5, -2.0, 0.7, colour="sig")
    n_samples = Steps("K, draws", 1, SAMPLES, colour="eps")
    gradient = Choice("gradient in", "mu", {"mu": "μ", "log_sigma": "log σ"})

    title = "Reparameterisation lab: z = μ + σ ε, with ε fixed"
    panels = (
        Panel(
            "paths",
            "z = {mu:2} + {sigma:2} ε",
            "ε, z",
            "",
            (
                Mark("paths", colour="prior", width=1),
                Mark("bell", "q(z), height fixed", colour="enc"),
                Mark("eps", "ε", "points", "eps"),
                Mark("z", "z", "points", "code", 1),
            ),
            "Points ε on a line below, each joined to its z on a line above, gathered around "
            "{mu:2} and spread by {sigma:2}; over that line the bell of q, drawn at one height.",
            limits=(-6, 6, -0.2, 2.1),
            ticks="x",
        ),
        Panel(
            "f",
            "f(z) = z²",
            "z",
            "f(z)",
            (Mark("f", "f"), Mark("f_z", "f(z)", "points", "code", 1)),
            "The same z on the parabola f(z) = z², along which they glide as μ and σ move.",
            limits=(-6, 6, 0, 36),
        ),
        Panel(
            "histograms",
            "d/d{of} E f(z) = {truth:2}",
            "estimate",
            "share",
            (
                Mark("score", "score function", "area", "enc", hatch=True),
                Mark("pathwise", "pathwise", "area", "code"),
                Mark("truth", "exact"),
            ),
            "Two histograms around the exact gradient, {truth:2}: that of the pathwise estimator "
            "has standard deviation {pathwise_std:2}, that of the score function {score_std:2}.",
        ),
    )
    says = (
        "d/d{of} E f(z) = {truth:3} exactly. Over 1,000 estimates from K = {k} draws each:",
        "pathwise, mean {pathwise_mean:3}, standard deviation {pathwise_std:3} (closed form "
        "{pathwise_predicted:3}); score function, mean {score_mean:3}, standard deviation "
        "{score_std:3} (closed form {score_predicted:3}).",
        "The score function needs {ratio:1} times as many draws for the same accuracy.",
    )
    presets = (
        Preset("The noise ε stays; μ and σ carry it to z.", {}),
        Preset("A wide bell: the outer points moved furthest.", {"mu": 0.0, "log_sigma": 0.5}),
        Preset("A narrow bell: one histogram is wide now.", {"log_sigma": -2.0}),
        Preset("Sixteen draws per estimate: both are narrower.", {"n_samples": 16}),
        Preset("The gradient in log σ: which way wins here?", {"gradient": "log_sigma"}),
    )
    compute = staticmethod(compute)
    view = "labs/reparameterisation"
    _esm = bundle.module(view)
