"""Lesson 1's lab: both Kullback-Leibler divergences between a Gaussian q and a given p."""

import math

import numpy as np

from vaelib.widgets import bundle
from vaelib.widgets.labs.controls import Choice, Slider
from vaelib.widgets.labs.lab import Lab, Mark, Panel, Preset
from vaelib.widgets.labs.scene import Array, Scene, log_normal, reach

# Weight, mean and standard deviation of each bump of p.
DENSITIES = {
    "normal": ((1.0, 0.0, 1.0),),
    "bumps": ((0.6, -2.0, 0.6), (0.4, 2.0, 0.6)),
}
OPTIONS = {"normal": "the standard normal", "bumps": "two bumps, at −2 and 2"}
# The trapezoid rule on a grid that holds every q: exact to 1e-12, the integrands being smooth.
Z = np.arange(-600, 601) / 20
SHOWN = slice(480, 721)
UNSEEN = 5e-4  # an integrand that is nowhere larger cannot be told from the axis


def compute(mu: float, sigma: float, p: str) -> Scene:
    """The densities, both signed integrands, and their integrals in nats, for q = N(μ, σ²).

    KL(q‖p) = ∫ q (log q − log p) dz, split into its area above zero and that below.
    """
    log_q = log_normal(Z, mu, sigma)
    bumps = [math.log(weight) + log_normal(Z, m, s) for weight, m, s in DENSITIES[p]]
    log_p = np.logaddexp.reduce(bumps)
    q = np.exp(log_q)
    density = np.exp(log_p)
    scene = Scene({"q": (Z[SHOWN], q[SHOWN]), "p": (Z[SHOWN], density[SHOWN])}, {}, {})
    scene.limits["densities"] = (-6, 6, 0, reach(max(q.max(), density.max()), 0.5))
    _signed(scene, "qp", q * (log_q - log_p))
    _signed(scene, "pq", density * (log_p - log_q))
    scene.numbers.update(mu=mu, sigma=sigma)
    return scene


def _signed(scene: Scene, key: str, integrand: Array) -> None:
    """Add the integrand's two areas, their sizes, and the limits of the axes that hold them."""
    above = np.maximum(integrand, 0)
    below = np.minimum(integrand, 0)
    scene.series[f"above_{key}"] = (Z[SHOWN], above[SHOWN])
    scene.series[f"below_{key}"] = (Z[SHOWN], below[SHOWN])
    scene.numbers[f"above_{key}"] = float(above.sum() / 20)
    scene.numbers[f"below_{key}"] = float(-below.sum() / 20)
    scene.numbers[f"kl_{key}"] = float(integrand.sum() / 20)
    unseen = np.abs(integrand[SHOWN]).max() < UNSEEN
    scene.numbers[f"note_{key}"] = "q = p: 0 everywhere" if unseen else ""
    top = reach(float(above[SHOWN].max()))
    bottom = reach(float(-below[SHOWN].min()))
    scene.limits[key] = (-6, 6, -bottom, top)


def _integrand(key: str, name: str, weight: str, other: str) -> Panel:
    return Panel(
        key,
        f"KL({name}) = {{kl_{key}:3}} nats",
        "z",
        "nats per z",
        (
            Mark(f"above_{key}", "adds", "area", "gap", hatch=True),
            Mark(f"below_{key}", "takes away", "area", "ink"),
        ),
        f"The integrand {weight} log({weight}/{other}) over z: an area of {{above_{key}:3}} nats "
        f"above zero, where {weight} is the larger, and of {{below_{key}:3}} below.",
        note=f"{{note_{key}}}",
    )


class KLLab(Lab):
    """Move q = N(μ, σ²) against a given p: the densities, both signed integrands, both KLs.

    `p` is "normal", N(0, 1), or "bumps", two of them. `numbers` has kl_qp and kl_pq (nats).

    >>> KLLab(mu=0.0, sigma=1.0).numbers["kl_qp"]
    0.0
    """

    mu = Slider("μ, mean of q", 1.0, -4.0, 4.0, colour="enc")
    sigma = Slider("σ of q", 0.6, 0.2, 3.0, colour="sig")
    p = Choice(
        "p, the given density",
        "normal",
        {"normal": "the standard normal", "bumps": "two bumps, at −2 and 2"},
    )

    title = "KL lab: q = N(μ, σ²) against p"
    panels = (
        Panel(
            "densities",
            "q and p",
            "z",
            "density",
            (Mark("p", "p(z)", colour="prior", look=1), Mark("q", "q(z)", colour="enc")),
            "The densities of p and of q, a bell at {mu:2} of standard deviation {sigma:2}.",
        ),
        _integrand("qp", "q‖p", "q", "p"),
        _integrand("pq", "p‖q", "p", "q"),
    )
    says = (
        "KL(q‖p) = {kl_qp:3} nats: {above_qp:3} where q > p, minus {below_qp:3} where q < p.",
        "KL(p‖q) = {kl_pq:3} nats: {above_pq:3} where p > q, minus {below_pq:3} where p < q.",
        "The areas are those over all z, also outside the picture.",
    )
    presets = (
        Preset("Two bells: two areas, two different numbers.", {}),
        Preset("q lies on p: both divergences are 0.", {"mu": 0.0, "sigma": 1.0}),
        Preset("A narrow q: KL(p‖q) is far the larger.", {"mu": 0.0, "sigma": 0.2}),
        Preset(
            "q covers both bumps. Which number is smaller?",
            {"p": "bumps", "mu": -0.4, "sigma": 2.05},
        ),
        Preset(
            "q takes one bump. Which number is smaller now?",
            {"p": "bumps", "mu": -2.0, "sigma": 0.6},
        ),
    )
    compute = staticmethod(compute)
    view = "labs/kl"
    _esm = bundle.module(view)
