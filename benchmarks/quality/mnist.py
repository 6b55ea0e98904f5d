"""The parts of `make bench-quality` on MNIST: two models of the literature, recipes and options."""

from dataclasses import replace
from itertools import pairwise
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks.quality.runs import Folder, Recipe, Run, begin, drawn, mean_and_error
from benchmarks.tables import line, number, with_error
from vaelib import data

PYTHAE = Recipe(
    "pythae", 40, (400,), "relu", 100, lr=2e-3, constant_for=0.1, ema_decay=0.999, samples=4
)
# Images binarised once are soon fitted too well, hence another schedule.
BINARISED_ONCE = replace(PYTHAE, lr=1e-3, constant_for=0.6, samples=1, binarise=False)
IWAE = replace(PYTHAE, objective="iwae", samples=5)
DREG = replace(IWAE, objective="dreg")
BURDA = Recipe("burda", 50, (200, 200), "tanh", 600, lr=2e-3, constant_for=0.3, ema_decay=0.999)
CANDIDATES: tuple[tuple[bool, str, dict[str, Any]], ...] = (
    (True, "lr 2e-3, decayed", {}),
    (True, "lr 4e-3, decayed", {"lr": 4e-3}),
    (False, "lr 2e-3, decayed", {}),
    (False, "lr 4e-3, decayed", {"lr": 4e-3}),
    (False, "lr 1e-3, constant", {"lr": 1e-3, "constant_for": None}),
    (False, "lr 2e-3, decayed, β from 0 to 1 over 5 epochs", {"warmup": 5}),
    (False, "lr 2e-3, decayed, 4 samples of z", {"samples": 4}),
    (
        False,
        "lr 2e-3, constant, IWAE with 5 samples",
        {"constant_for": None, "objective": "iwae", "samples": 5},
    ),
)
OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "float32 products": {"precision": "float32"},
    "warm-up: β from 0 to 1 over the first fifth": {"warmup": 4},
    "learning rate decayed (cosine)": {"constant_for": 0.3},
    "averaged weights, 0.999": {"ema_decay": 0.999},
    "decayed, and averaged weights": {"constant_for": 0.3, "ema_decay": 0.999},
    "IWAE, 5 samples": {"objective": "iwae", "samples": 5},
    "DReG, 5 samples": {"objective": "dreg", "samples": 5},
}
SEEDS = range(2)
RUNGS = (0, 5, 50, 5000)  # samples of each bound; 0 is the ELBO
CURVE = ["training images", "objective", "epochs", "CPU s", "trained, ELBO"]
CURVE += ["test images", "ELBO", "IW-200"]


def recipes(mnist: data.Data, folder: Folder, epochs: int | None) -> None:
    """Recipes compared on the last 10,000 training images, which these runs do not see."""
    once = drawn(mnist.train)
    kept_back = once[-10000:][:2000]
    header = ["training images", "recipe", "epochs", "CPU s", "trained, ELBO", "ELBO", "IW-200"]
    title = f"## Recipes for 784-400-40, on {len(kept_back)} images kept back from training"
    begin(title, "recipes", header)
    plain = replace(PYTHAE, name="recipe", epochs=epochs or 20, samples=1)
    for dynamic, name, changes in CANDIDATES:
        recipe = replace(plain, binarise=dynamic, **changes)
        x = (mnist.train if dynamic else once)[:-10000]
        run = folder.trained(recipe, x)
        cells = [described(x, recipe), name, run.epochs, f"{run.cpu:.0f}", number(run.train_elbo)]
        print(line([*cells, *bounds_of(folder, run, kept_back)]), flush=True)


def pythae(mnist: data.Data, folder: Folder, epochs: int | None) -> None:
    """784-400-40 ReLU, batches of 100; pythae's reproduction has 89.78 with 200 samples.

    Its images are Larochelle and Murray's fixed binarisation, 50,000 of them to train on.
    """
    begin("## 784-400-40, ReLU, batches of 100", "pythae", CURVE)
    once = drawn(mnist.train)[:50000]
    of_the_ladder = None
    for recipe in (PYTHAE, IWAE, DREG, BINARISED_ONCE):
        recipe = replace(recipe, epochs=epochs or recipe.epochs)
        x = mnist.train if recipe.binarise else once
        run = curve(folder, recipe, x, mnist.test, (10, 20, 50))
        of_the_ladder = of_the_ladder or run
    ladder(folder, of_the_ladder, mnist.test[::10], "pythae")


