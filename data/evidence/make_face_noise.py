"""Train the face VAE with its noise learned and fixed: lesson 6's study of what the ELBO prefers.

    python data/evidence/make_face_noise.py [FILE] [--seeds 0 1 2 3 4]

σ_x is learned, or fixed at 0.02, 0.12 or 0.5; β = 1, Adam, a falling learning rate, 3,000 steps.
"noisy" is the intervention: noise of standard deviation 0.1 is added to the faces, and σ_x learned.
A seed draws the first weights, the order of the faces and the noise. The first seed trains twice as
long as well, to show what is still missing. Takes about six minutes on one core; writes
face_noise.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from vaelib import data, evaluation, models
from vaelib.schedules import cosine_decay
from vaelib.training import fit

NOISE = {"learned": 0.12, "0.02": 0.02, "0.12": 0.12, "0.5": 0.5, "noisy": 0.12}
STEPS = 3000
BATCH = 64
LONGER = ("learned", "0.02")
ADDED = 0.1  # the standard deviation of the noise of the noisy faces
ACTIVE = 0.05  # nats of KL from which on a dimension counts as active


def train(name: str, seed: int, steps: int, x: torch.Tensor) -> models.VAE:
    """The model after about `steps` steps, with σ_x learned or fixed."""
    vae = models.dense(
        (1024,),
        latent_dim=2,
        hidden=(128, 128),
        activation="silu",
        sigma_x=NOISE[name],
        learn_sigma_x=name in ("learned", "noisy"),
        seed=seed,
    )
    fit(
        vae,
        x,
        epochs=steps // -(-len(x) // BATCH),
        batch_size=BATCH,
        lr=lambda step: cosine_decay(step, steps, 2e-3, hold=0.5),
        seed=seed,
        progress=False,
    )
    return vae


@torch.no_grad()
def measure(vae: models.VAE, x: torch.Tensor) -> dict[str, float]:
    """ELBO, KL, σ_x, the root mean square of x − x̂ at z = μ, and how many dimensions are active."""
    kl = evaluation.kl_per_dim(vae, x).mean(0)
    error = (x - vae.decoder.mean(vae.posterior(x).mu)).square().mean().sqrt()
    found = {
        "elbo": evaluation.ladder(vae, x, ())["ELBO"].value,
        "kl": kl.sum().item(),
        "sigma_x": vae.decoder.sigma_x.item(),
        "error": error.item(),
    }
    rounded = {key: float(f"{value:.4g}") for key, value in found.items()}
    return rounded | {"active": int((kl > ACTIVE).sum())}


def faces(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The faces to train on and to test with, (N, 1024); with noise for "noisy"."""
    loaded = data.load("faces")
    parts = [loaded.train.flatten(1), loaded.test.flatten(1)]
    if name == "noisy":
        generator = torch.Generator().manual_seed(1)
        parts = [x + ADDED * torch.randn(x.shape, generator=generator) for x in parts]
    return parts[0], parts[1]


def main() -> None:
    """Train them all, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = Path(__file__).with_name("face_noise.json")
    parser.add_argument("file", nargs="?", type=Path, default=here)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    study: dict[str, Any] = {
        "command": "python data/evidence/make_face_noise.py",
        "unit": "nats per face, means over 1,000 test faces",
        "steps": STEPS,
        "seeds": given.seeds,
        "runs": {},
        "twice as long": {},
    }
    for name in NOISE:
        train_x, test_x = faces(name)
        runs = []
        for seed in given.seeds:
            runs.append(measure(train(name, seed, STEPS, train_x), test_x))
            print(name, seed, runs[-1], flush=True)
        study["runs"][name] = runs
        if name not in LONGER:
            continue
        longer = measure(train(name, given.seeds[0], 2 * STEPS, train_x), test_x)
        study["twice as long"][name] = longer
        print(name, "twice as long", longer, flush=True)
    given.file.write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {given.file}")


if __name__ == "__main__":
    main()
