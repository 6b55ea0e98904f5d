"""The parts of `make bench-quality` on the drawn faces: learned σ_x, and the default model."""

from collections.abc import Sequence
from statistics import median

from benchmarks.quality.runs import Folder, begin
from benchmarks.tables import line
from vaelib import data, evaluation, models, training

SEEDS = range(2)
MANY_SEEDS = range(10)


def sigma_x(folder: Folder, epochs: int | None) -> None:
    """The faces with β = 1 throughout, with σ_x given or learned from there."""
    epochs = epochs or 20
    held = data.load("faces")
    header = ["σ_x", "seed", "ELBO", "σ_x at the end", "ρ expression", "ρ pose"]
    begin(f"## Learned σ_x: the faces, {epochs} epochs, β = 1", "sigma_x", header)

    def train(seed: int, learned: bool) -> list[float]:
        settings = training.FACE_MODEL | {"learn_sigma_x": learned, "seed": seed}
        vae = models.dense((32, 32), **settings)
        training.fit_faces(vae, held.train, seed, epochs, beta=1.0)
        bound = evaluation.ladder(vae, held.test, (), progress=False)["ELBO"].value
        alignment = evaluation.factor_alignment(vae, held).max(0).values.tolist()
        return [bound, vae.decoder.sigma_x.item(), *alignment]

    for learned in (False, True):
        for seed in SEEDS:
            way = "learned" if learned else "given"
            found = folder.once(f"sigma_x-{way}-{epochs}-{seed}", train, seed, learned)
            bound, sigma, expression, pose = found
            cells = [way, seed, f"{bound:.1f}", f"{sigma:.4f}", f"{expression:.3f}", f"{pose:.3f}"]
            print(line(cells), flush=True)


def faces(folder: Folder, epochs: int | None) -> None:
    """The default face model from ten seeds: ELBO on the test faces, and alignment."""
    epochs = epochs or 48
    held = data.load("faces")
    header = ["seed", "ELBO", "ρ expression", "ρ pose", "dimensions with a KL above 0.1"]
    begin(f"## Faces: the default model, {epochs} epochs, 1,000 test faces", "faces", header)

    def train(seed: int) -> list[float]:
        vae = training.face_vae(seed)
        training.fit_faces(vae, held.train, seed, epochs)
        bound = evaluation.ladder(vae, held.test, (), progress=False)["ELBO"]
        alignment = evaluation.factor_alignment(vae, held).max(0).values.tolist()
        active = evaluation.kl_per_dim(vae, held.test).mean(0).gt(0.1).sum().item()
        return [*bound, *alignment, active]

    rows = []
    for seed in MANY_SEEDS:
        rows.append(folder.once(f"faces-{epochs}-{seed}", train, seed))
        print(line([seed, *face_cells(rows[-1])]), flush=True)
    for name, statistic in (("least", min), ("median", median), ("most", max)):
        values = [statistic(column) for column in zip(*rows, strict=True)]
        print(line([name, *face_cells(values)]), flush=True)


def face_cells(row: Sequence[float]) -> list[str]:
    bound, error, expression, pose, active = row
    return [f"{bound:.1f} ± {error:.1f}", f"{expression:.3f}", f"{pose:.3f}", f"{active:g}"]
