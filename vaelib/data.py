"""The data sets, images in [0, 1]: those that `load` knows by name, and `from_folder(path)`."""

import gzip
import hashlib
import io
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pooch
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vaelib import faces, pictures, validation
from vaelib.checkpoint import unfinished

Name = Literal["faces", "digits", "mnist", "mnist_sample"]
NAMES: tuple[str, ...] = get_args(Name)
Pixels = Float[Tensor, "*shape"]

# SHA-256 of the files in the order of reading; uncompressed, as each mirror compresses differently.
MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MNIST_SAMPLE = "5df28c3104923b9018bccfa1e2dcd03a696e14e8d8e8a776bdeda8834b479351"
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


class DataError(RuntimeError):
    """A data file is missing or damaged; the message names it and says what to do."""


@dataclass(frozen=True)
class Data:
    """Images (N, H, W) or (N, C, H, W), floats in [0, 1]; or other examples (N, P), finite floats.

    factors: (N, F), floats. labels: (N,), whole numbers, which may index `label_names`.
    """

    name: str
    train: Float[Tensor, "N ..."]
    test: Float[Tensor, "M ..."]
    train_factors: Float[Tensor, "N F"] | None = None
    test_factors: Float[Tensor, "M F"] | None = None
    factor_names: tuple[str, ...] | None = None
    train_labels: Int[Tensor, " N"] | None = None
    test_labels: Int[Tensor, " M"] | None = None
    label_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        sizes = {2: ("P",), 4: ("C", "H", "W")}.get(getattr(self.train, "ndim", 3), ("H", "W"))
        validation.floats("train", self.train, ("N", *sizes))
        validation.floats("test", self.test, ("N", *self.train.shape[1:]), self.train.dtype)
        for part in ("train", "test"):
            x = getattr(self, part)
            given = f"{part} has shape {tuple(x.shape)}; expected"
            if not x.numel() and (len(x) or part == "test"):  # there may be nothing to train on
                raise ValueError(f"{given} one example or more")
            if x.ndim == 4 and x.shape[3] <= 4 < x.shape[1]:
                raise ValueError(f"{given} (N, C, H, W): say {part}.movedim(-1, 1)")
            (validation.finite if x.ndim == 2 else validation.unit_interval)(part, x)
            factors = getattr(self, f"{part}_factors")
            if factors is not None:
                count = "F" if self.factor_names is None else len(self.factor_names)
                validation.finite(f"{part}_factors", factors, (len(x), count))
            labels, names = getattr(self, f"{part}_labels"), self.label_names
            if labels is None:
                continue
            kind = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
            if kind not in (torch.int64, torch.int32) or labels.shape != (len(x),):
                given = f"{part}_labels is {kind} of shape {tuple(np.shape(labels))}"
                raise ValueError(f"{given}; expected torch.int64 of shape ({len(x)},)")
            if names and not {*labels.tolist()} <= {*range(len(names))}:
                raise ValueError(f"{part}_labels index label_names; expected 0 to {len(names) - 1}")


@torch.inference_mode(False)  # in it, tensors are made that no gradient can go through later
def load(name: Name, download: bool = False) -> Data:
    """The data set of that name.

    faces: 4,000 + 1,000 drawn faces, 32 × 32, factors ("expression", "pose") uniform in [−1, 1].
    digits: scikit-learn's 1,797 handwritten digits, 8 × 8, of which the last 360 are the test set.
    mnist: 60,000 + 10,000, 28 × 28, from `cache_folder()`; `download=True` fetches missing files.
    mnist_sample: 1,000 of MNIST's test images, shipped; none to train on.
    Raises DataError for a file missing or damaged.

    >>> load("digits").train.shape
    torch.Size([1437, 8, 8])
    """
    if name == "faces":
        generator = torch.Generator().manual_seed(0)
        u = torch.rand(5000, 2, generator=generator, dtype=torch.float32, device="cpu")
        factors = 2 * u - 1
        train, test = faces.render(factors[:, 0], factors[:, 1]).split(4000)
        return Data(name, train, test, factors[:4000], factors[4000:], ("expression", "pose"))
    if name == "digits":
        from sklearn.datasets import load_digits  # 1 s that only these data need

        bunch = load_digits()
        pixels = torch.tensor(bunch.images / 16, dtype=torch.float32, device="cpu")
        train, test = pixels.split(1437)
        train_labels, test_labels = torch.tensor(bunch.target, device="cpu").split(1437)
    elif name == "mnist":
        train, train_labels, test, test_labels = (_idx(file, download) for file in MNIST)
    elif name == "mnist_sample":
        with np.load(io.BytesIO(_read(shipped("mnist_sample.npz"), MNIST_SAMPLE))) as file:
            test = torch.tensor(file["images"], device="cpu").float() / 255
            test_labels = torch.tensor(file["labels"], device="cpu").long()
        train, train_labels = test[:0], test_labels[:0]
    else:
        raise ValueError(f"there is no data set {name!r}; expected one of {[*NAMES]}")
    return Data(name, train, test, train_labels=train_labels, test_labels=test_labels)


