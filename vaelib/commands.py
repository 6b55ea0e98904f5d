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
from vaelib.bounds import elbo
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
    if a.data not in data.NAMES:
        batches = math.ceil(len(images.train) / 32)
        options |= {"batch_size": 32, "lr": 2e-3, "epochs": max(5, STEPS // batches)}
    options |= _given(a, "seed", "device", "epochs", "batch_size", "lr", "beta")
    options |= _given(a, "engine", "precision")
    if a.warmup is not None:
        end = options.get("beta", 1.0)
        options["beta"] = lambda step: linear_annealing(step, a.warmup, end=end)
    options["binarise"] = isinstance(vae.decoder, models.BernoulliDecoder)
    facts = {"data": a.data}
    if a.data not in data.NAMES:
        path = str(Path(a.data).expanduser().resolve())
        facts = {"data": path, "size": vae.shape[-2:], "grey": a.grey}
    if a.out is not None:
        options["checkpoint"] = a.out / checkpoint.NAME
        if options["checkpoint"].exists():
            _refuse_other_data(a.out, facts["data"])
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
    _print_terms(*_test(vae, images, a.seed))
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
        sides = shape[-2:]
        n = len(CHANNELS)  # as many convolutions as can halve both sides
        while n and (any(side % 2**n for side in sides) or min(sides) < 2 ** (n + 1)):
            n -= 1
        if not n:
            advice = "choose even sides of 4 or more, such as --size 64 64; or --model dense"
            raise ValueError(f"convolutions cannot halve pictures of {sides}: {advice}")
        model["channels"] = CHANNELS[:n]
    return models.conv(shape, **model)


def _load(name: str, download: bool, size: Sequence[int], grey: bool) -> data.Data:
    """The data set of that name, or the folder of pictures."""
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
        ("--download", a.download and a.data != "mnist", f"--data {a.data}"),
    ):
        if useless:
            raise ValueError(f"{option} has no effect with {where}; leave one of them out")


def _refuse_other_data(out: Path, name: str) -> None:
    """Refuse a run of other data. A folder may have moved: there the pictures themselves decide."""
    was = name
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        was = json.loads((out / "run.json").read_text())["data"]
    if was != name and {was, name} & {*data.NAMES}:
        raise ValueError(f"{out} holds a run on {was}, not on {name}: choose another --out")


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
    spread = bounds.total.std().item() if len(x) > 1 else math.nan
    return x, {
        "elbo": bounds.total.mean().item(),
        "elbo_standard_error": spread / math.sqrt(len(x)),
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
    run = Path(a.folder)
    vae = checkpoint.load_vae(shipped or run)
    facts = (run.parent if run.is_file() else run) / "run.json"
    try:
        own = SHIPPED[a.folder][1] if shipped else json.loads(facts.read_text())["data"]
        name = str(a.data or own)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{facts} does not say the data set ({error}): give --data") from None
    if a.data is None and name not in data.NAMES and not Path(name).is_dir():
        advice = "say where they are now with --data FOLDER"
        raise ValueError(f"the pictures of {a.folder} were in {name}, which is gone: {advice}")
    if a.download and name != "mnist":
        raise ValueError(f"--download has no effect with {name}: leave it out")
    images = _load(name, a.download, vae.shape[-2:], len(vae.shape) == 2)
    if tuple(images.train.shape[1:]) != vae.shape:
        raise ValueError(f"the model is for images {vae.shape}, not those of {name}; see --data")
    return vae, images


def _shipped(name: str) -> Path | None:
    """The file of the shipped model of that name; None for others, and for a folder of the user."""
    return data.shipped(SHIPPED[name][0]) if name in SHIPPED and not Path(name).is_dir() else None
