"""A folder of photographs as one array in a file: found, cropped to one size, put in order.

The order is that of a hash of the names, and the first ones are the test set. So the split depends
neither on the machine nor on the order of the files, and a new picture hardly moves another.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
import unicodedata
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from tqdm.auto import tqdm

ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
GROUND = "white"  # behind what is transparent
TEST = 0.1  # of the pictures
CHUNK = 64  # pictures that are read at a time, and so before an interruption
DAY = 86400.0  # in seconds


def sweep(folder: Path, prefix: str) -> None:
    """Remove what processes that were killed a day ago or earlier have left half-made."""
    for old in folder.glob(f"{prefix}*"):
        if time.time() - old.stat().st_mtime > DAY:
            shutil.rmtree(old, ignore_errors=True)


def load(folder: Path, size: tuple[int, int], grey: bool, cache: Path) -> tuple[Tensor, Any]:
    """All pictures, (N, H, W) or (N, 3, H, W), float32 in [0, 1], mapped from a file in `cache`.

    Also {"names": N of them, "skipped": {name: reason}}. The file is made if a picture, the size
    or the folder is not the same as when it was made. Raises OSError where `cache` has no room.
    """
    files, skipped = find(folder)
    shape = size if grey else (3, *size)
    stem = digest(f"{os.path.realpath(folder)} {shape}")
    file = cache / f"{stem}-{digest(json.dumps(files, sort_keys=True))}.float32"
    try:
        facts = json.loads(file.with_suffix(".json").read_text())
        whole = file.stat().st_size == 4 * len(facts["names"]) * np.prod(shape)
    except (OSError, ValueError):
        whole = False
    if not whole:
        cache.mkdir(parents=True, exist_ok=True)
        sweep(cache, ".making-")
        with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as temporary:
            names = sorted(files, key=digest)
            facts = {"names": [], "skipped": skipped}
            with (
                open(Path(temporary, "images"), "wb") as images,
                ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool,
                warnings.catch_warnings(action="ignore"),  # of Pillow, about each doubtful file
            ):
                starts = range(0, len(names), CHUNK)
                for start in tqdm(starts, unit=" pictures", unit_scale=CHUNK, delay=2):
                    some = names[start : start + CHUNK]
                    results = pool.map(lambda name: _attempt(folder / name, size, grey), some)
                    for name, result in zip(some, results, strict=True):
                        if isinstance(result, str):
                            skipped[name] = result
                        else:
                            facts["names"].append(name)
                            images.write(result.tobytes())
            Path(temporary, "facts").write_text(json.dumps(facts))
            os.replace(Path(temporary, "images"), file)
            os.replace(Path(temporary, "facts"), file.with_suffix(".json"))
        for old in cache.glob(f"{stem}-*"):  # of the folder as it was before
            if old.stem != file.stem:
                old.unlink(missing_ok=True)
    count = len(facts["names"]) * int(np.prod(shape))
    with torch.device("cpu"):
        mapped = torch.from_file(str(file), shared=False, size=count, dtype=torch.float32)
    return mapped.view(-1, *shape), facts


def find(folder: Path) -> tuple[dict[str, list[int]], dict[str, str]]:
    """{name: size and times} of each picture below a folder, and {name: why it is skipped}."""
    files = {}
    skipped = {}
    seen = set()
    closed: list[OSError] = []
    for top, folders, names in os.walk(folder, onerror=closed.append, followlinks=True):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        if os.path.realpath(top) in seen:  # a link may lead in circles
            folders.clear()
            continue
        seen.add(os.path.realpath(top))
        for name in names:
            path = Path(top, name)
            name = path.relative_to(folder).as_posix()
            if path.name.startswith(".") or not name.lower().endswith(ENDINGS):
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
    below = sum(int(digest(name), 16) < TEST * 16**16 for name in names)
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
        ground = Image.new("RGBA", upright.size, GROUND)
        upright = Image.alpha_composite(ground, upright.convert("RGBA"))
    fitted = ImageOps.fit(upright.convert("L" if grey else "RGB"), (size[1], size[0]))
    pixels = np.asarray(fitted, dtype=np.float32) / 255
    return pixels if grey else pixels.transpose(2, 0, 1)


def _attempt(path: Path, size: tuple[int, int], grey: bool) -> np.ndarray | str:
    """A picture, or the reason why there is none."""
    try:
        return read(path, size, grey)
    except UnidentifiedImageError:
        return f"damaged, or none of {', '.join(FORMATS)}"
    except Exception as error:  # a damaged file can raise anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return " ".join(reason.split())
