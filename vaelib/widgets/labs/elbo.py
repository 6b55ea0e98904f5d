"""Lesson 4's lab: for one x, log p(x) = reconstruction − KL + gap, on the arc."""

import math

import numpy as np
import torch

from vaelib.divergences import kl_to_standard_normal_per_dim
from vaelib.exact import Arc
from vaelib.widgets import bundle
from vaelib.widgets.labs.controls import Slider
from vaelib.widgets.labs.lab import Lab, Mark, Panel, Preset
from vaelib.widgets.labs.scene import Array, Scene, log_normal

ARC = Arc(sigma_x=0.2)
SHOWN = slice(1500, 3301, 5)  # z from −4.5 to 4.5 of the arc's own grid, whose step is 0.005
LEFT = -200.0  # nats from log p(x) where the bar begins: below the ELBO of every state
RIGHT = 14.0  # and where it ends: above the reconstruction of every state
PLACES = (-100, -30, -10, -3, -1, 0, 1, 3, 10)


def place(nats: float) -> float:
    """Where a value stands on the bar's axis, given its distance from log p(x) in nats.

    Near log p(x) a nat is a nat; far away the axis is logarithmic, so that no bar leaves it.

    >>> place(0.0), round(place(1e-6) / 1e-6, 3)
    (0.0, 2.0)
    """
    return math.copysign(math.log1p(2 * abs(nats)), nats)


def gradient(x1: float, x2: float, mu: float, log_sigma: float) -> tuple[float, float]:
    """The gradient of the ELBO in (μ, log σ), in closed form: nats per unit of each."""
    sigma2 = math.exp(2 * log_sigma)
    shrink = math.exp(-0.5 * sigma2) / ARC.sigma_x**2
    along = shrink * (x1 * math.sin(mu) + x2 * math.cos(mu))
    across = shrink * (x1 * math.cos(mu) - x2 * math.sin(mu))
    return across - mu, -sigma2 * along - (sigma2 - 1)


def compute(x1: float, x2: float, mu: float, log_sigma: float) -> Scene:
    """log p(x), ELBO and KL(q‖p(z|x)) in nats, each computed without the others; q and p(z|x)."""
    x = torch.tensor([[x1, x2]], dtype=torch.float64)
    mu_q = torch.tensor([mu], dtype=torch.float64)
    log_sigma_q = torch.tensor([log_sigma], dtype=torch.float64)
    log_px = float(ARC.log_px(x))
    elbo = float(ARC.elbo(x, mu_q, log_sigma_q))
    gap = float(ARC.kl_to_posterior(x, mu_q, log_sigma_q))
    kl = float(kl_to_standard_normal_per_dim(mu_q, log_sigma_q))
    grid, posterior = ARC.grid(x)
    z = grid.numpy()[SHOWN]
    density = posterior[0].numpy()[SHOWN]
    sigma = math.exp(log_sigma)
    q_density = np.exp(log_normal(z, mu, sigma))
    series = {
        "posterior": (z, density),
        "q": (z, q_density),
        "prior": (z, np.exp(log_normal(z, 0.0, 1.0))),
        "arc": _arc(np.linspace(-math.pi, math.pi, 121)),
        "stretch": _arc(np.linspace(mu - 2 * sigma, mu + 2 * sigma, 121)),
        "centre": _arc(np.array([mu])),
        "x": (np.array([x1]), np.array([x2])),
    }
    return Scene(
        series | _bar(elbo + kl - log_px, elbo - log_px),
        {
            "log_px": log_px,
            "elbo": elbo,
            "gap": gap,
            "kl": kl,
            "reconstruction": elbo + kl,
            "mu": mu,
            "sigma": sigma,
            "x1": x1,
            "x2": x2,
        },
        {"densities": (-4.5, 4.5, 0, _half_up(float(max(density.max(), q_density.max()))))},
    )


def _bar(reconstruction: float, elbo: float) -> dict[str, tuple[Array, ...]]:
    """The bar's three parts, one under the other, from nats below or above log p(x)."""
    high = place(reconstruction)
    low = place(elbo)
    nan = math.nan

    def part(left: float, right: float, row: int) -> tuple[Array, ...]:
        """A rectangle in one of the rows 0 to 2, from below."""
        return np.array([left, right]), np.full(2, row + 0.62), np.full(2, row + 0.08)

    return {
        "reconstruction": part(place(LEFT), high, 2),
        "kl": part(low, high, 1),
        "gap": part(low, 0.0, 0),
        "links": (np.array([high, high, nan]), np.array([2.62, 1.08, nan])),
        "elbo": (np.array([low, low]), np.array([1.62, 0.08])),
        "log_px": (np.zeros(2), np.array([0.0, 3.0])),
    }