@torch.inference_mode(False)
def from_folder(path: str | Path, size: int | Sequence[int] = (64, 64), grey: bool = False) -> Data:
    """The photographs in a folder, cropped at their centre and resized to `size` (H, W).

    train and test: (N, 3, H, W), or (N, H, W) if `grey`. JPEG, PNG, WebP, GIF, BMP and TIFF are
    read, upright, on white where they are transparent; a warning names those that are skipped. A
    picture's first subfolder is its label. About a tenth is the test set, by a hash of each name,
    so that new pictures hardly move others. The pixels are memory-mapped from `cache_folder()`.
    Raises DataError for fewer than four pictures, OSError where there is no room.
    """
    sides = [size, size] if isinstance(size, int) else [*size]
    if len(sides) != 2:
        raise ValueError(f"size is {size!r}; expected (H, W), such as (64, 64)")
    height, width = (validation.count("each size", side) for side in sides)
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder} is neither a folder of pictures nor one of {', '.join(NAMES)}")
    cache = cache_folder() / "pictures"
    images, names, skipped = pictures.load(folder, (height, width), grey, cache)
    some = dict(sorted(skipped.items())[:10])
    given = f"{folder} holds {len(names)} pictures that can be read; skipped {len(skipped)}: {some}"
    if len(names) < 4:
        raise DataError(f"{given}; expected four or more ({', '.join(pictures.FORMATS)})")
    if skipped:
        warnings.warn(given, stacklevel=3)
    k = pictures.n_test(names)
    tops = [name.split("/")[0] if "/" in name else "." for name in names]
    known = tuple(sorted(set(tops)))
    labelled: dict[str, Any] = {}
    if known != (".",):
        labels = torch.tensor([known.index(top) for top in tops], device="cpu")
        labelled = {"train_labels": labels[k:], "test_labels": labels[:k], "label_names": known}
    return Data(folder.resolve().name, images[k:], images[:k], **labelled)


def binarise(x: Pixels, generator: torch.Generator | None = None) -> Pixels:
    """A draw of 0/1 pixels whose probabilities of being 1 are the grey values x in [0, 1].

    A new draw for each batch is dynamic binarisation, one draw for all is fixed binarisation.
    Raises ValueError for x outside [0, 1]. Source: Salakhutdinov and Murray (2008).

    >>> binarise(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    validation.floats("x", x)
    validation.unit_interval("x", x)
    device = x.device if generator is None else generator.device
    dtype = torch.promote_types(x.dtype, torch.float32)  # bfloat16 has but 256 values of u
    u = torch.rand(x.shape, generator=generator, dtype=dtype, device=device).to(x.device)
    return (u < x).to(x.dtype)


def shipped(name: str) -> Path:
    """The path of a file that comes with the project. Raises DataError if it is missing."""
    here = Path(__file__).resolve().parent
    for folder in (here.parent / "data", here / "_data"):
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{name} is missing from {here.parent / 'data'}: clone or install again")


def cache_folder() -> Path:
    """Where MNIST and pictures are stored: VAELIB_DATA, else the user's cache folder."""
    try:
        return Path(os.environ.get("VAELIB_DATA") or pooch.os_cache("vaelib")).expanduser()
    except RuntimeError as error:  # of a user without a home
        raise DataError(f"{error}: set VAELIB_DATA to a folder that you can write to") from None


def _idx(name: str, download: bool) -> Tensor:
    """One verified IDX file: labels as whole numbers, or images in [0, 1]."""
    folder = cache_folder()
    folders = (folder / "mnist", folder, folder / "MNIST/raw")  # the last one is torchvision's
    files = [n + end for n in (name, name.replace("-idx", ".idx")) for end in ("", ".gz")]
    found = [f / file for f in folders for file in files if (f / file).is_file()]
    if not found and not download:
        advice = "load('mnist', download=True), or --download, fetches it (12 MB in all)"
        raise DataError(f"{name} is not in {folder / 'mnist'}: {advice}; or set VAELIB_DATA")
    raw = _read(found[0] if found else _fetch(name, folder / "mnist"), MNIST[name])
    shape = (-1,) if "labels" in name else (-1, 28, 28)
    values = torch.tensor(np.frombuffer(raw, np.uint8, offset=4 + 4 * len(shape)), device="cpu")
    return values.long() if "labels" in name else values.view(shape).float() / 255


def _read(path: Path, wanted: str) -> bytes:
    """The uncompressed content of a stored file. Raises DataError if its SHA-256 is another one."""
    again = "delete it and download it again (MNIST: load('mnist', download=True))"
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except Exception as error:  # a damaged archive can raise anything
        raise DataError(f"{path} is damaged or closed to you ({error}): {again}") from None
    digest = hashlib.sha256(raw).hexdigest()
    if digest == wanted:
        return raw
    count = int.from_bytes(raw[4:8], "big")  # of labels, or of images of 28 × 28 pixels
    well_formed = len(raw) in (8 + count, 16 + 784 * count)
    names = "Fashion-MNIST, KMNIST and EMNIST use the same names, so move their files elsewhere"
    what = f"a well-formed IDX file, but not MNIST's ({names})" if well_formed else "damaged"
    given = f"its SHA-256, uncompressed, is {digest}, expected {wanted}"
    raise DataError(f"{path} is {what}; {given}: {again}")


def _fetch(name: str, folder: Path) -> Path:
    """Download one file from the first mirror that gives the genuine one, and store it."""
    pooch.get_logger().setLevel("WARNING")  # its advice is for people who pin a hash
    file = f"{name}.gz"
    troubles = []
    # Only a verified file leaves the temporary folder, by a rename, which is all or nothing.
    with unfinished(folder) as temporary:
        for mirror in MIRRORS:
            try:
                pooch.retrieve(mirror + file, None, file, temporary, progressbar=True)
                _read(temporary / file, MNIST[name])
                return (temporary / file).replace(folder / file)
            except Exception as error:  # any trouble with one mirror: ask the next
                troubles.append(f"{mirror} answered {error}")
                (temporary / file).unlink(missing_ok=True)
    question = f"is there a network, and room in {folder}?"
    raise DataError(f"{name} could not be downloaded; {question} {'; '.join(troubles)}")
