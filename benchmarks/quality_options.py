"""Parts of quality.py: what each option of `fit` moves, learned σ_x, the faces from ten seeds."""

import statistics
from dataclasses import replace
from typing import Any

from quality_runs import Folder, Recipe, header, row, signed

from vaelib import data, evaluation, models, training
from vaelib.evaluation import Mean

PLAIN = Recipe("option", epochs=10)
SEEDS = range(2)
OPTIONS: dict[str, dict[str, Any]] = {
    "float32 products": {"precision": "float32"},
    "warm-up: β from 0 to 1 over the first fifth": {"warmup": 4},
    "learning rate decayed (cosine)": {"hold": 0.3},
    "mean of the weights, 0.999": {"average": 0.999},
    "decayed, and mean of the weights": {"hold": 0.3, "average": 0.999},
    'objective="iwae", k = 5': {"objective": "iwae", "k": 5},
    'objective="dreg", k = 5': {"objective": "dreg", "k": 5},
}


def options(mnist: data.Data, folder: Folder, epochs: int | None) -> None:
    """The same model, seeds, batches and steps with an option and without."""
    plain, test = replace(PLAIN, epochs=epochs or PLAIN.epochs), mnist.test[:2000]
    print(
        f"\n### What an option moves: 784-400-40, ReLU, {plain.epochs} epochs, batches of 100, "
        f"lr 1e-3, binarised anew for each batch, {len(test)} test images, {len(SEEDS)} seeds\n"
    )
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in SEEDS:
        for name, changes in {"none": {}, **OPTIONS}.items():
            if changes.get("warmup"):
                changes = {"warmup": max(1, plain.epochs // 5)}
            recipe = replace(plain, seed=seed, **changes)
            key, vae, facts = folder.trained(recipe, mnist.train)
            values = [folder.bound(key, vae, test, k).mean().item() for k in (0, 200)]
            found.setdefault(name, []).append((*values, facts["cpu"]))
    header("option", "ELBO", "moved", "IW-200", "moved", "CPU s")
    for name, runs in found.items():
        cells = []
        for i in (0, 1):
            values = [r[i] for r in runs]
            cells.append(f"−{-statistics.mean(values):.2f}")
            cells.append(_moved([v - r[i] for v, r in zip(values, found["none"], strict=True)]))
        if name == "none":
            cells[1::2] = [f"spread {_spread([r[i] for r in runs]):.2f}" for i in (0, 1)]
        row(name, *cells, f"{statistics.mean(r[2] for r in runs):.0f}")


def sigma_x(_: object, folder: Folder, epochs: int | None) -> None:
    """The faces with β = 1 throughout: σ_x as given, or learned from there."""
    epochs = epochs or 20
    print(
        f"\n### Learned σ_x: the faces' model, {epochs} epochs, batches of 32, β = 1, lr 1.5e-3 "
        f"decayed, Gaussian, 1,000 test faces, {len(SEEDS)} seeds\n"
    )
    held = data.load("faces")

    def one(seed: int, learned: bool) -> list[float]:
        settings = training.FACE_MODEL | {"learn_sigma_x": learned, "seed": seed}
        vae = models.dense((32, 32), **settings)
        training.fit_faces(vae, held.train, seed, epochs, beta=1.0)
        bound = evaluation.ladder(vae, held.test, (), progress=False)["ELBO"].value
        both = evaluation.factor_alignment(vae, held).max(0).values.tolist()
        return [bound, vae.decoder.sigma_x.item(), *both]

    header("σ_x", "seed", "ELBO", "σ_x at the end", "ρ expression", "ρ pose")
    for learned in (False, True):
        for seed in SEEDS:
            name = f"sigma_x-{'learned' if learned else 'given'}-{epochs}-{seed}"
            bound, sigma, *both = folder.once(name, lambda: one(seed, learned))  # noqa: B023
            given = "learned" if learned else "as given"
            row(given, seed, f"{bound:.1f}", f"{sigma:.4f}", *(f"{r:.3f}" for r in both))


def faces(_: object, folder: Folder, epochs: int | None) -> None:
    """The default face model from ten seeds: ELBO on the test faces, and alignment."""
    epochs, held = epochs or 48, data.load("faces")
    print(f"\n### Faces: the default model, Gaussian, {epochs} epochs, 1,000 test faces\n")

    def one(seed: int) -> list[float]:
        vae = training.face_vae(seed)
        training.fit_faces(vae, held.train, seed, epochs)
        bound = evaluation.ladder(vae, held.test, (), progress=False)["ELBO"]
        both = evaluation.factor_alignment(vae, held).max(0).values.tolist()
        active = evaluation.kl_per_dim(vae, held.test).mean(0).gt(0.1).sum().item()
        return [*bound, *both, active]

    header("seed", "ELBO", "ρ expression", "ρ pose", "dimensions with a KL above 0.1")
    rows = [folder.once(f"faces-{epochs}-{s}", lambda: one(s)) for s in range(10)]  # noqa: B023
    for seed, (value, error, expression, pose, active) in enumerate(rows):
        row(seed, f"{value:.1f} ± {error:.1f}", f"{expression:.3f}", f"{pose:.3f}", active)
    for name, of in (("least", min), ("median", statistics.median), ("most", max)):
        value, _, expression, pose, active = (of(column) for column in zip(*rows, strict=True))
        row(name, f"{value:.1f}", f"{expression:.3f}", f"{pose:.3f}", int(active))


def _spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else float("nan")


def _moved(differences: list[float]) -> str:
    """The mean of the paired differences and, of several seeds, its standard error."""
    if len(differences) == 1:
        return f"{differences[0]:+.2f}".replace("-", "−")
    error = _spread(differences) / len(differences) ** 0.5
    return signed(Mean(statistics.mean(differences), error))
