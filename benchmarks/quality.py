"""How good the models are, beside the literature: `make bench-quality`.

    python benchmarks/quality.py [recipes] [pythae] [burda] [options] [sigma_x] [faces] …

In nats. Genuine MNIST, log p(x) by importance sampling; each part says its binarisation. Runs,
weights and bounds are kept in `--keep FOLDER` (build/quality): a run that was stopped goes on, what
is done is only printed again. `--epochs` and `--test` (test images) make it shorter, and the tables
say so.
"""

import argparse
import platform
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

from quality_options import faces, options, sigma_x
from quality_runs import Folder, Recipe, cell, drawn, header, mean, row, signed

import torch  # isort: skip

from vaelib import data
from vaelib.models import VAE

PYTHAE = Recipe("pythae", 40, (400,), "relu", 100, lr=2e-3, hold=0.1, average=0.999, k=4)
ONCE = replace(PYTHAE, lr=1e-3, hold=0.6, k=1, binarise=False)  # it fits its 0/1 pixels too well
IWAE = replace(PYTHAE, objective="iwae", k=5)
DREG = replace(IWAE, objective="dreg")
BURDA = Recipe("burda", 50, (200, 200), "tanh", 600, lr=2e-3, hold=0.3, average=0.999)
CANDIDATES: tuple[tuple[bool, str, dict], ...] = (
    (True, "lr 2e-3, decayed", {}),
    (True, "lr 4e-3, decayed", {"lr": 4e-3}),
    (False, "lr 2e-3, decayed", {}),
    (False, "lr 4e-3, decayed", {"lr": 4e-3}),
    (False, "lr 1e-3, constant", {"lr": 1e-3, "hold": None}),
    (False, "lr 2e-3, decayed, β from 0 to 1 over 5 epochs", {"warmup": 5}),
    (False, "lr 2e-3, decayed, 4 draws of z for an image", {"k": 4}),
    (
        False,
        'lr 2e-3, constant, objective="iwae", k = 5',
        {"hold": None, "objective": "iwae", "k": 5},
    ),
)
RUNGS = (5, 50, 5000)
CURVE = ("test images", "ELBO", "IW-200")


def recipes(mnist: data.Data, folder: Folder, epochs: int | None) -> None:
    """Chosen between on the last 10,000 training images, which these runs do not see."""
    once = drawn(mnist.train)
    kept_back = once[-10000:][:2000]
    print(f"\n### Recipes for 784-400-40 on {len(kept_back)} images kept back from training\n")
    header("training images", "recipe", "epochs", "CPU s", "trained, ELBO", "ELBO", "IW-200")
    for anew, name, changes in CANDIDATES:
        recipe = replace(PYTHAE, name="recipe", epochs=epochs or 20, k=1, binarise=anew)
        x = (mnist.train if anew else once)[:-10000]
        key, vae, facts = folder.trained(replace(recipe, **changes), x)
        found = [cell(folder.bound(key, vae, kept_back, k)) for k in (0, 200)]
        done, cpu, _, trained = _facts(facts)
        row(f"{len(x)}, {_drawn(anew)}", name, done, cpu, trained, *found)


def pythae(mnist: data.Data, folder: Folder, epochs: int | None) -> None:
    """784-400-40 ReLU, batches of 100; there an NLL of 89.78 (200 samples), 89.9 in its reference.

    Theirs is Larochelle and Murray's fixed binarisation, with 50,000 images to train on.
    """
    print("\n### 784-400-40, ReLU, batches of 100")
    test = mnist.test
    once = drawn(mnist.train)[:50000]
    anew = [(recipe, mnist.train) for recipe in (PYTHAE, IWAE, DREG)]
    for recipe, x in (*anew, (ONCE, once)):
        print(f"\nobjective {recipe.objective}, draws of z for an image: {recipe.k}\n")
        header("training images", "epochs", "CPU s", "products", "trained, ELBO", *CURVE)
        recipe = replace(recipe, epochs=epochs or recipe.epochs)
        key, vae = curve(folder, recipe, x, test, (10, 20, 50))
        if recipe.k == PYTHAE.k:
            ladder(folder, key, vae, test[::10])


