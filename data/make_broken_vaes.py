"""Train the broken VAEs of exercise 6.4, and save what they print as data/broken_vaes.json.

    python data/make_broken_vaes.py [FILE]

Each has one classic mistake in its loss or its sampling and is trained for a few epochs on the
faces, with several seeds. ELBO, log p(x|z) and KL are computed by the mistaken code itself, the
other numbers by correct code. Means over the test faces, in nats.
"""

import json
import math
import sys
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from vaelib import models
from vaelib.data import load
from vaelib.divergences import kl_gaussian

MISTAKES = ("sign", "half", "variance", "mean", "constant")
SEEDS = 4
EPOCHS = 6
SIGMA_X = 0.12


def terms(vae: models.VAE, x: Tensor, eps: Tensor, mistake: str) -> tuple[Tensor, ...]:
    """ELBO, log p(x|z), KL, z and x̂ as the mistaken code computes them."""
    q = vae.posterior(x)
    sigma = (q.log_sigma / 2).exp() if mistake == "variance" else q.sigma
    z = q.mu + sigma * eps
    x_hat = vae.decoder.mean(z)
    squares = (x - x_hat).square().flatten(1) / (2 * SIGMA_X**2)
    constant = 0.0 if mistake == "constant" else math.log(SIGMA_X * math.sqrt(2 * math.pi))
    pixels = -squares - constant
    log_px_z = pixels.mean(1) if mistake == "mean" else pixels.sum(1)
    half = 1.0 if mistake == "half" else 0.5
    kl = half * (q.mu**2 + q.sigma**2 - 1 - 2 * q.log_sigma).sum(1)
    bound = log_px_z + kl if mistake == "sign" else log_px_z - kl
    return bound, log_px_z, kl, z, x_hat


def train(mistake: str, x: Tensor, seed: int) -> models.VAE:
    """Adam on minus the mistaken ELBO, in the loop of lesson 6."""
    vae = models.dense((32, 32), 4, hidden=(64,), sigma_x=SIGMA_X, seed=seed)
    optimiser = torch.optim.Adam(vae.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(seed)
    epochs = 2 if mistake == "sign" else EPOCHS  # with the wrong sign σ soon vanishes
    for _ in range(epochs):
        for index in torch.randperm(len(x), generator=generator).split(50):
            eps = torch.randn(len(index), 4, generator=generator)
            bound, *_ = terms(vae, x[index], eps, mistake)
            optimiser.zero_grad()
            (-bound).mean().backward()
            optimiser.step()
    return vae


@torch.no_grad()
def numbers(vae: models.VAE, x: Tensor, mistake: str, seed: int) -> dict[str, float]:
    """What the VAE's own code prints, and what correct code measures on it."""
    generator = torch.Generator().manual_seed(seed + 1000)
    samples = [
        terms(vae, x, torch.randn(len(x), 4, generator=generator), mistake) for _ in range(200)
    ]
    bound, log_px_z, kl = (torch.stack([s[i] for s in samples]).mean().item() for i in range(3))
    z = torch.stack([s[3] for s in samples])
    spread = z.double().std(0).clamp_min(1e-12)
    zero = torch.zeros((), dtype=torch.float64)
    real_kl = kl_gaussian(z.double().mean(0), spread, zero, zero + 1).sum(-1)
    error = (x - samples[0][4]).square().mean().sqrt()
    found = {
        "ELBO": bound,
        "log p(x|z)": log_px_z,
        "KL": kl,
        "KL, measured on z": real_kl.mean().item(),
        "exp(log_sigma)": vae.posterior(x).sigma.mean().item(),
        "spread of z for one x": spread.mean().item(),
        "x - x_hat": error.item(),
    }
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def main(path: Path) -> None:
    """Train them all, and write the file."""
    faces = load("faces")
    found = {}
    for mistake in tqdm(MISTAKES, unit="mistake"):
        found[mistake] = [
            numbers(train(mistake, faces.train, seed), faces.test[:300], mistake, seed)
            for seed in range(SEEDS)
        ]
    text = json.dumps({"sigma_x": SIGMA_X, "pixels": 1024, "vaes": found}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]) if given else Path(__file__).with_name("broken_vaes.json"))
