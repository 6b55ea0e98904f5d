"""Train the three MNIST models that the project ships, and measure them on the whole test set.

    python data/make_mnist_models.py [NAME …] [--epochs N] [--into FOLDER]
    python data/make_mnist_models.py [NAME …] --measure

The first form trains the models (all three if none is named) and saves them in half precision. A
run that was stopped resumes when the same command is given again; its state is in build/.
Both forms print the table of data/README.md, measured on the saved files; the second one trains
nothing. MNIST must be there: `vaelib.data.load("mnist", download=True)` fetches it.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from vaelib import checkpoint, evaluation, models
from vaelib.data import binarise, load
from vaelib.schedules import cosine_decay, linear_annealing
from vaelib.training import fit

HERE = Path(__file__).resolve().parent
DENSE = {"maker": "dense", "hidden": (256, 64), "activation": "silu"}
CONV = {"maker": "conv", "channels": (8, 16), "hidden": 128}
MODELS: dict[str, dict[str, Any]] = {
    "mnist_2d": {**DENSE, "latent_dim": 2},
    "mnist_10d": {**DENSE, "latent_dim": 10},
    "mnist_conv": {**CONV, "latent_dim": 10},
}
EPOCHS = {"mnist_2d": 50, "mnist_10d": 60, "mnist_conv": 25}
BATCH = 128
SAMPLES = 500
ACTIVE = 0.05  # nats of KL from which on a dimension counts as active


def train(name: str, path: Path, epochs: int) -> None:
    """Train on the 60,000 training images, binarised again for each batch, and save the model.

    β rises from 0 to 1 over the first tenth of the steps. With β = 1 from the start, three of the
    ten dimensions of "mnist_10d" collapsed and stayed so.
    """
    vae = models.build({"shape": (28, 28), "likelihood": "bernoulli", "seed": 0, **MODELS[name]})
    x = load("mnist").train
    steps = epochs * -(-len(x) // BATCH)
    run = HERE.parent / "build" / "mnist_models" / f"{name}_{epochs}"
    history = fit(
        vae,
        x,
        epochs=epochs,
        batch_size=BATCH,
        lr=lambda step: cosine_decay(step, steps, 2e-3, hold=0.1),
        beta=lambda step: linear_annealing(step, steps // 10),
        seed=0,
        binarise=True,
        checkpoint=run,
    )
    if history.interrupted:
        raise SystemExit(f"{name} was stopped; the same command resumes it")
    weights = vae.state_dict(prefix="model.").items()
    half = {name: t.half() if t.ndim else t for name, t in weights}
    checkpoint.write(path, half, {"config": vae.config, "data": "mnist_sample"})
    print(f"wrote {path} ({path.stat().st_size / 1000:.0f} kB)")


def measure(name: str, path: Path) -> str:
    """One row of the table, from the saved file."""
    vae = checkpoint.load_vae(path)
    x = binarise(load("mnist").test, torch.Generator().manual_seed(0))
    bounds = [*evaluation.ladder(vae, x, (SAMPLES,)).values(), *on_sample(vae)]
    active = int((evaluation.kl_per_dim(vae, x).mean(0) > ACTIVE).sum())
    cells = [f"{m.value:.2f} ± {m.standard_error:.2f}".replace("-", "−") for m in bounds]
    return f"| `{name}` | {vae.latent_dim} | {active} | {' | '.join(cells)} |"


def on_sample(vae: models.VAE) -> tuple[evaluation.Mean, evaluation.Mean]:
    """The ELBO of the 1,000 images of the sample, and IW-500 of 25 of them."""
    x = binarise(load("mnist_sample").test, torch.Generator().manual_seed(0))
    elbo = evaluation.ladder(vae, x, ())["ELBO"]
    return elbo, evaluation.ladder(vae, x[::40], (SAMPLES,))[f"IW-{SAMPLES}"]


def main() -> None:
    """Train what is asked for, then print the table."""
    parser = argparse.ArgumentParser(description="Train and measure the shipped MNIST models.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODELS))
    parser.add_argument("--epochs", type=int, help="instead of each model's own number")
    parser.add_argument("--into", type=Path, default=HERE, help="folder of the files")
    parser.add_argument("--measure", action="store_true", help="train nothing")
    a = parser.parse_args()
    names = a.names or list(MODELS)
    if unknown := set(names) - set(MODELS):
        parser.error(f"there is no model {sorted(unknown)[0]!r}; expected one of {list(MODELS)}")
    torch.set_num_threads(1)  # with more, sums of convolutions are rounded in another order
    for name in names:
        if not a.measure:
            train(name, a.into / f"{name}.safetensors", a.epochs or EPOCHS[name])
    rows = [measure(name, a.into / f"{name}.safetensors") for name in names]
    bounds = f"ELBO | IW-{SAMPLES} | ELBO, sample | IW-{SAMPLES}, 25 of the sample"
    print(f"| model | dimensions | active | {bounds} |")
    print("| --- " * 7 + "|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
