"""A folder of photographs as one array in a file: found, cropped to one size, put in order.

The order is that of a hash of the names, and the first ones are the test set. So the split depends
neither on the machine nor on the order of the files, and a new picture hardly moves another.
"""

import hashlib
import json
import math
import os
import unicodedata
import warnings
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from vaelib.checkpoint import unfinished

Pictures = tuple[Tensor, list[str], dict[str, str]]  # pixels, names, why others were skipped
ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def load(folder: Path, size: tuple[int, int], grey: bool, cache: Path) -> Pictures:
    """All pictures, (N, H, W) or (N, 3, H, W), float32 in [0, 1], mapped from a file in `cache`.

    Also their N names, and {name: reason} of those skipped. The file is made if a picture, the size
    or the folder is not the same as when it was made. Raises OSError where `cache` has no room.
    """
    files, skipped = find(folder)
    names = sorted(files, key=digest)
    shape = size if grey else (3, *size)
    stem = digest(f"{os.path.realpath(folder)} {shape}")
    file = cache / f"{stem}-{digest(json.dumps(files, sort_keys=True))}.float32"
    reasons = file.with_suffix(".skipped")
    try:
        bad: dict[str, str] = json.loads(reasons.read_text())
        whole = file.stat().st_size == 4 * math.prod(shape) * (len(names) - len(bad))
    except (OSError, ValueError):
        whole = False
    if not whole:
        bad = {}
        with unfinished(cache) as temporary:
            with (
                open(temporary / "images", "wb") as images,
                ThreadPool(min(4, os.cpu_count() or 1)) as pool,
                warnings.catch_warnings(action="ignore"),  # of Pillow, about each doubtful file
            ):
                results = pool.imap(lambda name: read(folder / name, size, grey), names)
                for name in tqdm(names, unit=" pictures", delay=2):
                    try:
                        pixels = next(results)
                    except Exception as error:  # a damaged file can raise anything
                        bad[name] = f"{type(error).__name__}: {error}"
                    else:
                        images.write(pixels.tobytes())
            (temporary / "reasons").write_text(json.dumps(bad))
            os.replace(temporary / "images", file)
            os.replace(temporary / "reasons", reasons)
        for old in cache.glob(f"{stem}-*"):  # of the folder as it was before
            if old not in (file, reasons):
                old.unlink(missing_ok=True)
    names = [name for name in names if name not in bad]
    n = len(names) * math.prod(shape)
    x = torch.from_file(str(file), shared=False, size=n, dtype=torch.float32, device="cpu")
    return x.view(-1, *shape), names, skipped | bad


def find(folder: Path) -> tuple[dict[str, list[int]], dict[str, str]]:
    """{name: size and times} of each picture below a folder, and {name: why it is skipped}."""
    files = {}
    skipped = {}
    seen = set()
    closed: list[OSError] = []
    for top, folders, names in os.walk(folder, onerror=closed.append, followlinks=True):
        new = os.path.realpath(top) not in seen  # a link may lead in circles
        seen.add(os.path.realpath(top))
        folders[:] = sorted(f for f in folders if new and not f.startswith("."))
        for file in names if new else ():
            path = Path(top, file)
            name = path.relative_to(folder).as_posix()
            if file.startswith(".") or not file.lower().endswith(ENDINGS):
                continue
            if path.is_file():
                facts = path.stat()
                files[name] = [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]
            else:
                skipped[name] = "not a file"  # a link that leads nowhere, a pipe
    skipped |= {os.path.relpath(e.filename, folder): str(e.strerror) for e in closed}
    return files, skipped


def digest(text: str) -> str:
    """The hash by which pictures are put in order; the same in either form of Unicode."""
    plain = unicodedata.normalize("NFC", text).encode("utf-8", "surrogateescape")
    return hashlib.sha256(plain).hexdigest()[:16]


def n_test(names: list[str]) -> int:
    """How many of the names, in their order, are the test set: two or more, of four or more."""
    below = sum(int(digest(name), 16) < 0.1 * 16**16 for name in names)
    return min(max(below, 2), len(names) // 2)


def read(path: Path, size: tuple[int, int], grey: bool) -> np.ndarray:
    """One picture, upright, cropped at its centre and resized: (H, W) or (3, H, W) in [0, 1].

    Raises whatever Pillow raises for a file that is damaged or absurdly large.
    """
    with Image.open(path, formats=FORMATS) as image:
        image.draft(None, (2 * max(size), 2 * max(size)))  # leaves out details, and is much faster
        upright = ImageOps.exif_transpose(image)
    if upright.mode[0] in "IF":  # 16 or 32 bits
        values = np.asarray(upright, dtype=np.float64)
        top = 1 if upright.mode == "F" else 65535
        if not (values.min() >= 0 and values.max() <= top):
            raise ValueError(f"values in [{values.min():g}, {values.max():g}], not [0, {top}]")
        upright = Image.fromarray((values * (255 / top)).round().astype(np.uint8))
    if upright.has_transparency_data:
        ground = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(ground, upright.convert("RGBA"))
    fitted = ImageOps.fit(upright.convert("L" if grey else "RGB"), (size[1], size[0]))
    pixels = np.asarray(fitted, dtype=np.float32) / 255
    return pixels if grey else pixels.transpose(2, 0, 1)
