"""A figure that holds pictures, for a dark page: its paper and its letters turned over, its
pictures as they are."""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

LEAST = 24  # pixels: what is smaller in a direction is a letter
SOLID = 0.95  # of its frame, for a picture
DARKEST = (22 / 255, 25 / 255, 29 / 255)  # what white becomes: the paper of the dark page


def dark_twin(png: bytes) -> bytes:
    """The PNG with all that is no picture turned over, white to nearly black, hues kept."""
    given = Image.open(io.BytesIO(png)).convert("RGB")
    rgb = np.asarray(given, dtype=np.float32) / 255
    keep = pictures(rgb)
    # Black to white and white to nearly black; the shift keeps a colour's hue.
    light = (rgb.max(-1, keepdims=True) + rgb.min(-1, keepdims=True)) / 2
    turned = rgb + (1 - light * (1 - np.array(DARKEST, dtype=np.float32))) - light
    made = np.where(keep[..., None], rgb, turned.clip(0, 1))
    out = io.BytesIO()
    Image.fromarray((made * 255).round().astype(np.uint8)).save(out, "png")
    return out.getvalue()


def pictures(rgb: np.ndarray) -> np.ndarray:
    """Where the pictures are, (height, width) of bool: what is solid inside and not small."""
    ink = ndimage.binary_fill_holes(rgb.min(-1) < 0.97)
    labels, _ = ndimage.label(ink)
    keep = np.zeros(ink.shape, dtype=bool)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        mask = labels[box] == number
        if min(mask.shape) >= LEAST and mask.mean() >= SOLID:
            keep[box] |= mask
    return keep
