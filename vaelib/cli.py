"""The command line: `python -m vaelib train | evaluate | explore | doctor`.

What needs torch is in `vaelib.commands` and imported late: `--help` answers at once, and the doctor
can look at an installation without it.
"""

import argparse
import sys
import warnings
from pathlib import Path
from typing import NoReturn

from vaelib import __version__


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit code: 0 well, 1 something is amiss, 2 bad input, 130 interrupted."""
    arguments = parser().parse_args(argv)

    def say(message: object, *_: object, **__: object) -> None:
        print(f"vaelib {arguments.command}: {message}", file=sys.stderr)

    try:
        if arguments.command == "doctor":
            from vaelib import doctor

            return doctor.main()
        from vaelib import commands

        with warnings.catch_warnings():
            warnings.showwarning = say
            return int(getattr(commands, arguments.command)(arguments))
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except commands.ERRORS as error:
        say(error)
        return 2


def parser() -> argparse.ArgumentParser:
    """What the commands are, and their options."""
    example = "example: python -m vaelib {}".format
    top = Parser("vaelib", epilog=example("train --data faces --out run"))
    top.add_argument("--version", action="version", version=f"vaelib {__version__}")
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, words: str, help: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, epilog=example(f"{name} {words}"))

    train = command("train", "--data photos --size 64 --out run", "train a VAE, report its ELBO")
    train.set_defaults(data="faces")
    train.add_argument("--size", type=int, nargs="+", help="of the pictures in a folder: H W")
    train.add_argument("--grey", action="store_true", help="a folder's pictures without colour")
    train.add_argument("--out", type=Path, help="folder of the run; a stopped run is resumed")
    for name in ("--epochs", "--batch-size", "--latent-dim"):
        train.add_argument(name, type=int)
    train.add_argument("--lr", type=float, help="a constant learning rate")
    train.add_argument("--beta", type=float, help="a constant weight of the KL term")
    train.add_argument("--warmup", type=int, help="steps over which the KL's weight rises from 0")
    train.add_argument("--model", choices=("dense", "conv"), help="conv for a folder, else dense")
    train.add_argument("--hidden", type=int, nargs="*", help="sizes of the dense hidden layers")
    train.add_argument("--channels", type=int, nargs="+", help="sizes of the convolutions")
    train.add_argument("--likelihood", choices=("gaussian", "bernoulli"))
    train.add_argument("--sigma-x", type=float, help="noise of the Gaussian decoder, fixed")
    train.add_argument("--device", default="auto", help='"auto", "cpu" or "cuda"')
    train.add_argument("--engine", choices=("plain", "compiled"), help="compiled: long runs")
    train.add_argument("--precision", choices=("float32", "bfloat16", "tf32", "auto"))
    train.add_argument("--quiet", action="store_true", help="no progress bar")

    evaluate = command("evaluate", "run --samples 5 500", "bounds, KL per dimension, factors")
    evaluate.add_argument("--samples", type=int, nargs="+", metavar="K", help="of the IW bounds")
    evaluate.add_argument("--json", action="store_true", help="print JSON")

    explore = command("explore", "run --html page.html", "a page with a slider per dimension")
    explore.add_argument("--html", type=Path, help="the file to write")
    explore.add_argument("--no-browser", action="store_true", help="do not open it")

    for trained in (evaluate, explore):
        trained.add_argument("folder", help="of a run; or faces, mnist_2d, mnist_10d, mnist_conv")
    for seeded in (train, evaluate):
        seeded.add_argument("--seed", type=int, default=0, help="of weights, order and noise")
    for reader in (train, evaluate, explore):
        reader.add_argument("--data", help="faces, digits, mnist, or a folder of pictures")
        reader.add_argument("--download", action="store_true", help="fetch MNIST if missing")

    command("doctor", "", "is everything here that the lessons need?")
    return top
