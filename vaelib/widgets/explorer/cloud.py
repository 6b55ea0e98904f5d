"""What the explorer shows of a data set: where its images lie in z, and which dimension encodes
which factor."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.data import Data
from vaelib.evaluation import factor_alignment
from vaelib.models import VAE
from vaelib.widgets.explorer import compute

MAX_DOTS = 1000  # more would hide each other
N_LEVELS = 5  # of a factor
MAX_CLASSES = 20


def cloud(vae: VAE, images: Tensor | None, data: Data | None = None) -> dict[str, Any]:
    """The posterior means of up to `MAX_DOTS` images, evenly spread over the set, and their groups.

    `{count, of, index, means, colourings}`: `index` are the images' numbers; means are float32
    (count, D), row by row; a colouring is `{name, groups, group}`, the names of its groups and one
    byte per dot. Means that are not finite are left out; {} where none is left.
    """
    if images is None:
        return {}
    chosen = torch.linspace(0, len(images) - 1, min(MAX_DOTS, len(images))).round().long()
    mu = compute.encode(vae, images[chosen])
    finite = mu.isfinite().all(1)
    chosen = chosen[finite]
    mu = mu[finite]
    if not len(chosen):
        return {}
    colourings = []
    if data is not None and data.test_factors is not None:
        names = data.factor_names or [f"factor {i + 1}" for i in range(data.test_factors.shape[1])]
        for name, values in zip(names, data.test_factors[chosen].T, strict=True):
            colourings.append({"name": name, **_levels(values.double().numpy())})
    if data is not None and data.test_labels is not None:
        labels = data.test_labels[chosen].numpy()
        colourings.append({"name": "class", **_classes(labels, data.label_names)})
    return {
        "count": len(chosen),
        "of": len(images),
        "index": chosen.tolist(),
        "means": mu.numpy().astype("<f4").tobytes(),
        "colourings": colourings,
    }


def _levels(values: np.ndarray) -> dict[str, Any]:
    """Groups of equal width between the smallest and the largest value."""
    edges = np.linspace(values.min(), values.max(), N_LEVELS + 1)
    group = np.searchsorted(edges[1:-1], values, side="right")
    pairs = zip(edges[:-1], edges[1:], strict=True)
    names = [f"{a:.2g} to {b:.2g}".replace("-", "−") for a, b in pairs]
    return {"kind": "level", "groups": names, "group": group.astype(np.uint8).tobytes()}


def _classes(labels: np.ndarray, words: Sequence[str] | None) -> dict[str, Any]:
    known, group = np.unique(labels, return_inverse=True)
    if len(known) > MAX_CLASSES:
        return _levels(labels.astype(float))
    names = [words[label] if words else str(label) for label in known.tolist()]
    return {"kind": "class", "groups": names, "group": group.astype(np.uint8).tobytes()}


def factor_table(vae: VAE, data: Data | None) -> dict[str, Any]:
    """|Spearman| of each dimension with each known factor, `{names, values, count}`, or {}."""
    if data is None or data.test_factors is None or len(data.test) < 2:
        return {}
    with compute.resting(vae):
        try:
            table = factor_alignment(vae, data)
        except ValueError:  # from an encoder that gives NaN
            return {}
    names = data.factor_names or [f"factor {i + 1}" for i in range(table.shape[1])]
    values = [[round(value, 3) for value in row] for row in table.tolist()]
    return {"names": [*names], "values": values, "count": len(data.test)}
