"""Make data/mnist_sample.npz: every tenth of MNIST's 10,000 test images, with its label.

    python data/make_mnist_sample.py [FILE]

MNIST must be there: `vaelib.data.load("mnist", download=True)` fetches it. The images are copied as
they are, one byte per pixel.
"""

import sys
from pathlib import Path

import numpy as np

from vaelib.data import load

STEP = 10  # the test set's first half is easier than its second, so the sample takes from all of it


def main(path: Path) -> None:
    """Write the file."""
    mnist = load("mnist")
    assert mnist.test_labels is not None
    images = (mnist.test[::STEP] * 255).round().byte().numpy()
    labels = mnist.test_labels[::STEP].byte().numpy()
    np.savez_compressed(path, images=images, labels=labels)
    print(f"wrote {path} ({path.stat().st_size / 1000:.0f} kB, {len(images)} images)")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]) if given else Path(__file__).with_name("mnist_sample.npz"))
