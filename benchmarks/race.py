"""The same VAE trained by several libraries, one epoch of each in turn: seconds and ratios.

    python -m benchmarks.race [--model dense] [--epochs 6] [--images 60000] [--json FILE]
    python -m benchmarks.race --merge A.json B.json

The other libraries live in their own environment (benchmarks/peers.sh). The images are genuine
MNIST, binarised once with seed 0. The first epoch of each racer is a warm-up and is not counted.
A ratio is taken within each round, between epochs that ran shortly after each other. Every number
is a median, with the least and the most: of the rounds of one race, or, with --merge, of races
made at different times.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
from tqdm.auto import tqdm

import vaelib  # noqa: F401  (before torch: it sets how torch's threads wait)

import torch  # isort: skip

from benchmarks.racers import RACERS
from benchmarks.tables import circumstances, heading, number, spread, table
from vaelib import data

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PEERS = Path(os.environ.get("VAELIB_PEERS") or CACHE / "vaelib" / "peers") / "bin" / "python"
EPOCHS = {"dense": 6, "conv": 4}
IMAGES = {"dense": 60000, "conv": 6400}
BASELINES = ("pytorch/examples", "JAX, jitted scan", "JAX, jitted step", "plain loop")


@dataclass
class Race:
    """What one race measured. `epochs` has for each racer the reports of its epochs, or fewer."""

    about: dict[str, str]
    model: str
    images: int
    rounds: int
    epochs: dict[str, list[dict[str, float]]]

    def finished(self, name: str) -> bool:
        return len(self.epochs.get(name, [])) == self.rounds

    def values(self, name: str, what: str) -> list[float]:
        """One value per counted round."""
        return [epoch[what] for epoch in self.epochs[name][1:]]

    def ratios(self, fast: str, slow: str) -> list[float]:
        """How many times as fast the first is as the second, in each counted round."""
        pairs = zip(self.values(fast, "seconds"), self.values(slow, "seconds"), strict=True)
        return [b / a for a, b in pairs]


class Racer:
    """A process that trains one epoch when it is its turn."""

    def __init__(self, model: str, name: str, images: Path, same_threads: bool) -> None:
        self.epochs: list[dict[str, float]] = []
        self.process: subprocess.Popen | None = None
        is_ours = name.startswith("vaelib")
        python = sys.executable if is_ours else str(PEERS)
        if not Path(python).exists():
            return
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
        if not (is_ours or same_threads):
            # The other libraries run as their users have them, without vaelib's settings.
            environment.pop("OMP_WAIT_POLICY", None)
            environment.pop("GOMP_SPINCOUNT", None)
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.racers", model, name, str(images)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def train(self) -> None:
        """Let it train one epoch; a racer that fails is out of the race."""
        if self.process is None:
            return
        try:
            self.process.stdin.write("train\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            while line and not line.startswith("{"):
                line = self.process.stdout.readline()
            self.epochs.append(json.loads(line))
        except (OSError, ValueError):
            self.end()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def race(model: str, names: list[str], pixels: np.ndarray, rounds: int, same: bool) -> Race:
    """Let all racers train `rounds` epochs each, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npy")
        np.save(path, pixels)
        racers = {name: Racer(model, name, path, same) for name in names}
        started = time.monotonic()
        try:
            for _ in tqdm(range(rounds), unit="round"):
                for racer in racers.values():
                    racer.train()
        finally:
            for racer in racers.values():
                racer.end()
    took = time.monotonic() - started
    about = circumstances("torch") | {
        "model": model,
        "images": str(len(pixels)),
        "epochs": str(rounds),
        "seconds in all": f"{took:.0f}",
    }
    epochs = {name: racer.epochs for name, racer in racers.items()}
    return Race(about, model, len(pixels), rounds, epochs)


def samples(races: list[Race], value) -> list[float]:
    """The rounds' values of a single race, or each race's median; `value` maps a race to rounds."""
    if len(races) == 1:
        return value(races[0])
    return [median(value(race)) for race in races]


