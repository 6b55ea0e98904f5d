"""The commands of `vaelib.cli`: each takes the parsed arguments and returns the exit code."""

import contextlib
import json
import math
import os
import webbrowser
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from vaelib import checkpoint, data, evaluation, models, training
from vaelib.run import process_group, rank_and_world
from vaelib.schedules import linear_annealing

Result = dict[str, Any]
ERRORS = (ValueError, TypeError, OSError, MemoryError, checkpoint.CheckpointError, data.DataError)
# What `train` uses where the command line gives no value; the faces have their own (`fit_faces`).
MODELS: dict[str, dict[str, Any]] = {
    "faces": training.FACE_MODEL,
    "digits": {"latent_dim": 8, "hidden": (128,), "likelihood": "bernoulli"},
    "mnist": {"latent_dim": 20, "hidden": (400,), "likelihood": "bernoulli"},
}
EPOCHS = {"digits": {"epochs": 100}, "mnist": {"epochs": 10}}
# For a folder of pictures: σ_x starts where untrained pictures are, and is learned.
PICTURES: dict[str, Any] = {"latent_dim": 16, "sigma_x": 0.2, "learn_sigma_x": True}
CHANNELS = (16, 32, 64, 64)
STEPS = 600  # of 32 pictures each; more pictures are seen five times or more
# The models that come with the project: their files, and the data to look at them with.
SHIPPED = {"faces": ("faces_vae.safetensors", "faces")}
for model in ("mnist_2d", "mnist_10d", "mnist_conv"):
    SHIPPED[model] = (f"{model}.safetensors", "mnist_sample")


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
    _refuse_what_has_no_effect(a)
    images = _load(a.data, a.download, a.size or (64, 64), a.grey)
    vae = _make(a, tuple(images.train.shape[1:]))
    options: dict[str, Any] = {"progress": not a.quiet, **EPOCHS.get(a.data, {})}
    facts: dict[str, Any] = {"data": a.data}
    if a.data not in data.NAMES:
        facts["data"] = str(Path(a.data).expanduser().resolve())
        batches = math.ceil(len(images.train) / 32)
        options |= {"batch_size": 32, "epochs": max(5, STEPS // batches)}
        # Full steps at once throw the weights far off, and Adam remembers such gradients for long.
        options["lr"] = lambda step: linear_annealing(step + 1, 100, end=2e-3)
    names = ("seed", "device", "epochs", "batch_size", "lr", "beta", "engine", "precision")
    options |= _given(a, *names)
    if a.warmup is not None:
        end = options.get("beta", 1.0)
        options["beta"] = lambda step: linear_annealing(step, a.warmup, end=end)
    options["binarise"] = isinstance(vae.decoder, models.BernoulliDecoder)
    if a.out is not None:
        options["checkpoint"] = a.out / checkpoint.NAME
        if first and options["checkpoint"].exists():
            print(f"{a.out} holds a run already: resuming it")
        elif first:
            checkpoint.write_bytes(a.out / "run.json", json.dumps(facts).encode())
    fit = training.fit_faces if a.data == "faces" else training.fit
    history = fit(vae, images.train, **options)
    if not first:
        return 0
    if a.out is not None:
        facts["history"] = vars(history)
        checkpoint.write_bytes(a.out / "run.json", json.dumps(facts, indent=1).encode())
    print(f"{len(history.elbo)} epochs, {history.steps} steps in {sum(history.seconds):.1f} s")
    _report(_measure(vae, images, (), a.seed))
    if a.out is not None:
        print(f"saved in {a.out}: see python -m vaelib evaluate {a.out}, or explore {a.out}")
    return 130 if history.interrupted else 0


def _make(a: Namespace, shape: tuple[int, ...]) -> models.VAE:
    """The model that the command line asks for."""
    names = ("seed", "latent_dim", "likelihood", "sigma_x", "hidden", "channels")
    model = MODELS.get(a.data, PICTURES) | _given(a, *names)
    model["learn_sigma_x"] = model.get("learn_sigma_x", False) and a.sigma_x is None
    if a.model == "dense":
        return models.dense(shape, **model)
    model.pop("hidden", None)
    if a.data not in data.NAMES and a.channels is None:
        counts = range(1, len(CHANNELS) + 1)  # of convolutions that can halve both sides
        fits = [n for n in counts if all(s % 2**n == 0 and s > 2**n for s in shape[-2:])]
        model["channels"] = CHANNELS[: max(fits, default=1)]
    return models.conv(shape, **model)


def _load(name: str, download: bool, size: Sequence[int], grey: bool) -> data.Data:
    """The data set of that name, or the folder of pictures."""
    if download and name != "mnist":
        raise ValueError(f"--download has no effect with {name}; leave it out")
    if name in data.NAMES:
        return data.load(name, download)  # type: ignore[arg-type]
    return data.from_folder(name, size if len(size) > 1 else size[0], grey)


def _refuse_what_has_no_effect(a: Namespace) -> None:
    """Set the default of --model, and refuse the options that would change nothing."""
    folder = a.data not in data.NAMES
    a.model = a.model or ("conv" if folder else "dense")
    likelihood = a.likelihood or MODELS.get(a.data, PICTURES).get("likelihood")
    for option, useless, where in (
        ("--sigma-x", a.sigma_x is not None and likelihood == "bernoulli", "a Bernoulli decoder"),
        ("--hidden", a.hidden is not None and a.model == "conv", "--model conv"),
        ("--channels", a.channels is not None and a.model == "dense", "--model dense"),
        ("--warmup", a.warmup is not None and a.beta == 0, "--beta 0"),
        ("--size or --grey", (a.size or a.grey) and not folder, f"--data {a.data}"),
    ):
        if useless:
            raise ValueError(f"{option} has no effect with {where}; leave one of them out")


def _given(a: Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that stand on the command line."""
    return {name: getattr(a, name) for name in names if getattr(a, name) is not None}


def evaluate(a: Namespace) -> int:
    """Print the bounds, the KL per dimension and the factors that each dimension follows."""
    vae, images, _ = _open(a)
    # 500 samples of a decoder of photographs would take many minutes.
    samples = a.samples or ([5, 50, 500] if images.name in data.NAMES else [5, 50])
    result = _measure(vae, images, samples, a.seed)
    names = images.factor_names or ()
    table = evaluation.factor_alignment(vae, images).tolist() if names else None
    if a.json:
        result |= {"factor_names": images.factor_names, "factor_alignment": table}
        print(json.dumps(result, indent=1))
        return 0
    _report(result)
    print(f"\n{'dimension':<10} {'KL':>6}  " + "  ".join(f"|ρ| {name}" for name in names))
    for d, kl in sorted(enumerate(result["kl_per_dim"]), key=lambda pair: -pair[1]):
        row = zip(table[d], names, strict=True) if table else ()
        cells = "".join(f"  {value:{len(name) + 4}.3f}" for value, name in row)
        print(f"z{d + 1:<9} {kl:6.2f}{cells}{'' if result['active_units'][d] else '  (inactive)'}")
    return 0


def _measure(vae: models.VAE, images: data.Data, samples: Sequence[int], seed: int) -> Result:
    """All about the test set, which for a Bernoulli decoder is drawn 0/1 from seed 0."""
    x = images.test
    if isinstance(vae.decoder, models.BernoulliDecoder):
        x = data.binarise(x, torch.Generator().manual_seed(0))
    bounds = evaluation.ladder(vae, x, samples, seed)
    kl = evaluation.kl_per_dim(vae, x).mean(0).tolist()
    elbo, error = bounds["ELBO"]
    result: Result = {"data": images.name, "n_test": len(x), "units": "nats per example"}
    result |= {"elbo": elbo, "elbo_standard_error": error}
    result |= {"reconstruction": elbo + sum(kl), "kl": sum(kl)}
    result |= {"bounds": {name: mean._asdict() for name, mean in bounds.items()}}
    return result | {"kl_per_dim": kl, "active_units": evaluation.active_units(vae, x).tolist()}


def _report(result: Result) -> None:
    bounds = [(name, *mean.values()) for name, mean in result["bounds"].items()]
    lines = [f"{name:<14} {value:10.2f} ± {error:.2f}" for name, value, error in bounds]
    terms = {"reconstruction": result["reconstruction"], "KL": result["kl"]}
    lines[1:1] = [f"{name:<14} {value:10.2f}" for name, value in terms.items()]
    print(f"on the {result['n_test']} test images, nats per image:", *lines, sep="\n")


def explore(a: Namespace) -> int:
    """Write the page with the sliders, and open it."""
    from vaelib.widgets import LatentExplorer  # which needs the packages of the lab

    vae, images, page = _open(a)
    explorer = LatentExplorer(vae, images)
    explorer.image_index = 0
    path = explorer.save(a.html or page)
    print(f"wrote {path} ({path.stat().st_size / 2**20:.2f} MiB): open it in any browser")
    if not a.no_browser:
        webbrowser.open(path.resolve().as_uri())
    return 0


def _open(a: Namespace) -> tuple[models.VAE, data.Data, Path]:
    """A run's or a shipped model, its data, and the path of its page."""
    if a.folder in SHIPPED and not Path(a.folder).is_dir():
        shipped, name = SHIPPED[a.folder]
        file = data.shipped(shipped)
        page = Path(f"{a.folder}_explorer.html")
    else:
        file = checkpoint.file_of_run(a.folder)
        page = file.with_name("explorer.html")
        name = ""  # of a run that no command has made
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            name = json.loads(file.with_name("run.json").read_text())["data"]
    vae = checkpoint.load_vae(file)
    name = a.data or name
    if not name:
        raise ValueError(f"{a.folder} does not say which data it was trained on: give --data")
    return vae, _load(name, a.download, vae.shape[-2:], len(vae.shape) == 2), page
