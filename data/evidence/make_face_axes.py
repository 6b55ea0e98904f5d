"""Train the faces in several ways: lesson 7's study of axes, of what they cost, and of the spread.

    python data/evidence/make_face_axes.py [--seeds 0 1 2 …] [--only NAME …] [--file FILE]

Each run trains the default face model and measures it on faces that it was not trained on. A seed
draws the first weights, the order of the faces and the noise. Ten seeds of all ways take some 20
minutes of one core; writes face_axes.json after each run.
"""

import argparse
import copy
import json
import math
from collections.abc import Callable
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vaelib import data, evaluation, faces, models
from vaelib.models import VAE
from vaelib.schedules import cosine_decay, linear_annealing
from vaelib.training import FACE_MODEL, face_vae, fit, fit_faces

EPOCHS = 48
STEPS_PER_EPOCH = 125
LONG = 3  # times as many epochs
EQUAL_POSE = 0.45  # of the range of poses, at which both factors move as many pixels


def factors_of(n: int, seed: int, pose: float = 1.0) -> Tensor:
    """Expression and pose of n new faces, (n, 2), uniform in [−1, 1] and [−pose, pose]."""
    uniform = torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return uniform * torch.tensor([1.0, pose])


def new_faces(pose: float = 1.0) -> data.Data:
    """5,000 faces for measuring; the training part is empty."""
    factors = factors_of(5000, seed=99, pose=pose)
    x = faces.render(*factors.T)
    return data.Data("faces", x[:0], x, None, factors, ("expression", "pose"))


def faces_data(pose: float = 1.0) -> data.Data:
    """The faces of `data.load("faces")`, with a smaller range of poses if asked for."""
    known = data.load("faces")
    assert known.train_factors is not None
    assert known.test_factors is not None
    if pose == 1.0:
        return known
    narrow = torch.tensor([1.0, pose])
    train, test = known.train_factors * narrow, known.test_factors * narrow
    pictures = (faces.render(f[:, 0], f[:, 1]) for f in (train, test))
    return data.Data("faces", *pictures, train, test, known.factor_names)


class Ruler:
    """Expression and pose of a picture: those of the nearest of 61 × 61 drawn faces."""

    def __init__(self, n: int = 61) -> None:
        values = torch.linspace(-1, 1, n)
        self.factors = torch.cartesian_prod(values, values)
        self.drawn = faces.render(*self.factors.T).flatten(1)

    def __call__(self, x: Tensor) -> Tensor:
        parts = x.flatten(1).split(500)
        return torch.cat([self.factors[torch.cdist(p, self.drawn).argmin(1)] for p in parts])


def mutual_information(a: Tensor, b: Tensor, bins: int = 10) -> float:
    """I(a; b) in nats from the counts in bins that hold equal shares of a and of b, (N,) each."""
    place = [(t.argsort().argsort() * bins).div(len(t), rounding_mode="floor") for t in (a, b)]
    joint = torch.bincount(place[0] * bins + place[1], minlength=bins**2) / len(a)
    joint = joint.double().reshape(bins, bins)
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return torch.special.xlogy(joint, joint / independent).nansum().item()


def cubic(codes: Tensor) -> Tensor:
    """All products of up to three coordinates, a column each."""
    ones = torch.ones(len(codes), 1, dtype=codes.dtype)
    columns = torch.cat([ones, codes], 1).T
    return torch.stack([a * b * c for a, b, c in combinations_with_replacement(columns, 3)], 1)


def read_off(codes: Tensor, factors: Tensor, new: Tensor, truth: Tensor) -> Tensor:
    """Root mean square error of a cubic in the codes, fitted to the factors, on new faces."""
    fitted = torch.linalg.lstsq(cubic(codes.double()), factors.double()).solution
    return (cubic(new.double()) @ fitted - truth).square().mean(0).sqrt()


def divergence_from_prior(mu: Tensor, sigma: Tensor, n: int = 2000) -> float:
    """KL of the aggregated posterior from N(0, I), by samples of it, in nats."""
    generator = torch.Generator().manual_seed(0)
    z = mu[:n] + sigma[:n] * torch.randn(mu[:n].shape, generator=generator)
    log_q = []
    for part in z.split(500):
        log_each = torch.distributions.Normal(mu, sigma).log_prob(part[:, None]).sum(-1)
        log_q.append(log_each.logsumexp(1) - math.log(len(mu)))
    log_p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    return (torch.cat(log_q) - log_p).mean().item()


