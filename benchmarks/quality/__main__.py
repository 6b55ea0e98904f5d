"""How good the models are, next to the literature's numbers: `make bench-quality`.

    python -m benchmarks.quality [recipes] [pythae] [burda] [options] [sigma_x] [faces]

All values are in nats, on genuine MNIST, with log p(x) by importance sampling. Runs, weights and
bounds are saved in `--keep FOLDER` (build/quality): a run that was stopped resumes, and what is
done is only printed again. `--epochs`, `--train` and `--test` make it shorter.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.quality import faces, mnist
from benchmarks.quality.runs import Folder, drawn
from vaelib import data

ON_MNIST = {"recipes": mnist.recipes, "pythae": mnist.pythae}
ON_MNIST |= {"burda": mnist.burda, "options": mnist.options}
ON_FACES = {"sigma_x": faces.sigma_x, "faces": faces.faces}
PARTS = [*ON_MNIST, *ON_FACES]


def load_mnist(download: bool, train: int, test: int) -> data.Data:
    """MNIST with as many images of each kind, the test images binarised."""
    found = data.load("mnist", download)
    if train < len(found.train):
        found = replace(found, train=found.train[:train], train_labels=None)
    # Evenly spread, because the second half of MNIST's test images is the easier one.
    return replace(found, test=drawn(found.test)[:: max(1, 10000 // test)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", help="of " + ", ".join(PARTS))
    parser.add_argument("--epochs", type=int, help="instead of each part's own")
    parser.add_argument("--train", type=int, default=60000, help="training images")
    parser.add_argument("--test", type=int, default=10000, help="test images")
    parser.add_argument("--keep", type=Path, default=Path("build/quality"), metavar="FOLDER")
    parser.add_argument("--download", action="store_true", help="MNIST, if it is not there yet")
    arguments = parser.parse_args()
    parts = arguments.parts or PARTS
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}: choose among {', '.join(PARTS)}")
    folder = Folder(arguments.keep)
    images = None
    if any(part in ON_MNIST for part in parts):
        images = load_mnist(arguments.download, arguments.train, arguments.test)
    for part in parts:
        if part in ON_MNIST:
            ON_MNIST[part](images, folder, arguments.epochs)
        else:
            ON_FACES[part](folder, arguments.epochs)


if __name__ == "__main__":
    main()
