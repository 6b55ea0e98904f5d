"""Lesson 4's lab: for one x of the arc, log p(x) split into the ELBO and the gap that q leaves."""

import math

import numpy as np
import torch

from vaelib.divergences import kl_to_standard_normal_per_dim
from vaelib.exact import Arc
from vaelib.widgets import bundle
from vaelib.widgets.labs.controls import Slider
from vaelib.widgets.labs.lab import INK, Lab, Mark, Panel
from vaelib.widgets.labs.scene import Array, Scene, log_normal, reach

ARC = Arc(sigma_x=0.2)
SHOWN = slice(1500, 3301, 5)  # z from −4.5 to 4.5 of the arc's own grid, whose step is 0.005
BELOW = 12.0  # how far below log p(x) the bar's axis starts, nats


def compute(x1: float, x2: float, mu: float, log_sigma: float) -> Scene:
    """log p(x) = ELBO + KL(q‖p(z|x)) in nats, each computed without the others; q and p(z|x)."""
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
    floor = log_px - BELOW
    top = max(elbo, floor)
    bar = np.array([0.25, 0.75])
    return Scene(
        {
            "posterior": (z, density),
            "q": (z, q_density),
            "prior": (z, np.exp(log_normal(z, 0.0, 1.0))),
            "arc": _arc(np.linspace(-math.pi, math.pi, 121)),
            "stretch": _arc(np.linspace(mu - 2 * sigma, mu + 2 * sigma, 121)),
            "centre": _arc(np.array([mu])),
            "x": (np.array([x1]), np.array([x2])),
            "elbo": (bar, np.full(2, top), np.full(2, floor)),
            "gap": (bar, np.full(2, log_px), np.full(2, top)),
            "log_px": (np.array([0.0, 1.0]), np.full(2, log_px)),
        },
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
            "place": "below the axis" if elbo < floor else "",
        },
        {
            "densities": (-4.5, 4.5, 0, reach(float(max(density.max(), q_density.max())), 1.0)),
            "bar": (0, 1, floor, log_px + 1),
        },
    )


def _arc(z: Array) -> tuple[Array, Array]:
    x = ARC.G(torch.from_numpy(z)).numpy()
    return x[:, 0], x[:, 1]


class ElboLab(Lab):
    """Move q = N(μ, σ²) for one x = (x₁, x₂) of the arc: a bar of fixed height log p(x) splits.

    Below is the ELBO, above the gap KL(q‖p(z|x)); beside it the posterior that q should become.
    At (0, −1) two z explain x equally well, and no Gaussian closes the gap. `numbers` has log_px,
    elbo, gap, reconstruction and kl (nats).

    >>> lab = ElboLab()
    >>> round(lab.numbers["log_px"] - lab.numbers["elbo"] - lab.numbers["gap"], 9) == 0
    True
    """

    mu = Slider("μ, mean of q", 0.5, -4.0, 4.0)
    log_sigma = Slider("log σ of q", -1.0, -3.0, 1.0)
    x1 = Slider("x₁", 0.8, -1.5, 1.5)
    x2 = Slider("x₂", 0.6, -1.5, 1.5)

    title = "ELBO lab: log p(x) = ELBO + KL(q‖p(z|x))"
    panels = (
        Panel(
            "plane",
            "x, and where q would put it",
            "x₁",
            "x₂",
            (
                Mark("arc", "G(z)", style=INK),
                Mark("stretch", "G(μ ± 2σ)", style=0, width=5),
                Mark("centre", "G(μ)", "points", 0),
                Mark("x", "x", "points", 1),
            ),
            "The arc G(z) in the plane, x at ({x1:2}, {x2:2}), and the stretch of the arc that "
            "q covers.",
            limits=(-2.4, 2.4, -1.62, 1.62),
            equal=True,
        ),
        Panel(
            "densities",
            "q beside the posterior",
            "z",
            "density",
            (
                Mark("q", "q(z)", style=0),
                Mark("posterior", "p(z|x)", style=1),
                Mark("prior", "p(z)", style=3),
            ),
            "The posterior p(z|x), the prior, and q, a bell at {mu:2} of standard deviation "
            "{sigma:2}.",
        ),
        Panel(
            "bar",
            "log p(x) = {log_px:2} nats",
            "",
            "nats",
            (
                Mark("log_px", "log p(x)", style=INK),
                Mark("gap", "gap {gap:2}", "area", 1, hatch=True),
                Mark("elbo", "ELBO {elbo:2} {place}", "area", 0),
            ),
            "A bar up to log p(x): the ELBO, {elbo:2} nats, and above it the gap of {gap:2}.",
            ticks="y",
        ),
    )
    says = (
        "log p(x) = {log_px:3} nats = ELBO {elbo:3} + KL(q‖p(z|x)) {gap:3}.",
        "ELBO = E log p(x|z) − KL(q‖p(z)) = {reconstruction:3} − {kl:3} nats.",
    )
    compute = staticmethod(compute)
    view = "labs/elbo"
    _esm = bundle.module(view)