@torch.no_grad()
def measure(vae: VAE, known: data.Data, new: data.Data, ruler: Ruler) -> dict[str, Any]:
    """What one trained model is like; `new` has 5,000 faces that it has not seen."""
    assert known.train_factors is not None
    assert new.test_factors is not None
    factors = new.test_factors
    mu, sigma = evaluation.encode(vae, new.test)
    train_mu, train_sigma = evaluation.encode(vae, known.train)
    rungs = evaluation.ladder(vae, known.test, samples=(50,), progress=False)
    generator = torch.Generator().manual_seed(7)
    z = mu + sigma * torch.randn(mu.shape, generator=generator)
    from_prior = torch.randn(4000, vae.latent_dim, generator=generator)
    generated = ruler(vae.decoder.mean(from_prior)).abs() > 0.8
    spearman = evaluation.spearman_table(mu, factors).abs()
    found = {
        "ELBO": rungs["ELBO"].value,
        "IW-50": rungs["IW-50"].value,
        "KL": evaluation.kl_per_dim(vae, new.test).mean(0).tolist(),
        "Spearman": spearman.tolist(),
        "clearest": spearman.max(0).values.min().item(),
        "information": [[mutual_information(z_d, f) for f in factors.T] for z_d in z.T],
        "read off": read_off(train_mu, known.train_factors, mu, factors).tolist(),
        "second moment": (train_mu.square() + train_sigma.square()).mean(0).tolist(),
        "from the prior": divergence_from_prior(train_mu, train_sigma),
        "beyond 0.8": generated.float().mean(0).tolist(),
    }
    return rounded(found)


