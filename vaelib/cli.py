"""The command line: `python -m vaelib train | evaluate | explore | doctor`.

What needs torch is in `vaelib.commands` and imported late: `--help` answers at once, and the doctor
can look at an installation without it.
"""

import argparse
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit code: 0 well, 1 something is amiss, 2 bad input, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "doctor":
        from vaelib import doctor

        return doctor.main()
    from vaelib import commands

    try:
        return int(getattr(commands, arguments.command)(arguments))
    except commands.ERRORS as error:
        print(f"vaelib {arguments.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"vaelib {arguments.command}: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("vaelib", description="Variational auto-encoders, small.")
    commands = parser.add_subparsers(dest="command", required=True)

    train = commands.add_parser("train", help="train a VAE and report its ELBO")
    train.set_defaults(data="faces")
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
    evaluate.add_argument("--samples", type=int, nargs="+", default=[5, 50, 500], metavar="K")
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--json", action="store_true", help="print JSON")

    explore = commands.add_parser("explore", help="one page with a slider for each dimension")
    explore.add_argument("--html", type=Path, help="the file to write")
    explore.add_argument("--no-browser", action="store_true", help="do not open it")

    sets = ("faces", "digits", "mnist")
    train.add_argument("--data", choices=sets, help="the data set")
    for command in (train, evaluate, explore):
        command.add_argument("--download", action="store_true", help="fetch MNIST if missing")
    for command in (evaluate, explore):
        command.add_argument("--data", choices=(*sets, "mnist_sample"), help="the data set")
        shipped = "faces, mnist_2d, mnist_10d or mnist_conv"
        command.add_argument("folder", help=f"of `train --out`, or a shipped model: {shipped}")

    commands.add_parser("doctor", help="is everything here that the lessons need?")
    return parser
