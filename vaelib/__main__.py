"""The command line: `python -m vaelib train | evaluate | explore | doctor`."""

import argparse
import json
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import vaelib  # noqa: F401  (before torch: it sets how its threads wait)
from vaelib import _train_command

if TYPE_CHECKING:
    from vaelib.data import Data
    from vaelib.models import VAE


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
    train = _train_command.add_to(commands)
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


def _evaluate(a: argparse.Namespace) -> int:
    from vaelib.evaluation import active_units, factor_alignment, kl_per_dim, ladder

    vae, data = _open(a)
    x = _train_command.test_images(vae, data)
    terms = _train_command.terms(vae, x, a.seed)
    bounds = ladder(vae, x, a.samples, a.seed)
    kl, active = kl_per_dim(vae, x).mean(0).tolist(), active_units(vae, x).tolist()
    table = factor_alignment(vae, data).tolist() if data.factor_names else None
    if a.json:
        result = {"data": data.name, "n_test": len(x), "units": "nats per example", **terms}
        result |= {"bounds": {name: mean._asdict() for name, mean in bounds.items()}}
        result |= {"kl_per_dim": kl, "active_units": active}
        result |= {"factor_names": data.factor_names, "factor_alignment": table}
        print(json.dumps(result, indent=1))
        return 0
    _train_command.print_terms(vae, x, a.seed)
    for name, mean in list(bounds.items())[1:]:
        print(f"{name:<14} {mean.value:10.2f} ± {mean.standard_error:.2f}")
    names = data.factor_names or ()
    print(f"\n{'dimension':<10} {'KL':>6}  " + "  ".join(f"|ρ| {name}" for name in names))
    for d in sorted(range(len(kl)), key=lambda d: -kl[d]):
        row = zip(table[d], names, strict=True) if table else ()
        cells = "".join(f"  {value:{len(name) + 4}.3f}" for value, name in row)
        print(f"z{d + 1:<9} {kl[d]:6.2f}{cells}{'' if active[d] else '  (inactive)'}")
    return 0


def _explore(a: argparse.Namespace) -> int:
    from vaelib.widgets import LatentExplorer

    vae, data = _open(a)
    default = Path("faces_explorer.html" if a.folder == "faces" else f"{a.folder}/explorer.html")
    path = a.html or default
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
    vae, facts, name = load_vae(a.folder), Path(a.folder, "run.json"), a.data
    if name is None:
        try:
            name = json.loads(facts.read_text())["data"]
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{facts} does not say the data set ({error}): give --data") from None
    data = datasets.load(name, download=a.download)
    if tuple(data.train.shape[1:]) != vae.shape:
        raise ValueError(f"the model is for images {vae.shape}, not those of {name}; see --data")
    return vae, data


if __name__ == "__main__":
    sys.exit(main())
