"""What the parts of quality.py share: runs that go on where they stopped, bounds kept on disk.

A run is trained in stages. Its checkpoint lets it go on; the weights after each stage and the
bounds of each thousand images are kept beside it, so that nothing is computed twice.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import vaelib  # noqa: F401  (before torch: it sets how its threads wait)

import torch  # isort: skip

from vaelib import bounds, checkpoint, data, evaluation, training
from vaelib.evaluation import Mean
from vaelib.models import VAE, dense
from vaelib.schedules import cosine_decay, linear_annealing

PIECE = 1000  # images evaluated between two writes


@dataclass(frozen=True)
class Recipe:
    """A model and how it is trained. `hold`: the share of the steps before the rate decays."""

    name: str
    latent_dim: int = 40
    hidden: tuple[int, ...] = (400,)
    activation: str = "relu"
    epochs: int = 100
    batch_size: int = 100
    lr: float = 1e-3
    hold: float | None = None
    warmup: int = 0  # epochs over which β rises to 1
    average: float = 0.0
    objective: str = "elbo"
    k: int = 1
    precision: str = "auto"  # of the matrix products
    binarise: bool = True  # anew for each batch; False: the images given are 0/1
    seed: int = 0

    def schedules(self, n: int) -> dict[str, Any]:
        steps = -(-n // self.batch_size)
        lr: Any = self.lr
        if self.hold is not None:
            lr = partial(cosine_decay, steps=self.epochs * steps, start=self.lr, hold=self.hold)
        beta: Any = partial(linear_annealing, warmup=self.warmup * steps) if self.warmup else 1.0
        return {"lr": lr, "beta": beta}


class Folder:
    """Where runs and their numbers are kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def stages(
        self, recipe: Recipe, x: torch.Tensor, stages: tuple[int, ...] = ()
    ) -> Iterator[tuple[str, VAE, dict[str, Any]]]:
        """The model after each of those epochs and after the last: its key, weights and facts."""
        settings = json.dumps([asdict(recipe), len(x)])
        stem = f"{recipe.name}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"
        run, spent = self.path / f"{stem}.run.safetensors", _Spent(self.path / f"{stem}.seconds")
        options = {"activation": recipe.activation, "seed": recipe.seed}
        vae = dense((28, 28), recipe.latent_dim, recipe.hidden, "bernoulli", **options)
        for epochs in (*(e for e in stages if e < recipe.epochs), recipe.epochs):
            key = f"{stem}-{epochs}"
            kept = self.path / f"{key}.safetensors"
            if not kept.exists():
                spent.start()
                history = training.fit(
                    vae,
                    x,
                    epochs,
                    recipe.batch_size,
                    seed=recipe.seed,
                    binarise=recipe.binarise,
                    objective=recipe.objective,  # type: ignore[arg-type]
                    k=recipe.k,
                    average=recipe.average,
                    precision=recipe.precision,  # type: ignore[arg-type]
                    checkpoint=run,
                    progress=spent,
                    **recipe.schedules(len(x)),
                )
                if history.interrupted:
                    raise SystemExit("Interrupted; the same command goes on from here.")
                if len(history.elbo) != epochs:
                    raise SystemExit(
                        f"{stem} has had {len(history.elbo)} epochs, and its weights after "
                        f"{epochs} were not kept: remove it from {self.path} to start it anew"
                    )
                settings = checkpoint.read(run)[1]["settings"]
                facts = {"train_elbo": history.elbo[-1], "cpu": spent.total, "epochs": epochs}
                facts["precision"] = settings["precision"]
                checkpoint.save(kept, vae, **facts)
            _, facts = checkpoint.read(kept)
            yield key, checkpoint.load_vae(kept), facts

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returns (JSON), computed once."""
        kept = self.path / f"{name}.json"
        if not kept.exists():
            _write(kept, json.dumps(make()))
        return json.loads(kept.read_text())

    def trained(self, recipe: Recipe, x: torch.Tensor) -> tuple[str, VAE, dict[str, Any]]:
        """The model after its last epoch."""
        return list(self.stages(recipe, x))[-1]

    def bound(self, key: str, vae: VAE, x: torch.Tensor, samples: int) -> torch.Tensor:
        """The ELBO (`samples` = 0) or IW bound of each image of x, in float32, (B,)."""
        digest = hashlib.sha256(x.numpy().tobytes()).hexdigest()[:8]
        kept = self.path / f"{key}-IW{samples}-{digest}.json"
        values = json.loads(kept.read_text()) if kept.exists() else []
        for start in range(len(values), len(x), PIECE):
            piece, seed = x[start : start + PIECE], start // PIECE
            if samples:
                found = evaluation.log_marginal(vae, piece, samples, seed)
            else:
                # Another stream than the one that drew the images' pixels.
                generator = torch.Generator().manual_seed(1_000_003 + seed)
                with torch.no_grad():
                    found = bounds.elbo(vae, piece, generator=generator).total
            values += found.tolist()
            _write(kept, json.dumps(values))
        return torch.tensor(values, dtype=torch.float64)


class _Spent:
    """Processor seconds of a run, over all its sittings; called after each epoch."""

    def __init__(self, path: Path) -> None:
        self.path, self.since = path, 0.0
        self.total = json.loads(path.read_text()) if path.exists() else 0.0

    def start(self) -> None:
        self.since = time.process_time()

    def __call__(self, _: object) -> None:
        now = time.process_time()
        self.total, self.since = self.total + now - self.since, now
        _write(self.path, json.dumps(self.total))


def _write(path: Path, text: str) -> None:
    """Whole or not at all, also when it is stopped in the middle."""
    beside = path.with_suffix(".part")
    beside.write_text(text)
    os.replace(beside, path)


def mean(values: torch.Tensor) -> Mean:
    return Mean(values.mean().item(), (values.std() / len(values) ** 0.5).item())


def cell(values: torch.Tensor) -> str:
    return "{:.2f} ± {:.2f}".format(*mean(values)).replace("-", "−")


def row(*cells: object) -> None:
    print("| " + " | ".join(str(c) for c in cells) + " |", flush=True)


def header(*cells: str) -> None:
    row(*cells)
    print("|" + "---|" * len(cells), flush=True)


def drawn(x: torch.Tensor) -> torch.Tensor:
    """One fixed draw of 0/1 pixels, from seed 0."""
    return data.binarise(x, torch.Generator().manual_seed(0))


def signed(found: Mean) -> str:
    """A difference, with its sign."""
    return "{:+.2f} ± {:.2f}".format(*found).replace("-", "−")