def burda(mnist: data.Data, folder: Folder, epochs: int | None) -> None:
    """50 latents, 2 × 200 tanh, binarised for each batch; the paper has −86.76, 5,000 samples."""
    begin("## One stochastic layer, 50 latents, 2 × 200 tanh", "burda", CURVE)
    recipe = replace(BURDA, epochs=epochs or BURDA.epochs)
    stages = (1, 2, 5, 10, 20, 50, *range(100, recipe.epochs, 100))
    run = curve(folder, recipe, mnist.train, mnist.test, stages)
    ladder(folder, run, mnist.test, "burda")


def curve(
    folder: Folder, recipe: Recipe, x: torch.Tensor, test: torch.Tensor, stages: tuple[int, ...]
) -> Run:
    """A row per stage, on every fifth test image, and one for the last epoch, on all of them."""
    for run in folder.stages(recipe, x, stages):
        seen = test if run.epochs == recipe.epochs else test[::5]
        objective = f"{recipe.objective}, samples: {recipe.samples}"
        cells = [described(x, recipe), objective, run.epochs, f"{run.cpu:.0f}"]
        cells += [number(run.train_elbo), len(seen)]
        print(line([*cells, *bounds_of(folder, run, seen)]), flush=True)
    return run


def ladder(folder: Folder, run: Run, test: torch.Tensor, part: str) -> None:
    """The bounds of one model, and how far each is above the one before, image by image."""
    begin("### The ladder", part, [f"{len(test)} test images", "value", "above the one before"])
    rungs = [folder.bound(run, test, samples) for samples in RUNGS]
    differences = [mean_and_error(b - a) for a, b in pairwise(rungs)]
    above = ["", *(with_error(*difference, sign="+") for difference in differences)]
    for samples, values, difference in zip(RUNGS, rungs, above, strict=True):
        name = f"IW-{samples}" if samples else "ELBO"
        print(line([name, with_error(*mean_and_error(values)), difference]), flush=True)


def options(mnist: data.Data, folder: Folder, epochs: int | None) -> None:
    """The same model, seeds, batches and steps, with one option or none."""
    plain = Recipe("option", epochs=epochs or 10)
    test = mnist.test[:2000]
    header = ["option", "ELBO", "moved by", "IW-200", "moved by", "CPU s"]
    title = f"## One option at a time: 784-400-40, {plain.epochs} epochs, {len(SEEDS)} seeds"
    begin(title, "options", header)
    without: list[list[float]] = []
    for name, changes in OPTIONS.items():
        runs = []
        for seed in SEEDS:
            recipe = replace(plain, seed=seed, **changes)
            run = folder.trained(recipe, mnist.train)
            values = [folder.bound(run, test, samples).mean().item() for samples in (0, 200)]
            runs.append([*values, run.cpu])
        without = without or runs
        cells = [name]
        for i in (0, 1):
            cells.append(number(mean(run[i] for run in runs)))
            moved = [run[i] - other[i] for run, other in zip(runs, without, strict=True)]
            cells.append("" if name == "none" else moved_by(moved))
        print(line([*cells, f"{mean(run[2] for run in runs):.0f}"]), flush=True)


def moved_by(differences: list[float]) -> str:
    """The mean of the paired differences and, of several seeds, its standard error."""
    if len(differences) == 1:
        return number(differences[0], sign="+")
    error = stdev(differences) / len(differences) ** 0.5
    return with_error(mean(differences), error, sign="+")


def described(x: torch.Tensor, recipe: Recipe) -> str:
    return f"{len(x)}, binarised {'for each batch' if recipe.binarise else 'once'}"


def bounds_of(folder: Folder, run: Run, test: torch.Tensor) -> list[str]:
    """The ELBO and the IW-200 bound, with their standard errors."""
    return [with_error(*mean_and_error(folder.bound(run, test, samples))) for samples in (0, 200)]
