"""A folder of photographs as people bring them: every format and mode, turned, tiny, damaged."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

ORIENTATION = 0x0112  # the EXIF tag
BROKEN = ("cut.jpg", "empty.png", "page.jpg", "noise.webp", "link.png")
MODES = ("RGB", "L", "P", "RGBA", "LA", "1", "CMYK", "I;16", "I", "F")
ENDINGS = {
    "RGB": ("jpg", "png", "webp", "gif", "bmp", "tiff", "JPEG"),
    "L": ("jpg", "png", "tif"),
    "P": ("png", "gif"),
    "RGBA": ("png", "webp"),
    "LA": ("png",),
    "1": ("png", "tif"),
    "CMYK": ("jpg", "tif"),
    "I;16": ("png", "tif"),
    "I": ("tif",),
    "F": ("tif",),
}


def photograph(seed: int, width: int = 60, height: int = 40) -> Image.Image:
    """A sky, a hill and a sun, at random places in random colours."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j][..., None]
    sky, hill, sun = rng.uniform(0.2, 1, (3, 3))
    picture = sky * (1 - 0.5 * y)
    picture = np.where(y > 0.6 + 0.2 * np.sin(6 * x + rng.uniform(0, 6)), hill, picture)
    a, b = rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.4)
    picture = np.where((x - a) ** 2 + (y - b) ** 2 < 0.01, sun, picture)
    return Image.fromarray((255 * picture).round().astype(np.uint8))


def in_mode(picture: Image.Image, mode: str) -> Image.Image:
    grey = np.asarray(picture.convert("L"))
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(grey.astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray(grey.astype(np.float32) / 255)
    return picture.convert(mode)


def mixed(folder: Path, count: int) -> Path:
    """A folder of `count` pictures that can be read, in two subfolders, and `BROKEN` ones."""
    kinds = [(mode, ending) for mode in MODES for ending in ENDINGS[mode]]
    for i in range(count):
        mode, ending = kinds[i % len(kinds)]
        width, height = ((60, 40), (40, 60), (97, 31), (1, 1), (64, 64))[i % 5]
        place = folder / ("hills", "deserts")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        options = {}
        if ending in ("jpg", "JPEG") and i % 3 == 0:
            options["exif"] = Image.Exif()
            options["exif"][ORIENTATION] = 1 + i % 8
        in_mode(photograph(i, width, height), mode).save(place / f"{i:04d}.{ending}", **options)
    whole = (folder / "hills" / "0000.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "page.jpg").write_text("<html>not found</html>")
    (folder / "noise.webp").write_bytes(os.urandom(500))
    (folder / "link.png").symlink_to(folder / "nowhere.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"hidden")
    return folder