def burda(mnist: data.Data, folder: Folder, epochs: int | None) -> None:
    """50 latents, 2 × 200 tanh, dynamic binarisation; there −86.76 with 5,000 samples."""
    print("\n### One stochastic layer, 50 latents, 2 × 200 tanh, binarised anew for each batch\n")
    header("training images", "epochs", "CPU s", "products", "trained, ELBO", *CURVE)
    recipe, test = replace(BURDA, epochs=epochs or BURDA.epochs), mnist.test
    stages = (1, 2, 5, 10, 20, 50, *range(100, recipe.epochs, 100))
    key, vae = curve(folder, recipe, mnist.train, test, stages)
    ladder(folder, key, vae, test)


def ladder(folder: Folder, key: str, vae: VAE, test: torch.Tensor) -> None:
    """The bounds of one model, and by how much each is above the one before, image by image."""
    rungs = [folder.bound(key, vae, test, k) for k in (0, *RUNGS)]
    print()
    header(f"{len(test)} test images", "value", "above the one before")
    above = ["", *(signed(mean(b - a)) for a, b in pairwise(rungs))]
    for k, values, more in zip((0, *RUNGS), rungs, above, strict=True):
        row(f"IW-{k}" if k else "ELBO", cell(values), more)


def curve(
    folder: Folder, recipe: Recipe, x: torch.Tensor, test: torch.Tensor, stages: tuple[int, ...]
) -> tuple[str, VAE]:
    """A row for each stage, on every fifth test image, and one for the last epoch, on all."""
    for key, vae, facts in folder.stages(recipe, x, stages):
        seen = test if facts["epochs"] == recipe.epochs else test[::5]
        found = [cell(folder.bound(key, vae, seen, k)) for k in (0, 200)]
        drawn_anew = f"{len(x)}, {_drawn(recipe.binarise)}"
        row(drawn_anew, *_facts(facts), len(seen), *found)
    return key, vae


def _facts(facts: dict) -> tuple:
    return (
        facts["epochs"],
        f"{facts['cpu']:.0f}",
        facts["precision"],
        f"{facts['train_elbo']:.2f}".replace("-", "−"),
    )


def _drawn(anew: bool) -> str:
    return "binarised anew for each batch" if anew else "binarised once"


PARTS = {f.__name__: f for f in (recipes, pythae, burda, options, sigma_x, faces)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="of " + ", ".join(PARTS))
    parser.add_argument("--epochs", type=int, help="in place of each part's own")
    parser.add_argument("--train", type=int, default=60000)
    parser.add_argument("--test", type=int, default=10000)
    parser.add_argument("--keep", type=Path, default=Path("build/quality"), metavar="FOLDER")
    parser.add_argument("--download", action="store_true")
    arguments = parser.parse_args()
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}: choose among {', '.join(PARTS)}")
    chosen = arguments.parts or list(PARTS)
    mnist = data.load("mnist", arguments.download) if {*chosen} - {"faces", "sigma_x"} else None
    if mnist is not None and arguments.train < len(mnist.train):
        mnist = replace(mnist, train=mnist.train[: arguments.train], train_labels=None)
    if mnist is not None:  # evenly spread: the second half of MNIST's test images is the easier
        mnist = replace(mnist, test=drawn(mnist.test)[:: max(1, 10000 // arguments.test)])
    print(f"{date.today()}, torch {torch.__version__}, {platform.machine()}. Means over the images")
    print("shown ± standard error, in nats, evaluated in float32; MNIST's binarised once, seed 0.")
    for part in chosen:
        PARTS[part](mnist, Folder(arguments.keep), arguments.epochs)


if __name__ == "__main__":
    main()
