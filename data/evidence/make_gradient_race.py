"""Ascend one bound with three estimates of its gradient, at many step sizes: lesson 5's race.

    python data/evidence/make_gradient_race.py [FILE] [--seeds 0 1 2 3 4]

The decoder is linear with 20 latent dimensions and orthogonal columns, so that the gap
log p(x) − L has a closed form and the best diagonal q has none. A seed draws the decoder, ten
points x and the noise. For each x, 400 steps of plain gradient ascent on (μ, log σ) start at the
prior, with one draw a step. What is stored is the mean gap over the last 100 steps and the ten x,
or null where a run has diverged. Takes half a minute; writes gradient_race.json.
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from vaelib.exact import LinearGaussian

WAYS = ("exact gradient", "pathwise", "score function, baseline", "score function")
RATES = (1e-4, 2e-4, 5e-4, 1e-3, 1.5e-3, 2e-3, 5e-3, 1e-2, 2e-2)
STEPS = 400
LAST = 100
POINTS = 10
D = 20


def problem(seed: int) -> tuple[LinearGaussian, Tensor, torch.Generator]:
    """A decoder with orthogonal columns of different lengths, and ten points from it."""
    generator = torch.Generator().manual_seed(1000 + seed)
    columns = torch.linalg.qr(torch.randn(2 * D, D, generator=generator)).Q
    model = LinearGaussian(columns * torch.linspace(0.5, 1.5, D), torch.zeros(2 * D), sigma_x=0.5)
    return model, model.sample(POINTS, generator)[1], generator


def gaps(way: str, rate: float, seed: int) -> Iterator[Tensor]:
    """log p(x) − L before each step, (10,)."""
    model, x, generator = problem(seed)
    mu, log_sigma = torch.zeros(2, POINTS, D)
    variance = model.sigma_x**2
    lengths = model.W.square().sum(0)

    def draw() -> tuple[Tensor, Tensor, Tensor]:
        """Noise, log p(x|z) up to its constant, and its slope."""
        eps = torch.randn(POINTS, D, generator=generator)
        error = x - (mu + log_sigma.exp() * eps) @ model.W.T
        return eps, -error.square().sum(-1) / (2 * variance), error @ model.W / variance

    constant = -D * math.log(2 * math.pi * variance)  # of 40 pixels
    baseline = draw()[1] + constant if "baseline" in way else torch.zeros(POINTS)
    for _ in range(STEPS):
        yield model.kl_to_posterior(x, mu, log_sigma)
        sigma = log_sigma.exp()
        eps, log_px_z, slope = draw()
        log_px_z = log_px_z + constant
        if way == "exact gradient":
            in_mu = (x - mu @ model.W.T) @ model.W / variance
            in_log_sigma = -(sigma**2) * lengths / variance
        elif way == "pathwise":
            in_mu, in_log_sigma = slope, slope * sigma * eps
        else:
            better = (log_px_z - baseline)[:, None]
            in_mu, in_log_sigma = better * eps / sigma, better * (eps**2 - 1)
        if "baseline" in way:
            baseline = baseline + 0.1 * (log_px_z - baseline)
        mu = mu + rate * (in_mu - mu)
        log_sigma = log_sigma + rate * (in_log_sigma - sigma**2 + 1)
        if not (mu.abs() < 1e3).all() or not (log_sigma.abs() < 20).all():
            return


def result(way: str, rate: float, seed: int) -> float | None:
    """The mean gap at the end, in nats, or None where a run has diverged."""
    path = list(gaps(way, rate, seed))
    if len(path) < STEPS:
        return None
    return float(f"{torch.stack(path[-LAST:]).mean():.3g}")


def at_the_start(seed: int) -> float:
    """The mean gap of q = prior over the ten x, in nats."""
    return float(f"{next(gaps(WAYS[0], RATES[0], seed)).mean():.3g}")


def main() -> None:
    """Run all races, and write the file."""
    parser = argparse.ArgumentParser(description="The race of lesson 5.")
    here = Path(__file__).with_name("gradient_race.json")
    parser.add_argument("file", nargs="?", type=Path, default=here)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    races = {}
    for way in WAYS:
        races[way] = [[result(way, rate, seed) for seed in given.seeds] for rate in RATES]
        print(way, races[way], flush=True)
    study = {
        "command": "python data/evidence/make_gradient_race.py",
        "unit": "nats: the mean gap over the last 100 of 400 steps and ten x; null: diverged",
        "seeds": given.seeds,
        "rates": RATES,
        "gap at the start, by seed": [at_the_start(seed) for seed in given.seeds],
        "gaps, by rate and seed": races,
    }
    given.file.write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {given.file}")


if __name__ == "__main__":
    main()
