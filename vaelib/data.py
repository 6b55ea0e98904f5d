"""The data sets that `load` knows by name: images in [0, 1] of shape (N, H, W)."""

import gzip
import hashlib
import os
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pooch
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vaelib import faces, validation

# SHA-256 of the files in the order of reading; uncompressed, as each mirror compresses differently.
MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
Name = Literal["faces", "digits", "mnist", "mnist_sample"]
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


class DataError(RuntimeError):
    """A data file is missing or damaged; the message names it and says what to do."""


@dataclass(frozen=True)
class Data:
    """Images (N, H, W), float32 in [0, 1]; factors (N, F) and labels (N,) where they are known."""

    name: str
    train: Float[Tensor, "N H W"]
    test: Float[Tensor, "M H W"]
    train_factors: Float[Tensor, "N F"] | None = None
    test_factors: Float[Tensor, "M F"] | None = None
    factor_names: tuple[str, ...] | None = None
    train_labels: Int[Tensor, " N"] | None = None
    test_labels: Int[Tensor, " M"] | None = None


def load(name: Literal["faces", "digits", "mnist", "mnist_sample"], download: bool = False) -> Data:
    """The data set of that name.

    faces: 4,000 + 1,000 drawn faces, 32 × 32, factors ("expression", "pose") uniform in [−1, 1].
    digits: scikit-learn's 1,797 handwritten digits, 8 × 8, of which the last 360 are the test set.
    mnist: 60,000 + 10,000, 28 × 28, from `cache_folder()`; `download=True` fetches missing files.
    mnist_sample: 1,000 of MNIST's test images, which come with the project; none to train on.
    Raises ValueError for another name, DataError for a file missing or damaged.

    >>> load("digits").train.shape
    torch.Size([1437, 8, 8])
    """
    loaders = {"faces": _faces, "digits": _digits, "mnist": lambda: _mnist(download)}
    loaders["mnist_sample"] = _mnist_sample
    if name not in loaders:
        raise ValueError(f"there is no data set {name!r}; expected one of {list(loaders)}")
    return loaders[name]()


def binarise(
    x: Float[Tensor, "*shape"], generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """A draw of 0/1 pixels whose probabilities of being 1 are the grey values x in [0, 1].

    A new draw for each batch is dynamic binarisation, one draw for all is fixed binarisation.
    Raises ValueError for x outside [0, 1]. Source: Salakhutdinov and Murray (2008).

    >>> binarise(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    validation.floats("x", x)
    validation.unit_interval("x", x)
    device = x.device if generator is None else generator.device
    u = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=device).to(x.device)
    return (u < x).to(x.dtype)


def shipped(name: str) -> Path:
    """The path of a file that comes with the project. Raises DataError if it is missing."""
    here = Path(__file__).resolve().parent
    for folder in (here.parent / "data", here / "_data"):
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{name} is missing from {here.parent / 'data'}: clone or install again")


def cache_folder() -> Path:
    """Where MNIST is stored: the environment's VAELIB_DATA, else the user's cache folder."""
    return Path(os.environ.get("VAELIB_DATA") or pooch.os_cache("vaelib")).expanduser()


def _faces() -> Data:
    factors = torch.rand(5000, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    train, test = faces.render(factors[:, 0], factors[:, 1]).split(4000)
    train_factors, test_factors = factors.split(4000)
    return Data("faces", train, test, train_factors, test_factors, ("expression", "pose"))


def _digits() -> Data:
    from sklearn.datasets import load_digits  # 1 s that only these data need

    bunch = load_digits()
    train, test = torch.tensor(bunch.images / 16, dtype=torch.float32).split(1437)
    train_labels, test_labels = torch.tensor(bunch.target).split(1437)
    return Data("digits", train, test, train_labels=train_labels, test_labels=test_labels)


def _mnist(download: bool) -> Data:
    train, train_labels, test, test_labels = (_idx(name, download) for name in MNIST)
    return Data("mnist", train, test, train_labels=train_labels, test_labels=test_labels)


def _mnist_sample() -> Data:
    """Every tenth test image; `train` is empty, as no image here was trained on."""
    path = shipped("mnist_sample.npz")
    try:
        with np.load(path) as file:
            images = torch.tensor(file["images"], dtype=torch.float32) / 255
            labels = torch.tensor(file["labels"], dtype=torch.int64)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}): clone or install again") from None
    return Data("mnist_sample", images[:0], images, train_labels=labels[:0], test_labels=labels)


def _idx(name: str, download: bool) -> Tensor:
    """One verified IDX file: labels as whole numbers, or images in [0, 1]."""
    folder = cache_folder()
    places = [f / (name + end) for f in (folder / "mnist", folder) for end in ("", ".gz")]
    found = [path for path in places if path.is_file()]
    if not found and not download:
        raise DataError(
            f"{name} is not in {folder / 'mnist'}. Download MNIST once (12 MB): load('mnist', "
            "download=True), or --download; if you have it, set VAELIB_DATA to its folder"
        )
    raw = _read(found[0] if found else _fetch(name, folder / "mnist"))
    dims = raw[3]
    shape = np.frombuffer(raw, ">i4", dims, offset=4)
    values = torch.tensor(np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape))
    return values.long() if dims == 1 else values.float() / 255


def _read(path: Path) -> bytes:
    """The uncompressed content of a stored file. Raises DataError if it is not the genuine one."""
    wanted = MNIST[path.name.removesuffix(".gz")]
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        digest = hashlib.sha256(raw).hexdigest()
        if digest != wanted:
            raise ValueError(f"its SHA-256, uncompressed, is {digest}, expected {wanted}")
    except PermissionError as error:
        raise DataError(f"{path} cannot be read ({error}); mend its permissions") from None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        advice = "delete it and download it again (load('mnist', download=True))"
        raise DataError(f"{path} is damaged ({error}): {advice}") from None
    return raw


def _fetch(name: str, folder: Path) -> Path:
    """Download one file from the first mirror that gives the genuine one, and store it."""
    pooch.get_logger().setLevel("WARNING")  # its advice is for people who pin a hash
    file = f"{name}.gz"
    troubles = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Only a verified file leaves the temporary folder, by a rename, which is all or nothing.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
            for mirror in MIRRORS:
                try:
                    pooch.retrieve(mirror + file, None, file, temporary, progressbar=True)
                    _read(Path(temporary, file))
                    return Path(temporary, file).replace(folder / file)
                except Exception as error:  # any trouble with one mirror: ask the next
                    troubles += f"\n  {mirror}: {error}"
                    Path(temporary, file).unlink(missing_ok=True)
    except OSError as error:
        advice = "set VAELIB_DATA to a folder that you can write to"
        raise DataError(f"cannot write to {folder} ({error.strerror}): {advice}") from None
    question = f"is there a network, and room in {folder}? What each mirror answered:{troubles}"
    raise DataError(f"{name} could not be downloaded; {question}")
