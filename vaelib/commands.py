"""The commands of `vaelib.cli`: each takes the parsed arguments and returns the exit code."""

import json
import math
import os
import webbrowser
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vaelib import checkpoint, data, evaluation, models, training
from vaelib.bounds import elbo
from vaelib.run import process_group, rank_and_world
from vaelib.schedules import linear_annealing

ERRORS = (ValueError, TypeError, OSError, MemoryError, checkpoint.CheckpointError, data.DataError)
# What `train` uses where the command line gives no value; the faces have their own (`fit_faces`).
MODELS: dict[str, dict[str, Any]] = {
    "digits": {"latent_dim": 8, "hidden": (128,), "likelihood": "bernoulli"},
    "mnist": {"latent_dim": 20, "hidden": (400,), "likelihood": "bernoulli"},
}
EPOCHS = {"digits": {"epochs": 100}, "mnist": {"epochs": 10}}
SHIPPED = {name: f"{name}.safetensors" for name in ("mnist_2d", "mnist_10d", "mnist_conv")}
SHIPPED["faces"] = "faces_vae.safetensors"


def train(a: Namespace) -> int:
    """Train, under torchrun as one of several processes, each with its own GPU where there are."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return _train_here(a)
    cuda = a.device != "cpu" and torch.cuda.is_available()
    if cuda:
        a.device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(a.device)
    with process_group("nccl" if cuda else "gloo"):
        return _train_here(a)


def _train_here(a: Namespace) -> int:
    first = rank_and_world()[0] == 0
    images = data.load(a.data, download=a.download)
    model = MODELS.get(a.data, training.FACE_MODEL)
    model = model | _given(a, "seed", "latent_dim", "hidden", "likelihood", "sigma_x")
    if a.model == "conv":
        del model["hidden"]
    make = models.conv if a.model == "conv" else models.dense
    vae = make(tuple(images.train.shape[1:]), **model)
    options: dict[str, Any] = {"progress": not a.quiet, **EPOCHS.get(a.data, {})}
    options |= _given(a, "seed", "device", "epochs", "batch_size", "lr", "beta")
    options |= _given(a, "engine", "precision")
    if a.warmup is not None:
        end = options.get("beta", 1.0)
        options["beta"] = lambda step: linear_annealing(step, a.warmup, end=end)
    options["binarise"] = isinstance(vae.decoder, models.BernoulliDecoder)
    if a.out is not None:
        options["checkpoint"] = a.out / checkpoint.NAME
        if first and options["checkpoint"].exists():
            print(f"{a.out} holds a run already: resuming it")
        elif first and not (a.out / "run.json").exists():
            checkpoint.write_json(a.out / "run.json", {"data": a.data})
    fit = training.fit_faces if a.data == "faces" else training.fit
    history = fit(vae, images.train, **options)
    if not first:
        return 0
    if a.out is not None:
        checkpoint.write_json(a.out / "run.json", {"data": a.data, "history": vars(history)})
    print(f"{len(history.elbo)} epochs, {history.steps} steps in {sum(history.seconds):.1f} s")
    _print_terms(*_test(vae, images, a.seed))
    if a.out is not None:
        print(f"saved in {a.out}: see python -m vaelib evaluate {a.out}, or explore {a.out}")
    return 130 if history.interrupted else 0


def _given(a: Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that stand on the command line."""
    return {name: getattr(a, name) for name in names if getattr(a, name) is not None}


def evaluate(a: Namespace) -> int:
    """Print the bounds, the KL per dimension and the factors that each dimension follows."""
    vae, images = _open(a)
    x, terms = _test(vae, images, a.seed)
    bounds = evaluation.ladder(vae, x, a.samples, a.seed)
    kl = evaluation.kl_per_dim(vae, x).mean(0).tolist()
    active = evaluation.active_units(vae, x).tolist()
    names = images.factor_names or ()
    table = evaluation.factor_alignment(vae, images).tolist() if names else None
    if a.json:
        result = {"data": images.name, "n_test": len(x), "units": "nats per example", **terms}
        result |= {"bounds": {name: mean._asdict() for name, mean in bounds.items()}}
        result |= {"kl_per_dim": kl, "active_units": active}
        result |= {"factor_names": images.factor_names, "factor_alignment": table}
        print(json.dumps(result, indent=1))
        return 0
    _print_terms(x, terms)
    for name, mean in list(bounds.items())[1:]:
        print(f"{name:<14} {mean.value:10.2f} ± {mean.standard_error:.2f}")
    print(f"\n{'dimension':<10} {'KL':>6}  " + "  ".join(f"|ρ| {name}" for name in names))
    for d in sorted(range(len(kl)), key=lambda d: -kl[d]):
        row = zip(table[d], names, strict=True) if table else ()
        cells = "".join(f"  {value:{len(name) + 4}.3f}" for value, name in row)
        print(f"z{d + 1:<9} {kl[d]:6.2f}{cells}{'' if active[d] else '  (inactive)'}")
    return 0


def _test(vae: models.VAE, images: data.Data, seed: int) -> tuple[Tensor, dict[str, float]]:
    """The test set, for a Bernoulli decoder drawn 0/1 from seed 0, and its mean ELBO and terms."""
    x = images.test
    if isinstance(vae.decoder, models.BernoulliDecoder):
        x = data.binarise(x, torch.Generator().manual_seed(0))
    with torch.no_grad():
        bounds = elbo(vae, x, generator=torch.Generator().manual_seed(seed))
    return x, {
        "elbo": bounds.total.mean().item(),
        "elbo_standard_error": bounds.total.std().item() / math.sqrt(len(x)),
        "reconstruction": bounds.reconstruction.mean().item(),
        "kl": bounds.kl.mean().item(),
    }


def _print_terms(x: Tensor, terms: dict[str, float]) -> None:
    print(f"on the {len(x)} test images, nats per image:")
    print(f"{'ELBO':<14} {terms['elbo']:10.2f} ± {terms['elbo_standard_error']:.2f}")
    print(f"{'reconstruction':<14} {terms['reconstruction']:10.2f}")
    print(f"{'KL':<14} {terms['kl']:10.2f}")


def explore(a: Namespace) -> int:
    """Write the page with the sliders, and open it."""
    from vaelib.widgets import LatentExplorer  # which needs the packages of the lab

    vae, images = _open(a)
    between = "_" if _shipped(a.folder) else "/"
    path = a.html or Path(f"{a.folder}{between}explorer.html")
    LatentExplorer(vae, images).save(path)
    print(f"wrote {path} ({path.stat().st_size / 2**20:.2f} MiB): open it in any browser")
    if not a.no_browser:
        webbrowser.open(path.resolve().as_uri())
    return 0


def _open(a: Namespace) -> tuple[models.VAE, data.Data]:
    """The model and its data, from a run's folder or the shipped ones."""
    shipped = _shipped(a.folder)
    vae = checkpoint.load_vae(shipped or a.folder)
    facts = Path(a.folder, "run.json")
    try:
        info = checkpoint.read(shipped)[1] if shipped else {}
        name = a.data or info.get("data") or json.loads(facts.read_text())["data"]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{facts} does not say the data set ({error}): give --data") from None
    images = data.load(name, download=a.download)
    if tuple(images.train.shape[1:]) != vae.shape:
        raise ValueError(f"the model is for images {vae.shape}, not those of {name}; see --data")
    return vae, images


def _shipped(name: str) -> Path | None:
    """The file of the shipped model of that name; None for others, and for a folder of the user."""
    return data.shipped(SHIPPED[name]) if name in SHIPPED and not Path(name).is_dir() else None
