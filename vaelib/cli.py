"""The command line: `python -m vaelib train | evaluate | explore | doctor`.

What needs torch is imported where it is used: `--help` answers at once, and the doctor can look at
an installation without it.
"""

import argparse
import json
import math
import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from vaelib.data import Data
    from vaelib.models import VAE

# What `train` uses where the command line gives no value; the faces have their own (`fit_faces`).
MODELS: dict[str, dict[str, Any]] = {
    "digits": {"latent_dim": 8, "hidden": (128,), "likelihood": "bernoulli"},
    "mnist": {"latent_dim": 20, "hidden": (400,), "likelihood": "bernoulli"},
}
EPOCHS = {"digits": 100, "mnist": 10}


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit code: 0 well, 1 something is amiss, 2 bad input, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "doctor":
        from vaelib import doctor

        return doctor.main()
    from vaelib.checkpoint import CheckpointError
    from vaelib.data import DataError

    try:
        return int(arguments.run(arguments))
    except (ValueError, TypeError, CheckpointError, DataError, OSError, MemoryError) as error:
        print(f"vaelib {arguments.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"vaelib {arguments.command}: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("vaelib", description="Variational auto-encoders, small.")
    commands = parser.add_subparsers(dest="command", required=True)

    train = commands.add_parser("train", help="train a VAE and report its ELBO")
    train.set_defaults(run=_train, data="faces")
    train.add_argument("--seed", type=int, default=0, help="of weights, order and noise")
    train.add_argument("--out", type=Path, help="folder of the run; a stopped run is resumed")
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
    train.add_argument("--engine", choices=("plain", "compiled"), help="compiled: long runs")
    train.add_argument("--precision", choices=("float32", "bfloat16", "tf32", "auto"))
    train.add_argument("--quiet", action="store_true", help="no progress bar")

    evaluate = commands.add_parser("evaluate", help="bounds, KL per dimension, factors")
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument("--samples", type=int, nargs="+", default=[5, 50, 500], metavar="K")
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--json", action="store_true", help="print JSON")

    explore = commands.add_parser("explore", help="one page with a slider for each dimension")
    explore.set_defaults(run=_explore)
    explore.add_argument("--html", type=Path, help="the file to write")
    explore.add_argument("--no-browser", action="store_true", help="do not open it")

    for command in (train, evaluate, explore):
        command.add_argument("--data", choices=("faces", "digits", "mnist"), help="the data set")
        command.add_argument("--download", action="store_true", help="fetch MNIST if missing")
    for command in (evaluate, explore):
        command.add_argument("folder", help='of `train --out`, or "faces": the shipped model')

    commands.add_parser("doctor", help="is everything here that the lessons need?")
    return parser


def _train(a: argparse.Namespace) -> int:
    """Train, under torchrun as one of several processes, each with its own GPU where there are."""
    import torch

    from vaelib.run import process_group

    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return _train_here(a)
    cuda = a.device != "cpu" and torch.cuda.is_available()
    if cuda:
        a.device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(a.device)
    with process_group("nccl" if cuda else "gloo"):
        return _train_here(a)


def _train_here(a: argparse.Namespace) -> int:
    import torch.distributed as dist

    from vaelib import checkpoint, training
    from vaelib import data as datasets

    first = not dist.is_initialized() or dist.get_rank() == 0
    data = datasets.load(a.data, download=a.download)
    vae = _new_model(a, data)
    options = _fit_options(a)
    options["binarise"] = vae.config is not None and vae.config["likelihood"] == "bernoulli"
    if a.out is not None:
        options["checkpoint"] = a.out / checkpoint.NAME
        if first and options["checkpoint"].exists():
            print(f"{a.out} holds a run already: resuming it")
        elif first and not (a.out / "run.json").exists():
            checkpoint.write_json(a.out / "run.json", {"data": a.data})
    fit = training.fit_faces if a.data == "faces" else training.fit
    history = fit(vae, data.train, **options)
    if not first:
        return 0
    if a.out is not None:
        checkpoint.write_json(a.out / "run.json", {"data": a.data, "history": vars(history)})
    print(f"{len(history.elbo)} epochs, {history.steps} steps in {sum(history.seconds):.1f} s")
    _print_terms(*_test(vae, data, a.seed))
    if a.out is not None:
        print(f"saved in {a.out}: see python -m vaelib evaluate {a.out}, or explore {a.out}")
    return 130 if history.interrupted else 0


def _new_model(a: argparse.Namespace, data: "Data") -> "VAE":
    from vaelib import models
    from vaelib.training import FACE_MODEL

    options = dict(MODELS.get(a.data, FACE_MODEL), seed=a.seed)
    options |= _given(a, "latent_dim", "hidden", "likelihood", "sigma_x")
    shape = tuple(data.train.shape[1:])
    if a.model == "dense":
        return models.dense(shape, **options)
    del options["hidden"]
    return models.conv(shape, **options)


def _fit_options(a: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `fit`, but for those that the command line leaves to `fit` itself."""
    from vaelib.schedules import linear_annealing

    options: dict[str, Any] = {"seed": a.seed, "device": a.device, "progress": not a.quiet}
    if a.data in EPOCHS:
        options["epochs"] = EPOCHS[a.data]
    options |= _given(a, "epochs", "batch_size", "lr", "beta", "engine", "precision")
    if a.warmup is not None:
        end = options.get("beta", 1.0)
        options["beta"] = lambda step: linear_annealing(step, a.warmup, end=end)
    return options


def _given(a: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that stand on the command line."""
    return {name: getattr(a, name) for name in names if getattr(a, name) is not None}


def _evaluate(a: argparse.Namespace) -> int:
    from vaelib.evaluation import active_units, factor_alignment, kl_per_dim, ladder

    vae, data = _open(a)
    x, terms = _test(vae, data, a.seed)
    bounds = ladder(vae, x, a.samples, a.seed)
    kl = kl_per_dim(vae, x).mean(0).tolist()
    active = active_units(vae, x).tolist()
    table = factor_alignment(vae, data).tolist() if data.factor_names else None
    if a.json:
        result = {"data": data.name, "n_test": len(x), "units": "nats per example", **terms}
        result |= {"bounds": {name: mean._asdict() for name, mean in bounds.items()}}
        result |= {"kl_per_dim": kl, "active_units": active}
        result |= {"factor_names": data.factor_names, "factor_alignment": table}
        print(json.dumps(result, indent=1))
        return 0
    _print_terms(x, terms)
    for name, mean in list(bounds.items())[1:]:
        print(f"{name:<14} {mean.value:10.2f} ± {mean.standard_error:.2f}")
    names = data.factor_names or ()
    print(f"\n{'dimension':<10} {'KL':>6}  " + "  ".join(f"|ρ| {name}" for name in names))
    for d in sorted(range(len(kl)), key=lambda d: -kl[d]):
        row = zip(table[d], names, strict=True) if table else ()
        cells = "".join(f"  {value:{len(name) + 4}.3f}" for value, name in row)
        print(f"z{d + 1:<9} {kl[d]:6.2f}{cells}{'' if active[d] else '  (inactive)'}")
    return 0


def _test(vae: "VAE", data: "Data", seed: int) -> "tuple[Tensor, dict[str, float]]":
    """The test set, and means over it of the ELBO and of its two terms, in nats.

    For a Bernoulli decoder the images are drawn 0/1 once, from seed 0.
    """
    import torch

    from vaelib.bounds import elbo
    from vaelib.data import binarise
    from vaelib.models import BernoulliDecoder

    x = data.test
    if isinstance(vae.decoder, BernoulliDecoder):
        x = binarise(x, torch.Generator().manual_seed(0))
    with torch.no_grad():
        bounds = elbo(vae, x, generator=torch.Generator().manual_seed(seed))
    return x, {
        "elbo": bounds.total.mean().item(),
        "elbo_standard_error": bounds.total.std().item() / math.sqrt(len(x)),
        "reconstruction": bounds.reconstruction.mean().item(),
        "kl": bounds.kl.mean().item(),
    }


def _print_terms(x: "Tensor", terms: dict[str, float]) -> None:
    print(f"on the {len(x)} test images, nats per image:")
    print(f"{'ELBO':<14} {terms['elbo']:10.2f} ± {terms['elbo_standard_error']:.2f}")
    print(f"{'reconstruction':<14} {terms['reconstruction']:10.2f}")
    print(f"{'KL':<14} {terms['kl']:10.2f}")


def _explore(a: argparse.Namespace) -> int:
    from vaelib.widgets import LatentExplorer

    vae, data = _open(a)
    default = "faces_explorer.html" if a.folder == "faces" else f"{a.folder}/explorer.html"
    path = a.html or Path(default)
    LatentExplorer(vae, data).save(path)
    print(f"wrote {path} ({path.stat().st_size / 2**20:.2f} MiB): open it in any browser")
    if not a.no_browser:
        webbrowser.open(path.resolve().as_uri())
    return 0


def _open(a: argparse.Namespace) -> "tuple[VAE, Data]":
    """The model and its data, from a run's folder or the shipped ones."""
    from vaelib import data as datasets
    from vaelib.checkpoint import load_vae

    if a.folder == "faces" and not Path("faces").is_dir():
        return load_vae(datasets.shipped("faces_vae.safetensors")), datasets.load("faces")
    vae = load_vae(a.folder)
    name = a.data
    if name is None:
        facts = Path(a.folder, "run.json")
        try:
            name = json.loads(facts.read_text())["data"]
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{facts} does not say the data set ({error}): give --data") from None
    data = datasets.load(name, download=a.download)
    if tuple(data.train.shape[1:]) != vae.shape:
        raise ValueError(f"the model is for images {vae.shape}, not those of {name}; see --data")
    return vae, data
