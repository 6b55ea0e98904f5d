"""`python -m vaelib train`: its options, and what it does with them."""

import argparse
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaelib.data import Data
    from vaelib.models import VAE

# What `train` uses where the command line is silent; the faces have their own (`fit_faces`).
MODELS: dict[str, dict[str, Any]] = {
    "digits": {"latent_dim": 8, "hidden": (128,), "likelihood": "bernoulli"},
    "mnist": {"latent_dim": 20, "hidden": (400,), "likelihood": "bernoulli"},
}
EPOCHS = {"digits": 100, "mnist": 10}


def add_to(commands: Any) -> argparse.ArgumentParser:
    """The command and its options."""
    train = commands.add_parser("train", help="train a VAE and say its ELBO")
    train.set_defaults(run=run, data="faces")
    train.add_argument("--seed", type=int, default=0, help="of weights, order and noise")
    train.add_argument("--out", type=Path, help="folder to keep the run in; a stopped run goes on")
    train.add_argument("--epochs", type=int)
    train.add_argument("--batch-size", type=int)
    train.add_argument("--lr", type=float, help="a constant learning rate")
    train.add_argument("--beta", type=float, help="a constant weight of the KL term")
    train.add_argument("--warmup", type=int, help="steps over which the KL's weight rises from 0")
    train.add_argument("--model", choices=("dense", "conv"), default="dense")
    train.add_argument("--latent-dim", type=int)
    train.add_argument("--hidden", type=int, nargs="*", help="sizes of the dense hidden layers")
    train.add_argument("--likelihood", choices=("gaussian", "bernoulli"))
    train.add_argument("--sigma-x", type=float, help="noise of the Gaussian decoder")
    train.add_argument("--device", default="auto", help='"auto", "cpu" or "cuda"')
    precision = ("float32", "bfloat16", "tf32", "auto")
    train.add_argument("--precision", choices=precision, default="float32")
    engines = ("plain", "compiled")
    train.add_argument("--engine", choices=engines, default="plain", help="compiled: long runs")
    train.add_argument("--quiet", action="store_true", help="no progress bar")
    return train


def run(a: argparse.Namespace) -> int:
    """Train, under torchrun as one of several processes, each with its own GPU where there are."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return _train_here(a)

    import torch

    from vaelib.run import process_group

    cuda = a.device != "cpu" and torch.cuda.is_available()
    if cuda:
        a.device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(a.device)
    with process_group("nccl" if cuda else "gloo"):
        return _train_here(a)


def _train_here(a: argparse.Namespace) -> int:
    import torch.distributed as dist

    from vaelib import data as datasets
    from vaelib.checkpoint import NAME, write_json
    from vaelib.training import fit, fit_faces, linear_annealing

    first = not dist.is_initialized() or dist.get_rank() == 0
    data = datasets.load(a.data, download=a.download)
    vae = _new_model(a, data)
    options: dict[str, Any] = {"epochs": a.epochs or EPOCHS.get(a.data), "batch_size": a.batch_size}
    options |= {"lr": a.lr, "beta": a.beta}
    if a.warmup is not None:
        top = 1.0 if a.beta is None else a.beta
        options["beta"] = lambda step: linear_annealing(step, a.warmup, end=top)
    options = {name: value for name, value in options.items() if value is not None}
    options |= {"seed": a.seed, "device": a.device, "progress": not a.quiet}
    options |= {"precision": a.precision, "engine": a.engine}
    options["binarise"] = vae.config is not None and vae.config["likelihood"] == "bernoulli"
    if a.out is not None:
        options["checkpoint"] = a.out / NAME
        if first:
            if (a.out / NAME).exists():
                print(f"{a.out} holds a run already: going on from there")
            elif not (a.out / "run.json").exists():
                write_json(a.out / "run.json", {"data": a.data})
    history = (fit_faces if a.data == "faces" else fit)(vae, data.train, **options)
    if not first:
        return 0
    if a.out is not None:
        write_json(a.out / "run.json", {"data": a.data, "history": vars(history)})
    print(f"{len(history.elbo)} epochs, {history.steps} steps in {sum(history.seconds):.1f} s")
    print_terms(vae, test_images(vae, data), a.seed)
    if a.out is not None:
        print(f"kept in {a.out}: see python -m vaelib evaluate {a.out}, or explore {a.out}")
    return 130 if history.interrupted else 0


def _new_model(a: argparse.Namespace, data: "Data") -> "VAE":
    from vaelib import models
    from vaelib.training import FACE_MODEL

    chosen = {"latent_dim": a.latent_dim, "likelihood": a.likelihood, "sigma_x": a.sigma_x}
    if a.model == "dense":
        chosen["hidden"] = a.hidden
    options = dict(MODELS.get(a.data, FACE_MODEL))
    if a.model == "conv":
        options.pop("hidden")
    options |= {name: value for name, value in chosen.items() if value is not None}
    maker = models.conv if a.model == "conv" else models.dense
    return maker(tuple(data.train.shape[1:]), **options, seed=a.seed)


def test_images(vae: "VAE", data: "Data") -> Any:
    """The test set as the model's likelihood needs it: drawn 0/1 once, from seed 0, or grey."""
    import torch

    from vaelib.data import binarise
    from vaelib.models import BernoulliDecoder

    if not isinstance(vae.decoder, BernoulliDecoder):
        return data.test
    return binarise(data.test, torch.Generator().manual_seed(0))


def terms(vae: "VAE", x: Any, seed: int) -> dict[str, float]:
    import torch

    from vaelib.bounds import elbo

    with torch.no_grad():
        bounds = elbo(vae, x, generator=torch.Generator().manual_seed(seed))
    result = {name: getattr(bounds, name).mean().item() for name in ("reconstruction", "kl")}
    error = bounds.total.std().item() / math.sqrt(len(x))
    return {"elbo": bounds.total.mean().item(), "elbo_standard_error": error, **result}


def print_terms(vae: "VAE", x: Any, seed: int) -> None:
    t = terms(vae, x, seed)
    print(f"on the {len(x)} test images, nats per image:")
    print(f"{'ELBO':<14} {t['elbo']:10.2f} ± {t['elbo_standard_error']:.2f}")
    print(f"{'reconstruction':<14} {t['reconstruction']:10.2f}")
    print(f"{'KL':<14} {t['kl']:10.2f}")
