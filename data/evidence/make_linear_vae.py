"""Train a linear VAE against the best log p(x) that its model can reach: lesson 4's five seeds.

    python data/evidence/make_linear_vae.py [FILE]

A seed draws the data's W, b and 1,000 points, and the VAE's first weights. The best mean log p(x)
has a closed form (probabilistic PCA). Takes about a quarter of a minute; writes linear_vae.json.
"""

import json
import sys
from pathlib import Path

import torch

from vaelib import exact, models
from vaelib.schedules import cosine_decay
from vaelib.training import fit

SEEDS = 5
STEPS = 1500


def learning_rate(step: int) -> float:
    """0.05 for half of the steps, then down to 0 as a cosine."""
    return cosine_decay(step, STEPS, start=0.05, hold=0.5)


def measure(seed: int) -> dict[str, float]:
    """How far below the best log p(x) a VAE's mean ELBO ends; the cosine of W's columns."""
    generator = torch.Generator().manual_seed(100 + seed)
    W = torch.randn(5, 2, generator=generator)
    b = torch.randn(5, generator=generator)
    x = exact.LinearGaussian(W, b, sigma_x=0.5).sample(1000, generator)[1]
    best = exact.LinearGaussian.fit(x, latent_dim=2).log_px(x).mean()
    options = {"latent_dim": 2, "hidden": (), "sigma_x": 1.0, "learn_sigma_x": True}
    vae = models.dense((5,), seed=seed, **options).double()
    fit(vae, x, epochs=STEPS, batch_size=1000, lr=learning_rate, progress=False)
    with torch.no_grad():
        top = vae.decoder.body[0]
        learnt = exact.LinearGaussian(top.weight, top.bias, vae.decoder.sigma_x.item())
        q = vae.posterior(x)
        elbo = learnt.elbo(x, q.mu, q.log_sigma).mean()
        products = learnt.W.T @ learnt.W
    cosine = products[0, 1] / products.diagonal().prod().sqrt()
    found = {"below_best": (best - elbo).item(), "cosine": cosine.abs().item()}
    print(seed, found, flush=True)
    return {name: float(f"{value:.2g}") for name, value in found.items()}


def main(path: Path) -> None:
    """Train the five, and write the file."""
    torch.set_default_dtype(torch.float64)
    study = {
        "command": "python data/evidence/make_linear_vae.py",
        "unit": "nats per point, the mean over 1,000 training points",
        "seeds": [measure(seed) for seed in range(SEEDS)],
    }
    path.write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]) if given else Path(__file__).with_name("linear_vae.json"))