def rounded(value: Any) -> Any:
    """Every number with five significant digits for the bounds, else three."""
    if isinstance(value, dict):
        return {name: rounded(v) for name, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return round(value, 2) if abs(value) > 100 else float(f"{value:.3g}")


class Wakings:
    """Which epoch each dimension wakes in: the first one after its KL was last below 0.05 nats.

    `fit` calls it after each epoch, as its `progress`.
    """

    def __init__(self, vae: VAE, x: Tensor) -> None:
        self.vae = vae
        self.x = x[:500]
        self.awake_in = [1] * vae.latent_dim

    def __call__(self, history: Any) -> None:
        epoch = len(history.kl)
        for d, kl in enumerate(evaluation.kl_per_dim(self.vae, self.x).mean(0).tolist()):
            if kl <= 0.05:
                self.awake_in[d] = epoch + 1


def upwards(step: int) -> float:
    """KL annealing: β from 0 to 1 over the first 1,500 steps."""
    return linear_annealing(step, 1500)


def train_on(vae: VAE, x: Tensor, seed: int, epochs: int, beta: float = 1.0) -> None:
    """More epochs: the learning rate from its start down to 0 again, β = 1 for the last 30 %."""
    steps = epochs * STEPS_PER_EPOCH

    def lr(step: int) -> float:
        return cosine_decay(step, steps, 1.5e-3)

    def beta_at(step: int) -> float:
        return beta if step < 0.7 * steps else 1.0

    fit(vae, x, epochs, 32, lr=lr, beta=beta_at, seed=1000 + seed, progress=False)


@torch.no_grad()
def rotate(vae: VAE, x: Tensor, degrees: float) -> None:
    """Rotate the codes in the plane of the two most active dimensions, in the weights.

    Decoder and μ undo the rotation exactly; log σ of the best diagonal q, −½ log Λ_dd in the new
    axes, is fitted to the encoder's last features.
    """
    q = vae.posterior(x)
    a, b = evaluation.kl_per_dim(vae, x).mean(0).argsort(descending=True)[:2].tolist()
    turn = math.radians(degrees)
    R = torch.eye(vae.latent_dim)
    R[a, a] = R[b, b] = math.cos(turn)
    R[a, b], R[b, a] = -math.sin(turn), math.sin(turn)
    precision = torch.einsum("de,ne,fe->ndf", R, q.sigma**-2, R)
    log_sigma = -0.5 * precision.diagonal(dim1=1, dim2=2).log()
    first, head, spread = vae.decoder.body[0], vae.encoder.mu, vae.encoder.log_sigma
    first.weight.copy_(first.weight @ R.T)
    head.weight.copy_(R @ head.weight)
    head.bias.copy_(R @ head.bias)
    h = vae.encoder.body(x).double()
    h = torch.cat([h, torch.ones(len(h), 1)], 1)
    fitted = torch.linalg.lstsq(h, log_sigma.double(), driver="gelsd").solution.float()
    spread.weight.copy_(fitted[:-1].T)
    spread.bias.copy_(fitted[-1])


class Study:
    """The ways to train; each takes a seed and gives the trained model."""

    def __init__(self) -> None:
        self.known = faces_data()
        self.x = self.known.train
        self.trained: dict[int, VAE] = {}
        self.awake: dict[int, Wakings] = {}

    def from_above(self, seed: int) -> VAE:
        if seed not in self.trained:
            vae = face_vae(seed)
            self.trained[seed] = vae
            self.awake[seed] = Wakings(vae, self.x)
            fit_faces(vae, self.x, seed=seed, epochs=EPOCHS, progress=self.awake[seed])
        return copy.deepcopy(self.trained[seed])

    def from_above_and_on(self, seed: int) -> VAE:
        vae = self.from_above(seed)
        train_on(vae, self.x, seed, (LONG - 1) * EPOCHS)
        return vae

    def upwards(self, seed: int, times: int = 1, latent_dim: int = 4) -> VAE:
        vae = models.dense((32, 32), **{**FACE_MODEL, "latent_dim": latent_dim}, seed=seed)
        fit_faces(vae, self.x, seed=seed, epochs=times * EPOCHS, beta=upwards, progress=False)
        return vae

    def rotated(self, seed: int) -> VAE:
        vae = self.from_above(seed)
        rotate(vae, self.x, 45)
        return vae

    def rotated_and_on(self, seed: int, beta: float) -> VAE:
        vae = self.rotated(seed)
        train_on(vae, self.x, seed, EPOCHS, beta)
        return vae


class EqualFactors(Study):
    """The same on faces whose two factors move as many pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.known = faces_data(EQUAL_POSE)
        self.x = self.known.train


def pixel_variances(pose: float, n: int = 41) -> list[float]:
    """How much each factor moves the pixels: the mean variance along it, summed over pixels."""
    values = torch.linspace(-1, 1, n)
    pictures = faces.render(values[:, None], pose * values).flatten(2)
    return [pictures.var(d).sum(-1).mean().item() for d in (0, 1)]


def main() -> None:
    """Train all models, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--file", default=Path(__file__).with_name("face_axes.json"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[*range(10)])
    parser.add_argument("--only", nargs="+")
    options = parser.parse_args()
    study, equal, ruler, seeds = Study(), EqualFactors(), Ruler(), options.seeds
    first = seeds[:5]
    ways: dict[str, tuple[Callable[[int], VAE], list[int]]] = {
        "from above": (study.from_above, seeds),
        "rotated": (study.rotated, first),
        "upwards, 144 epochs": (lambda seed: study.upwards(seed, LONG), seeds),
        "from above, then 96 epochs": (study.from_above_and_on, first),
        "rotated, then 48 epochs": (lambda seed: study.rotated_and_on(seed, 1.0), first),
        "rotated, then 48 epochs from 10": (lambda seed: study.rotated_and_on(seed, 10.0), first),
        "upwards": (study.upwards, first),
        "upwards, two dimensions": (lambda seed: study.upwards(seed, 1, 2), first),
        "equal factors, from above": (equal.from_above, seeds),
    }
    file = Path(options.file)
    found: dict[str, Any] = {
        "command": "python data/evidence/make_face_axes.py",
        "unit": "ELBO, IW-50, KL, information, from the prior: nats; read off: of a range of 2",
        "pixel variance of expression and pose": rounded(pixel_variances(1.0)),
        "the same, equal factors": rounded(pixel_variances(EQUAL_POSE)),
        "runs": {},
    }
    if options.only and file.exists():  # the other ways stay as they are
        found["runs"] = json.loads(file.read_text(encoding="utf-8"))["runs"]
    for name in options.only or ways:
        train, its_seeds = ways[name]
        pose = EQUAL_POSE if name.startswith("equal") else 1.0
        known, new = faces_data(pose), new_faces(pose)
        runs: list[dict[str, Any]] = []
        found["runs"][name] = runs
        for seed in its_seeds:
            run = {"seed": seed, **measure(train(seed), known, new, ruler)}
            if name.endswith("from above"):
                trained = equal if name.startswith("equal") else study
                run["awake in epoch"] = trained.awake[seed].awake_in
            runs.append(run)
            print(name, runs[-1], flush=True)
            file.write_text(as_text(found), encoding="utf-8")


def as_text(found: dict[str, Any]) -> str:
    """JSON with a line for each run."""
    runs = found["runs"]
    head = json.dumps({**found, "runs": {}}, indent=1).removesuffix("{}\n}")
    parts = []
    for name, each in runs.items():
        lines = ",\n".join(f"   {json.dumps(run)}" for run in each)
        parts.append(f"  {json.dumps(name)}: [\n{lines}\n  ]")
    return head + "{\n" + ",\n".join(parts) + "\n }\n}\n"


if __name__ == "__main__":
    main()
