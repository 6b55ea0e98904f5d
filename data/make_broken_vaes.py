"""Train the broken VAEs of exercise 6.4, and keep what they print as data/broken_vaes.json.

    python data/make_broken_vaes.py [FILE]

Each has one classic mistake in its loss or its sampling and is trained for a few epochs on the
faces, with several seeds. ELBO, log p(x|z) and KL are as its own, mistaken code has them; the rest
is measured from outside. Means over the test faces, in nats.
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
SEEDS, EPOCHS, SIGMA_X = 4, 6, 0.12


def terms(vae: models.VAE, x: Tensor, eps: Tensor, mistake: str) -> tuple[Tensor, ...]:
    """ELBO, log p(x|z), KL as the mistaken code has them, and its z and x̂."""
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
    return log_px_z + kl if mistake == "sign" else log_px_z - kl, log_px_z, kl, z, x_hat


def train(mistake: str, x: Tensor, seed: int) -> models.VAE:
    """Adam on minus the mistaken ELBO, as lesson 6's loop."""
    vae = models.dense((32, 32), 4, hidden=(64,), sigma_x=SIGMA_X, seed=seed)
    optimiser = torch.optim.Adam(vae.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(2 if mistake == "sign" else EPOCHS):  # with it σ soon falls to nothing
        for index in torch.randperm(len(x), generator=generator).split(50):
            loss = -terms(vae, x[index], torch.randn(len(index), 4, generator=generator), mistake)[
                0
            ]
            optimiser.zero_grad()
            loss.mean().backward()
            optimiser.step()
    return vae


@torch.no_grad()
def numbers(vae: models.VAE, x: Tensor, mistake: str, seed: int) -> dict[str, float]:
    """What it prints, and what is measured from outside."""
    generator = torch.Generator().manual_seed(seed + 1000)
    draws = [
        terms(vae, x, torch.randn(len(x), 4, generator=generator), mistake) for _ in range(200)
    ]
    bound, log_px_z, kl = (torch.stack([d[i] for d in draws]).mean().item() for i in range(3))
    z = torch.stack([d[3] for d in draws])
    spread = z.double().std(0).clamp_min(1e-12)
    zero = torch.zeros((), dtype=torch.float64)
    real_kl = kl_gaussian(z.double().mean(0), spread, zero, zero + 1).sum(-1)
    error = (x - draws[0][4]).square().mean().sqrt()
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
    faces, found = load("faces"), {}
    for mistake in tqdm(MISTAKES, unit="mistake"):
        vaes = ((train(mistake, faces.train, seed), seed) for seed in range(SEEDS))
        found[mistake] = [numbers(vae, faces.test[:300], mistake, seed) for vae, seed in vaes]
    text = json.dumps({"sigma_x": SIGMA_X, "pixels": 1024, "vaes": found}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]) if given else Path(__file__).with_name("broken_vaes.json"))
