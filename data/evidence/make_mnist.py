"""Train small VAEs on MNIST: lesson 6's studies of KL annealing and of convolutions.

    python data/evidence/make_mnist.py [FILE] [--seeds 0 1 2 …]

"annealing": the shipped dense architecture with ten dimensions, 4,000 steps on 20,000 digits, with
β = 1 throughout or with β raised from 0 to 1 over the first 800 steps. "networks": dense and
convolutional, annealed, 1,000 steps. The pixels are binarised again for each batch. A seed draws
the first weights, the order and the noise. MNIST must be there. Takes about ten minutes on one
core; writes mnist.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from vaelib import data, evaluation, models
from vaelib.schedules import cosine_decay, linear_annealing
from vaelib.training import fit

N_TRAIN = 20_000
BATCH = 100
EPOCH = N_TRAIN // BATCH  # steps
EPOCHS = {"annealing": 20, "networks": 5}
WARM_UP = 800
ACTIVE = 0.05  # nats of KL from which on a dimension counts as active
OPTIONS: dict[str, Any] = {"latent_dim": 10, "likelihood": "bernoulli"}


def model(name: str, seed: int) -> models.VAE:
    """An untrained model, "dense" or "conv", as those that are shipped."""
    if name == "conv":
        return models.conv((28, 28), channels=(8, 16), hidden=128, seed=seed, **OPTIONS)
    return models.dense((28, 28), hidden=(256, 64), activation="silu", seed=seed, **OPTIONS)


def run(
    name: str, seed: int, epochs: int, warm_up: int, train: torch.Tensor, test: torch.Tensor
) -> dict[str, Any]:
    """Train one model, and measure it on the test digits; with the curves of training."""
    vae, steps = model(name, seed), epochs * EPOCH
    history = fit(
        vae,
        train,
        epochs=epochs,
        batch_size=BATCH,
        lr=lambda step: cosine_decay(step, steps, 2e-3, hold=0.5),
        beta=lambda step: linear_annealing(step, warm_up),
        seed=seed,
        binarise=True,
        progress=False,
    )
    kl = evaluation.kl_per_dim(vae, test).mean(0)
    return {
        "elbo": round(evaluation.ladder(vae, test, ())["ELBO"].value, 2),
        "active": int((kl > ACTIVE).sum()),
        "training elbo": [round(value, 2) for value in history.elbo],
        "training kl": [round(value, 2) for value in history.kl],
    }


def main() -> None:
    """Train them all, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = Path(__file__).with_name("mnist.json")
    parser.add_argument("file", nargs="?", type=Path, default=here)
    parser.add_argument("--seeds", type=int, nargs="+", default=[*range(10)])
    given = parser.parse_args()
    train = data.load("mnist").train[:N_TRAIN]
    generator = torch.Generator().manual_seed(0)
    test = data.binarise(data.load("mnist_sample").test, generator)
    study: dict[str, Any] = {
        "command": "python data/evidence/make_mnist.py",
        "unit": "nats per digit; elbo and active on the 1,000 test digits of the sample",
        "steps per epoch": EPOCH,
        "seeds": given.seeds,
    }
    kinds = {"annealing": (("dense", 0), ("dense", WARM_UP))}
    kinds["networks"] = (("dense", WARM_UP), ("conv", WARM_UP))
    for part, compared in kinds.items():
        study[part] = {}
        for name, warm_up in compared:
            key = name if part == "networks" else "annealed" if warm_up else "β = 1"
            study[part][key] = []
            for seed in given.seeds:
                found = run(name, seed, EPOCHS[part], warm_up, train, test)
                study[part][key].append(found)
                print(part, key, seed, found["elbo"], found["active"], flush=True)
            if part == "networks":
                study[part][f"{key}, weights"] = sum(p.numel() for p in model(name, 0).parameters())
    given.file.write_text(json.dumps(study) + "\n", encoding="utf-8")
    print(f"wrote {given.file}")


if __name__ == "__main__":
    main()
