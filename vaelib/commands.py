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
from torch import Tensor

from vaelib import checkpoint, data, evaluation, models, training
from vaelib.run import process_group, rank_and_world
from vaelib.schedules import linear_annealing

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
    facts = {"data": a.data}
    if a.data not in data.NAMES:
        batches = math.ceil(len(images.train) / 32)
        options |= {"batch_size": 32, "epochs": max(5, STEPS // batches)}
        # Full steps at once throw the weights far off, and Adam remembers such gradients for long.
        options["lr"] = lambda step: linear_annealing(step + 1, 100, end=2e-3)
        path = str(Path(a.data).expanduser().resolve())
        facts = {"data": path, "size": vae.shape[-2:], "grey": a.grey}
    options |= _given(a, "seed", "device", "epochs", "batch_size", "lr", "beta")
    options |= _given(a, "engine", "precision")
    if a.warmup is not None:
        end = options.get("beta", 1.0)
        options["beta"] = lambda step: linear_annealing(step, a.warmup, end=end)
    options["binarise"] = isinstance(vae.decoder, models.BernoulliDecoder)
    if a.out is not None:
        options["checkpoint"] = a.out / checkpoint.NAME
        if options["checkpoint"].exists():
            name, was = facts["data"], _data_of(a.out)  # a folder of pictures may have moved
            if was not in (None, name) and {was, name} & {*data.NAMES}:
                raise ValueError(
                    f"{a.out} holds a run on {was}, not on {name}: choose another --out"
                )
            if first:
                print(f"{a.out} holds a run already: resuming it")
        elif first:
            checkpoint.write_json(a.out / "run.json", facts)
    fit = training.fit_faces if a.data == "faces" else training.fit
    history = fit(vae, images.train, **options)
    if not first:
        return 0
    if a.out is not None:
        checkpoint.write_json(a.out / "run.json", facts | {"history": vars(history)})
    print(f"{len(history.elbo)} epochs, {history.steps} steps in {sum(history.seconds):.1f} s")
    _report(*_measure(vae, images, (), a.seed))
    if a.out is not None:
        print(f"saved in {a.out}: see python -m vaelib evaluate {a.out}, or explore {a.out}")
    return 130 if history.interrupted else 0


def _make(a: Namespace, shape: tuple[int, ...]) -> models.VAE:
    """The model that the command line asks for."""
    model = MODELS.get(a.data, PICTURES) | _given(a, "seed", "latent_dim", "likelihood", "sigma_x")
    model["learn_sigma_x"] = model.get("learn_sigma_x", False) and a.sigma_x is None
    model |= _given(a, "hidden", "channels")
    if a.model == "dense":
        return models.dense(shape, **model)
    model.pop("hidden", None)
    if a.data not in data.NAMES and a.channels is None:
        counts = range(1, len(CHANNELS) + 1)  # of convolutions that can halve both sides
        fits = [n for n in counts if all(s % 2**n == 0 and s > 2**n for s in shape[-2:])]
        if not fits:
            advice = "choose even sides of 4 or more, such as --size 64 64; or --model dense"
            raise ValueError(f"convolutions cannot halve pictures of {shape[-2:]}: {advice}")
        model["channels"] = CHANNELS[: fits[-1]]
    return models.conv(shape, **model)


def _load(name: str, download: bool, size: Sequence[int], grey: bool) -> data.Data:
    """The data set of that name, or the folder of pictures."""
    if download and name != "mnist":
        raise ValueError(f"--download has no effect with {name}; leave it out")
    if name in data.NAMES:
        return data.load(name, download)  # type: ignore[arg-type]
    if not Path(name).expanduser().exists():
        known = ", ".join(data.NAMES)
        raise ValueError(f"there is no {name!r}; expected {known} or a folder of pictures")
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
        ("--size", a.size is not None and not folder, f"--data {a.data}, which is no folder"),
        ("--grey", a.grey and not folder, f"--data {a.data}, which is no folder"),
    ):
        if useless:
            raise ValueError(f"{option} has no effect with {where}; leave one of them out")


def _data_of(folder: Path) -> str | None:
    """The name or the folder of a run's data; None for a run that no command has made."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((folder / "run.json").read_text())["data"])
    return None


def _given(a: Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that stand on the command line."""
    return {name: getattr(a, name) for name in names if getattr(a, name) is not None}


def evaluate(a: Namespace) -> int:
    """Print the bounds, the KL per dimension and the factors that each dimension follows."""
    vae, images = _open(a)
    # 500 samples of a decoder of photographs would take many minutes.
    samples = a.samples or ([5, 50, 500] if images.name in data.NAMES else [5, 50])
    x, bounds, kl = _measure(vae, images, samples, a.seed)
    active = evaluation.active_units(vae, x).tolist()
    names = images.factor_names or ()
    table = evaluation.factor_alignment(vae, images).tolist() if names else None
    if a.json:
        elbo = bounds["ELBO"]
        result = {"data": images.name, "n_test": len(x), "units": "nats per example"}
        result |= {"elbo": elbo.value, "elbo_standard_error": elbo.standard_error}
        result |= {"reconstruction": elbo.value + sum(kl), "kl": sum(kl)}
        result |= {"bounds": {name: mean._asdict() for name, mean in bounds.items()}}
        result |= {"kl_per_dim": kl, "active_units": active}
        result |= {"factor_names": images.factor_names, "factor_alignment": table}
        print(json.dumps(result, indent=1))
        return 0
    _report(x, bounds, kl)
    print(f"\n{'dimension':<10} {'KL':>6}  " + "  ".join(f"|ρ| {name}" for name in names))
    for d in sorted(range(len(kl)), key=lambda d: -kl[d]):
        row = zip(table[d], names, strict=True) if table else ()
        cells = "".join(f"  {value:{len(name) + 4}.3f}" for value, name in row)
        print(f"z{d + 1:<9} {kl[d]:6.2f}{cells}{'' if active[d] else '  (inactive)'}")
    return 0


def _measure(
    vae: models.VAE, images: data.Data, samples: Sequence[int], seed: int
) -> tuple[Tensor, dict[str, evaluation.Mean], list[float]]:
    """The test set, for a Bernoulli decoder drawn 0/1 from seed 0; its bounds; KL per dimension."""
    x = images.test
    if isinstance(vae.decoder, models.BernoulliDecoder):
        x = data.binarise(x, torch.Generator().manual_seed(0))
    bounds = evaluation.ladder(vae, x, samples, seed)
    return x, bounds, evaluation.kl_per_dim(vae, x).mean(0).tolist()


def _report(x: Tensor, bounds: dict[str, evaluation.Mean], kl: list[float]) -> None:
    lines = [f"{name:<14} {m.value:10.2f} ± {m.standard_error:.2f}" for name, m in bounds.items()]
    terms = {"reconstruction": bounds["ELBO"].value + sum(kl), "KL": sum(kl)}
    lines[1:1] = [f"{name:<14} {value:10.2f}" for name, value in terms.items()]
    print(f"on the {len(x)} test images, nats per image:", *lines, sep="\n")


def explore(a: Namespace) -> int:
    """Write the page with the sliders, and open it."""
    from vaelib.widgets import LatentExplorer  # which needs the packages of the lab

    vae, images = _open(a)
    own = Path(f"{a.folder}_explorer.html") if _shipped(a.folder) else _home(a) / "explorer.html"
    path = a.html or own
    LatentExplorer(vae, images).save(path)
    print(f"wrote {path} ({path.stat().st_size / 2**20:.2f} MiB): open it in any browser")
    if not a.no_browser:
        webbrowser.open(path.resolve().as_uri())
    return 0


def _open(a: Namespace) -> tuple[models.VAE, data.Data]:
    """The model and its data, from a run's folder or the shipped ones."""
    shipped = _shipped(a.folder)
    vae = checkpoint.load_vae(shipped or a.folder)
    name = a.data or (SHIPPED[a.folder][1] if shipped else _data_of(_home(a)))
    if name is None:
        raise ValueError(f"{a.folder} does not say which data it was trained on: give --data")
    if a.data is None and name not in data.NAMES and not Path(name).is_dir():
        advice = "say where they are now with --data FOLDER"
        raise ValueError(f"the pictures of {a.folder} were in {name}, which is gone: {advice}")
    images = _load(name, a.download, vae.shape[-2:], len(vae.shape) == 2)
    if tuple(images.train.shape[1:]) != vae.shape:
        raise ValueError(f"the model is for images {vae.shape}, not those of {name}; see --data")
    return vae, images


def _home(a: Namespace) -> Path:
    """The folder of a run, which may be given as the file in it."""
    return Path(a.folder).parent if Path(a.folder).is_file() else Path(a.folder)


def _shipped(name: str) -> Path | None:
    """The file of the shipped model of that name; None for others, and for a folder of the user."""
    return data.shipped(SHIPPED[name][0]) if name in SHIPPED and not Path(name).is_dir() else None