def times_table(races: list[Race]) -> str:
    """Seconds, the ratios to the baselines, the ELBO and the compilation of every racer."""
    names = list(dict.fromkeys(name for race in races for name in race.epochs))
    baselines = [name for name in BASELINES if any(race.finished(name) for race in races)]
    header = ["loop", "precision", "s/epoch", "CPU s/epoch"]
    header += [f"times {name}" for name in baselines]
    header += ["ELBO at the end", "s to compile"]
    rows = []
    for name in names:
        precision = "bfloat16 products" if "bfloat16" in name else "float32"
        there = [race for race in races if race.finished(name)]
        if not there:
            missing = "missing: not installed, or it failed"
            rows.append([name, precision, missing] + [""] * (len(header) - 3))
            continue
        cells = [ratio_cell(there, name, baseline) for baseline in baselines]
        elbo = median(race.epochs[name][-1]["elbo"] for race in there)
        compiling = median(race.epochs[name][0]["compile_seconds"] for race in there)
        rows.append(
            [
                name,
                precision,
                spread(samples(there, lambda race: race.values(name, "seconds"))),  # noqa: B023
                spread(samples(there, lambda race: race.values(name, "cpu"))),  # noqa: B023
                *cells,
                "" if math.isnan(elbo) else number(elbo),
                f"{compiling:.1f}" if compiling else "",
            ]
        )
    return table(header, rows)


def ratios_table(races: list[Race]) -> str:
    """How many times as fast each way of vaelib's is as each of the others."""
    names = [name for name in races[0].epochs if any(race.finished(name) for race in races)]
    ours = [name for name in names if name.startswith("vaelib")]
    others = [name for name in names if name not in ours]
    rows = [[other, *(ratio_cell(races, own, other) for own in ours)] for other in others]
    return table(["times as fast as", *ours], rows)


def ratio_cell(races: list[Race], fast: str, slow: str) -> str:
    both = [race for race in races if race.finished(fast) and race.finished(slow)]
    if not both:
        return ""
    return spread(samples(both, lambda race: race.ratios(fast, slow)))


def show(races: list[Race]) -> str:
    """Both tables, under a heading that gives the circumstances of all races."""
    model = races[0].model
    command = "make bench" if model == "dense" else f"python -m benchmarks.race --model {model}"
    title = f"## The race, {model} model" + (f", {len(races)} races" if len(races) > 1 else "")
    about = heading(title, command, *(race.about for race in races))
    return "\n".join([about, times_table(races), ratios_table(races)])


def merged(parser: argparse.ArgumentParser, paths: list[Path]) -> list[Race]:
    races = [Race(**json.loads(path.read_text())) for path in paths]
    if len({(race.model, race.images, race.rounds) for race in races}) > 1:
        parser.error("the races differ in their model, images or epochs: they do not compare")
    return races


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", choices=list(RACERS), default="dense")
    parser.add_argument("--epochs", type=int, help="of each racer, the first not counted")
    parser.add_argument("--images", type=int)
    parser.add_argument("--only", nargs="*", metavar="NAME", help="these racers only")
    parser.add_argument("--same-threads", action="store_true", help="vaelib's settings for all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured")
    parser.add_argument("--merge", nargs="+", type=Path, metavar="FILE", help="show these races")
    parser.add_argument("--download", action="store_true", help="MNIST, if it is not there yet")
    arguments = parser.parse_args()
    if arguments.merge:
        print(show(merged(parser, arguments.merge)))
        return
    known = RACERS[arguments.model]
    names = arguments.only or list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"there is no racer {unknown[0]!r}: choose among {', '.join(known)}")
    rounds = arguments.epochs or EPOCHS[arguments.model]
    if rounds < 2:
        parser.error("two epochs are the fewest, since the first is not counted")
    images = arguments.images or IMAGES[arguments.model]
    grey = data.load("mnist", arguments.download).train[:images]
    pixels = data.binarise(grey, torch.Generator().manual_seed(0)).numpy()
    found = race(arguments.model, names, pixels, rounds, arguments.same_threads)
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(found), indent=1))
    print(show([found]))


if __name__ == "__main__":
    main()
