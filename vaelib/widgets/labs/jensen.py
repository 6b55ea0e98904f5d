"""Lesson 3's lab: a chord over a curve, and the bias of a function of a mean of K draws."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vaelib.widgets import bundle
from vaelib.widgets.labs.controls import Choice, Slider, Steps
from vaelib.widgets.labs.lab import Lab, Mark, Panel, Preset
from vaelib.widgets.labs.scene import Array, Scene, reach


class Curve(NamedTuple):
    """A convex function, its second derivative, its formula, and the limits of its axis."""

    f: Callable[[Array], Array]
    second: Callable[[float], float]
    name: str
    bottom: float
    top: float


CURVES = {
    "-log": Curve(lambda x: -np.log(x), lambda x: 1 / x**2, "−log x", -1.6, 2.6),
    "square": Curve(lambda x: x**2, lambda x: 2.0, "x²", 0, 18),
    "line": Curve(lambda x: x, lambda x: 0.0, "x", 0, 4.5),
}
MOST = 100
SAMPLES = (*range(1, 11), 12, 14, 17, 20, 25, 30, 40, 50, 70, MOST)
K = np.arange(1, MOST + 1)
X = np.arange(2, 85) / 20


def means(x1: float, x2: float, weight: float, k: int) -> tuple[Array, Array]:
    """The values that a mean of K draws of x can take, and their probabilities, (K + 1,) each.

    A draw is x₂ with probability `weight`, else x₁: how many are x₂ is binomial.
    """
    from scipy.special import gammaln, xlogy  # a third of a second that only this lab needs

    j = np.arange(k + 1)
    log_ways = gammaln(k + 1) - gammaln(j + 1) - gammaln(k - j + 1)
    probability = np.exp(log_ways + xlogy(j, weight) + xlogy(k - j, 1 - weight))
    return ((k - j) * x1 + j * x2) / k, probability


def compute(f: str, x1: float, x2: float, weight: float, n_samples: int) -> Scene:
    """The chord, Jensen's gap E f(x) − f(E x), and E f(x̄) − f(E x) for means x̄ of K draws.

    Exact, by the binomial sum; compared with f″(E x) Var x / 2K, the prediction for large K.
    """
    curve = CURVES[f]
    ends = np.array([x1, x2])
    mean = (1 - weight) * x1 + weight * x2
    f_mean = float(curve.f(np.array(mean)))
    bias = np.empty(MOST)
    for k in range(1, MOST + 1):
        at, probability = means(x1, x2, weight, k)
        bias[k - 1] = probability @ (curve.f(at) - f_mean)
    predicted = curve.second(mean) * weight * (1 - weight) * (x2 - x1) ** 2 / (2 * K)
    at, probability = means(x1, x2, weight, n_samples)
    likely = at[probability > 1e-3]
    shares = probability[probability > 1e-3]
    here = bias[n_samples - 1]
    forecast = predicted[n_samples - 1]
    top = reach(float(max(bias[0], predicted[0])), 0.01)
    return Scene(
        {
            "curve": (X, curve.f(X)),
            "chord": (ends, curve.f(ends)),
            "means": (likely, curve.f(likely)),
            "gap": (np.array([mean, mean]), np.array([f_mean, f_mean + here])),
            "mean": (np.array([mean]), np.array([f_mean + here])),
            "stems": (
                np.stack([curve.f(likely)] * 2 + [np.full(len(likely), np.nan)], 1).ravel(),
                np.stack([np.zeros(len(likely)), shares, shares], 1).ravel(),
            ),
            "tips": (curve.f(likely), shares),
            "f_mean": (np.full(2, f_mean), np.array([0.0, 1.0])),
            "mean_f": (np.full(2, f_mean + here), np.array([0.0, 1.0])),
            "bias": (K.astype(float), bias),
            "predicted": (K.astype(float), predicted),
            "here": (np.array([float(n_samples)]), np.array([here])),
        },
        {
            "f": curve.name,
            "k": n_samples,
            "mean": mean,
            "f_mean": f_mean,
            "mean_f": f_mean + float(bias[0]),
            "gap": float(bias[0]),
            "bias": float(here),
            "note": "no gap: 0 at every K" if bias[0] < 1e-9 else "",
            "predicted": float(forecast),
        },
        {
            "curve": (0, 4.25, curve.bottom, curve.top),
            "distribution": (curve.bottom, curve.top, 0, reach(float(shares.max()))),
            "bias": (1, MOST, 0, top),
        },
    )


class JensenLab(Lab):
    """Two points on a convex curve, x₂ with probability `weight`: the chord lies above the curve.

    Of K draws the mean scatters less, so E f(x̄) sinks from the chord to the curve as K grows.
    `f` is "-log" (then it is the bias of the log of a mean), "square" or "line". `numbers` has
    gap and bias; nats for −log.

    >>> JensenLab(f="line").numbers["gap"]
    0.0
    """

    x1 = Slider("x₁", 0.5, 0.1, 4.0)
    x2 = Slider("x₂", 3.5, 0.1, 4.0)
    weight = Slider("P(x = x₂)", 0.5, 0.0, 1.0, 0.02)
    n_samples = Steps("K, draws", 1, SAMPLES, colour="eps")
    f = Choice("f, the curve", "-log", {"-log": "−log x", "square": "x²", "line": "x, a line"})

    title = "Jensen lab: the mean of f is at least f of the mean"
    panels = (
        Panel(
            "curve",
            "f(x) = {f}",
            "x",
            "f(x)",
            (
                Mark("curve", "f"),
                Mark("chord", "chord", colour="prior", look=1),
                Mark("gap", "gap", colour="gap", width=6),
                Mark("means", "f(x̄)", "points", "eps"),
                Mark("mean", "E f(x̄)", "points", "ink", 1),
            ),
            "The curve of f, a chord between two of its points, and at the mean, {mean:2}, a "
            "bar from the curve up to E f(x̄), which is the chord's own height at K = 1.",
        ),
        Panel(
            "distribution",
            "Where f(x̄) falls at K = {k}",
            "f(x̄)",
            "probability",
            (
                Mark("f_mean", "f(E x)"),
                Mark("mean_f", "E f(x̄)", look=1),
                Mark("stems", colour="eps", width=1.4),
                Mark("tips", "f(x̄)", "points", "eps"),
            ),
            "The probabilities of the values of f(x̄): two at K = 1, and the more draws the closer "
            "they gather around f(E x), the first of two upright lines; the other is E f(x̄).",
        ),
        Panel(
            "bias",
            "Gap at K = {k}: {bias:4}",
            "K",
            "gap",
            (
                Mark("bias", "exact", colour="gap"),
                Mark("predicted", "f″(E x) Var x / 2K", look=1),
                Mark("here", "", "points", "gap"),
            ),
            "The gap against K falls from Jensen's gap, {gap:4} at K = 1, towards zero, and the "
            "predicted curve comes ever closer to it.",
            log="x",
            note="{note}",
        ),
    )
    says = (
        "E x = {mean:3}, f(E x) = {f_mean:3}, E f(x) = {mean_f:3}: Jensen's gap is {gap:3}.",
        "With means of K = {k} draws the gap is {bias:4}; f″(E x) Var x / 2K predicts "
        "{predicted:4}.",
        "For f = −log x the gap says by how many nats the log of such a mean is too low.",
    )
    presets = (
        Preset("The chord lies above the curve, by the gap.", {}),
        Preset("A rare small value: how large is the gap?", {"x1": 0.1, "x2": 3.5, "weight": 0.9}),
        Preset("A straight line: chord and curve are one.", {"f": "line"}),
        Preset("For x² the gap is the variance of x.", {"f": "square"}),
        Preset("The mean of 20 draws: how much gap is left?", {"n_samples": 20}),
    )
    compute = staticmethod(compute)
    view = "labs/jensen"
    _esm = bundle.module(view)