def _half_up(value: float) -> float:
    """The next half above, 1 at least: an axis that a growing bell does not leave."""
    return max(1.0, math.ceil(2 * value - 1e-6) / 2)


def _arc(z: Array) -> tuple[Array, Array]:
    x = ARC.G(torch.from_numpy(z)).numpy()
    return x[:, 0], x[:, 1]


def _name(nats: int) -> str:
    if nats == 0:
        return "log p(x)"
    return f"−{-nats}" if nats < 0 else f"+{nats}"


class ElboLab(Lab):
    """Move x in the plane and q = N(μ, σ²) over its codes: reconstruction − KL + gap = log p(x).

    The bar's three parts hang together: the KL starts where the reconstruction ends, the gap
    starts where the KL ends, at the ELBO, and always ends at log p(x). At (0, −1) two z explain x
    equally well, and no Gaussian closes the gap. `numbers` has log_px, elbo, gap, reconstruction
    and kl (nats).

    >>> lab = ElboLab()
    >>> round(lab.numbers["log_px"] - lab.numbers["elbo"] - lab.numbers["gap"], 9) == 0
    True
    """

    mu = Slider("μ, mean of q", 0.5, -4.0, 4.0, colour="enc")
    log_sigma = Slider("log σ of q", -1.0, -3.0, 1.0, colour="sig")
    x1 = Slider("x₁", 0.8, -1.5, 1.5)
    x2 = Slider("x₂", 0.6, -1.5, 1.5)

    title = "ELBO lab: log p(x) = ELBO + KL(q‖p(z|x))"
    panels = (
        Panel(
            "densities",
            "q(z) and the posterior",
            "z",
            "density",
            (
                Mark("prior", "p(z)", colour="prior", look=3),
                Mark("posterior", "p(z|x)", colour="code", look=1),
                Mark("q", "q(z)", colour="enc"),
            ),
            "The posterior p(z|x), the prior, and q, a bell at {mu:2} of standard deviation "
            "{sigma:2}.",
        ),
        Panel(
            "plane",
            "x, and where q puts it",
            "x₁",
            "x₂",
            (
                Mark("arc", "G(z)", colour="dec", width=1.4),
                Mark("stretch", "G(μ ± 2σ)", colour="enc", width=6),
                Mark("centre", "", "points", "enc"),
                Mark("x", "x", "points", "ink", 1),
            ),
            "The arc G(z) in the plane, x at ({x1:2}, {x2:2}), and the stretch of the arc that "
            "q covers.",
            limits=(-1.62, 1.62, -1.62, 1.62),
            equal=True,
        ),
        Panel(
            "bar",
            "log p(x) = {log_px:2} nats",
            "nats",
            "",
            (
                Mark("reconstruction", "", "area", "dec"),
                Mark("kl", "", "area", "gap", hatch=True),
                Mark("gap", "", "area", "gap", look=1, hatch=True),
                Mark("links", width=1.4),
                Mark("elbo", "ELBO {elbo:2}", look=1),
                Mark("log_px", "log p(x)"),
            ),
            "Three bars over one axis of nats. The reconstruction ends at {reconstruction:2}; from "
            "there the KL leads {kl:2} nats down to the ELBO, {elbo:2}; from there the gap of "
            "{gap:2} leads up to log p(x), the same place in every state.",
            limits=(place(LEFT), place(RIGHT), 0, 3),
            ticks="x",
            places=tuple((place(nats), _name(nats)) for nats in PLACES),
            rows=(
                (2.35, "reconstruction {reconstruction:2}", "dec"),
                (1.35, "− KL {kl:2}", "gap"),
                (0.35, "+ gap {gap:2}", "gap"),
            ),
        ),
    )
    says = (
        "log p(x) = {log_px:3} nats = ELBO {elbo:3} + KL(q‖p(z|x)) {gap:3}.",
        "ELBO = E log p(x|z) − KL(q‖p(z)) = {reconstruction:3} − {kl:3} nats.",
    )
    presets = (
        Preset("A bell next to the posterior leaves a gap.", {}),
        Preset("The bell on the posterior: almost no gap.", {"mu": 0.9, "log_sigma": -1.65}),
        Preset("A bell far off: has log p(x) moved?", {"mu": -1.5, "log_sigma": -1.0}),
        Preset(
            "x in the middle: what is the best bell?",
            {"x1": 0.0, "x2": 0.0, "mu": 0.0, "log_sigma": 0.0},
        ),
        Preset(
            "Two bumps: one bell cannot follow both.",
            {"x1": 0.05, "x2": -0.6, "mu": 2.8, "log_sigma": -1.3},
        ),
    )
    widest = "−000"
    compute = staticmethod(compute)
    view = "labs/elbo"
    _esm = bundle.module(view)
