"""Measure when a face VAE collapses: lesson 6's study of the threshold and of slow waking.

    python data/evidence/make_collapse.py [FILE] [--seeds 0 1 2 3 4]

"warm": a VAE is trained with σ_x = 0.5, and then trained on as σ_x is raised in steps. "cold": it
begins from its first weights at one σ_x, with β = 1 throughout or with β raised from 0 to 1. A seed
draws the first weights, the order of the faces and the noise; the learning rate falls to zero in
each stage. Takes about five minutes on one core; writes collapse.json.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch

from vaelib import data, evaluation, models
from vaelib.schedules import cosine_decay, linear_annealing
from vaelib.training import fit

WARM = (0.5, 0.7, 0.9, 1.1, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 2.0)
COLD = (0.5, 1.0, 1.3)
BATCH = 64
EPOCH = 63  # steps
FIRST, STAGE, ALONE = 24, 12, 48  # epochs of the first warm stage, of the others, of a cold run
WARM_UP = 12 * EPOCH  # steps in which β rises


def model(sigma_x: float, seed: int) -> models.VAE:
    """An untrained VAE with four dimensions."""
    return models.dense((32, 32), 4, hidden=(128,), activation="silu", sigma_x=sigma_x, seed=seed)


def train(vae: models.VAE, x: torch.Tensor, epochs: int, seed: int, warm_up: int = 0) -> Any:
    """Train it, and return the history."""
    steps = epochs * EPOCH
    return fit(
        vae,
        x,
        epochs=epochs,
        batch_size=BATCH,
        lr=lambda step: cosine_decay(step, steps, 2e-3, hold=0.5),
        beta=lambda step: linear_annealing(step, warm_up),
        seed=seed,
        progress=False,
    )


def measure(vae: models.VAE, x: torch.Tensor) -> dict[str, float]:
    """KL and ELBO on the faces it was trained on, in nats."""
    kl = evaluation.kl_per_dim(vae, x).mean(0)
    elbo = evaluation.ladder(vae, x, ())["ELBO"].value
    return {"kl": round(kl.sum().item(), 3), "elbo": round(elbo, 3)}


def warm(x: torch.Tensor, seed: int) -> dict[str, dict[str, float]]:
    """One model taken through all σ_x, from the smallest up."""
    vae = model(WARM[0], seed)
    found = {}
    for sigma_x in WARM:
        vae.decoder.log_sigma_x.fill_(math.log(sigma_x))
        train(vae, x, FIRST if sigma_x == WARM[0] else STAGE, seed)
        found[str(sigma_x)] = measure(vae, x)
    return found


def cold(x: torch.Tensor, seed: int, sigma_x: float, warm_up: int) -> dict[str, Any]:
    """One model trained from its first weights; with the KL of each epoch."""
    vae = model(sigma_x, seed)
    history = train(vae, x, ALONE, seed, warm_up)
    return measure(vae, x) | {"epochs": [round(kl, 3) for kl in history.kl]}


def main() -> None:
    """Train them all, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = Path(__file__).with_name("collapse.json")
    parser.add_argument("file", nargs="?", type=Path, default=here)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    x = data.load("faces").train
    study: dict[str, Any] = {
        "command": "python data/evidence/make_collapse.py",
        "unit": "nats per face, means over the 4,000 training faces",
        "steps per epoch": EPOCH,
        "seeds": given.seeds,
        "warm": [],
        "cold": {str(sigma_x): [] for sigma_x in COLD},
        "cold, annealed": {str(sigma_x): [] for sigma_x in COLD},
    }
    for seed in given.seeds:
        study["warm"].append(warm(x, seed))
        print(seed, study["warm"][-1], flush=True)
        for sigma_x in COLD:
            for name, warm_up in (("cold", 0), ("cold, annealed", WARM_UP)):
                study[name][str(sigma_x)].append(cold(x, seed, sigma_x, warm_up))
                print(seed, name, sigma_x, study[name][str(sigma_x)][-1], flush=True)
    given.file.write_text(json.dumps(study, indent=None) + "\n", encoding="utf-8")
    print(f"wrote {given.file}")


if __name__ == "__main__":
    main()
