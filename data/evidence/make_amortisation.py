"""Measure where an encoder loses: lesson 4's study of shape, amortisation and generalisation.

    python data/evidence/make_amortisation.py [FILE]

On the arc, log p(x) and the ELBO of a Gaussian q are known without sampling, so each gap is a
number without Monte Carlo error. Five seeds for each size of training set; a seed draws the
training points and the first weights. Takes some three minutes; writes amortisation.json.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from vaelib import exact, models
from vaelib.schedules import cosine_decay

SIZES = (100, 400, 2000)
SEEDS = 5
STEPS = 2000
BATCH = 500
RATE = 0.005
TWO_LAYERS = (64, 64)


def network(hidden: tuple[int, ...]) -> models.GaussianEncoder:
    """An encoder for the plane with layers of tanh units."""
    layers = []
    for inputs, units in pairwise((2, *hidden)):
        layers += [nn.Linear(inputs, units), nn.Tanh()]
    return models.GaussianEncoder(nn.Sequential(*layers), hidden[-1], 1)


def train_encoder(
    arc: exact.Arc, n_train: int | None, seed: int, hidden: tuple[int, ...] = TWO_LAYERS
) -> tuple[models.GaussianEncoder, torch.Tensor]:
    """The encoder and its training points; without `n_train`, it sees new points at each step."""
    generator = torch.Generator().manual_seed(1000 + seed)
    x = arc.sample(n_train or BATCH, generator)[1]
    batch = x
    torch.manual_seed(seed)
    encoder = network(hidden)
    optimiser = torch.optim.Adam(encoder.parameters())
    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = cosine_decay(step, STEPS, RATE, hold=0.3)
        if n_train is None:
            batch = arc.sample(BATCH, generator)[1]
        elif n_train > BATCH:
            batch = x[torch.randint(n_train, (BATCH,), generator=generator)]
        q = encoder(batch)
        loss = -arc.elbo(batch, q.mu[:, 0], q.log_sigma[:, 0]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return encoder, x


@torch.no_grad()
def gaps(arc: exact.Arc, encoder: models.GaussianEncoder, x: torch.Tensor) -> torch.Tensor:
    """log p(x) − L for the encoder's q, (B,), nats."""
    q = encoder(x)
    return arc.log_px(x) - arc.elbo(x, q.mu[:, 0], q.log_sigma[:, 0])


def best_gaps(arc: exact.Arc, x: torch.Tensor, starts: int = 7) -> torch.Tensor:
    """log p(x) − L for the best Gaussian q of each x, the best of several ascents, (B,), nats."""
    first = torch.linspace(-3.3, 3.3, starts).repeat(len(x))
    mu = first.requires_grad_()
    log_sigma = torch.full_like(first, -1.0).requires_grad_()
    many = x.repeat_interleave(starts, 0)
    optimiser = torch.optim.Adam([mu, log_sigma], lr=0.05)
    for step in range(300):
        optimiser.param_groups[0]["lr"] = cosine_decay(step, 300, 0.05, hold=0.3)
        loss = -arc.elbo(many, mu, log_sigma).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        best = arc.elbo(many, mu, log_sigma).reshape(len(x), starts).amax(1)
    return arc.log_px(x) - best


def new_points(arc: exact.Arc) -> torch.Tensor:
    """The points that no encoder has seen."""
    return arc.sample(5000, torch.Generator().manual_seed(7))[1]


def measure(
    arc: exact.Arc, n_train: int | None, seed: int, hidden: tuple[int, ...] = TWO_LAYERS
) -> dict[str, float]:
    """The mean gap of one encoder on its training points and on new ones, in nats."""
    encoder, x = train_encoder(arc, n_train, seed, hidden)
    on_new = gaps(arc, encoder, new_points(arc))
    found = {"new": on_new.mean().item(), "median": on_new.median().item()}
    if n_train is not None:
        found["training"] = gaps(arc, encoder, x).mean().item()
    print(n_train, seed, hidden, found, flush=True)
    return {name: float(f"{value:.3g}") for name, value in found.items()}


def main(path: Path) -> None:
    """Train all encoders, and write the file."""
    torch.set_default_dtype(torch.float64)
    arc = exact.Arc(sigma_x=0.2)
    shape = best_gaps(arc, new_points(arc))
    print("shape", shape.mean(), flush=True)
    study = {
        "command": "python data/evidence/make_amortisation.py",
        "unit": "nats per point; means over 5,000 new points, or over the training points",
        "shape": float(f"{shape.mean():.3g}"),
        "two layers": {str(n): [measure(arc, n, seed) for seed in range(SEEDS)] for n in SIZES},
        "two layers, new points at each step": [measure(arc, None, s) for s in range(SEEDS)],
        "one layer, new points at each step": [
            measure(arc, None, seed, hidden=(64,)) for seed in range(SEEDS)
        ],
    }
    path.write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]) if given else Path(__file__).with_name("amortisation.json"))
