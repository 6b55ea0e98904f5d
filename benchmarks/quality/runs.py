"""What the parts of `make bench-quality` share: runs that resume, and bounds saved on disk.

A run is trained in stages. Its checkpoint lets it resume; the weights after each stage and the
bounds of each thousand images are saved as well, so that nothing is computed twice.
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import vaelib  # noqa: F401  (before torch: it sets how torch's threads wait)

import torch  # isort: skip

from benchmarks.objectives import OBJECTIVES, ObjectiveStep, WeightEMA, load_average
from benchmarks.tables import circumstances, heading, table
from vaelib import bounds, checkpoint, data, evaluation, training
from vaelib.engine import Engine, Step
from vaelib.models import VAE, dense
from vaelib.schedules import cosine_decay, linear_annealing

CHUNK = 1000  # images evaluated between two writes


@dataclass(frozen=True)
class Recipe:
    """A model and how it is trained.

    `constant_for`: the fraction of the steps before the learning rate decays; None: it does not.
    `warmup`: epochs over which β rises to 1. `samples`: of z for each image. `ema_decay`: of the
    averaged weights, 0 for none. `binarise`: for each batch; False: the images are 0/1 already.
    """

    name: str
    latent_dim: int = 40
    hidden: tuple[int, ...] = (400,)
    activation: str = "relu"
    epochs: int = 100
    batch_size: int = 100
    lr: float = 1e-3
    constant_for: float | None = None
    warmup: int = 0
    ema_decay: float = 0.0
    objective: str = "elbo"
    samples: int = 1
    precision: str = "auto"
    binarise: bool = True
    seed: int = 0

    def options(self, n: int) -> dict[str, Any]:
        """The arguments of `fit` for n training images."""
        steps = math.ceil(n / self.batch_size)
        lr: Any = self.lr
        if self.constant_for is not None:
            total = self.epochs * steps
            lr = partial(cosine_decay, steps=total, start=self.lr, hold=self.constant_for)
        beta: Any = 1.0
        if self.warmup:
            beta = partial(linear_annealing, warmup=self.warmup * steps)
        return {
            "lr": lr,
            "beta": beta,
            "precision": self.precision,
            "engine": self.engine(),
        }

    def engine(self) -> Engine:
        """The training step of this recipe."""
        step: Step = training.train_step
        if self.objective != "elbo" or self.samples > 1:
            step = ObjectiveStep(OBJECTIVES[self.objective], self.samples)
        if self.ema_decay:
            step = WeightEMA(self.ema_decay, step)
        return "plain" if step is training.train_step else step


@dataclass(frozen=True)
class Run:
    """A trained model. `key` names its files; `cpu` is in seconds, `train_elbo` in nats."""

    key: str
    vae: VAE
    epochs: int
    cpu: float
    train_elbo: float


class Folder:
    """Where runs and their numbers are saved."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def stages(self, recipe: Recipe, x: torch.Tensor, stages: tuple[int, ...]) -> Iterator[Run]:
        """The model after each of those epochs and after the last."""
        settings = json.dumps([asdict(recipe), len(x)])
        stem = f"{recipe.name}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"
        vae = dense(
            (28, 28),
            recipe.latent_dim,
            recipe.hidden,
            "bernoulli",
            activation=recipe.activation,
            seed=recipe.seed,
        )
        for epochs in (*(e for e in stages if e < recipe.epochs), recipe.epochs):
            key = f"{stem}-{epochs}"
            path = self.path / f"{key}.safetensors"
            if not path.exists():
                self.train(recipe, vae, x, epochs, stem, path)
            _, facts = checkpoint.read(path)
            saved = checkpoint.load_vae(path)
            yield Run(key, saved, facts["epochs"], facts["cpu"], facts["train_elbo"])

    def train(
        self, recipe: Recipe, vae: VAE, x: torch.Tensor, epochs: int, stem: str, path: Path
    ) -> None:
        """Train up to that epoch, from where the run's checkpoint is, and save the weights."""
        run = self.path / f"{stem}.run.safetensors"
        seconds = CpuSeconds(self.path / f"{stem}.seconds")
        history = training.fit(
            vae,
            x,
            epochs,
            recipe.batch_size,
            seed=recipe.seed,
            binarise=recipe.binarise,
            checkpoint=run,
            progress=seconds,
            **recipe.options(len(x)),
        )
        if history.interrupted:
            raise SystemExit("Interrupted; the same command resumes from here.")
        if len(history.elbo) != epochs:
            raise SystemExit(
                f"{stem} has had {len(history.elbo)} epochs, and its weights after {epochs} were "
                f"not saved: remove its files from {self.path} to start it again"
            )
        if recipe.ema_decay:
            load_average(vae, run)
        facts = {"train_elbo": history.elbo[-1], "cpu": seconds.total, "epochs": epochs}
        checkpoint.save(path, vae, **facts)

    def trained(self, recipe: Recipe, x: torch.Tensor) -> Run:
        """The model after its last epoch."""
        return next(self.stages(recipe, x, ()))

    def once(self, name: str, make: Callable[..., Any], *arguments: object) -> Any:
        """What `make(*arguments)` returns (JSON), computed once."""
        path = self.path / f"{name}.json"
        if not path.exists():
            write_whole(path, json.dumps(make(*arguments)))
        return json.loads(path.read_text())

    def bound(self, run: Run, x: torch.Tensor, samples: int) -> torch.Tensor:
        """The ELBO (`samples` = 0) or IW bound of each image of x, in float32, (B,)."""
        digest = hashlib.sha256(x.numpy().tobytes()).hexdigest()[:8]
        path = self.path / f"{run.key}-IW{samples}-{digest}.json"
        values = json.loads(path.read_text()) if path.exists() else []
        for start in range(len(values), len(x), CHUNK):
            chunk = x[start : start + CHUNK]
            seed = start // CHUNK
            if samples:
                found = evaluation.log_marginal(run.vae, chunk, samples, seed)
            else:
                # Another stream than the one that drew the images' pixels.
                generator = torch.Generator().manual_seed(1_000_003 + seed)
                with torch.no_grad():
                    found = bounds.elbo(run.vae, chunk, generator=generator).total
            values += found.tolist()
            write_whole(path, json.dumps(values))
        return torch.tensor(values, dtype=torch.float64)


class CpuSeconds:
    """Processor seconds of a run, over all its sittings; it is called after each epoch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total = json.loads(path.read_text()) if path.exists() else 0.0
        self.before = time.process_time()

    def __call__(self, _: object) -> None:
        now = time.process_time()
        self.total += now - self.before
        self.before = now
        write_whole(self.path, json.dumps(self.total))


def write_whole(path: Path, text: str) -> None:
    """Write a file completely or not at all, even when the program is stopped half-way."""
    temporary = path.with_suffix(".part")
    temporary.write_text(text)
    os.replace(temporary, path)


def mean_and_error(values: torch.Tensor) -> tuple[float, float]:
    """The mean over the images and its standard error."""
    return values.mean().item(), (values.std() / len(values) ** 0.5).item()


def begin(title: str, part: str, header: list[str]) -> None:
    """Print a table's heading and its first two lines; its rows follow one by one."""
    command = f"make bench-quality PARTS={part}"
    print("\n" + heading(title, command, circumstances("torch")))
    print(table(header, []), end="", flush=True)


def drawn(x: torch.Tensor) -> torch.Tensor:
    """One fixed sample of 0/1 pixels, from seed 0."""
    return data.binarise(x, torch.Generator().manual_seed(0))
