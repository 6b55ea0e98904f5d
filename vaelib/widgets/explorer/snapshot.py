"""The explorer as a still picture, for where no widget can run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from vaelib.models import VAE
from vaelib.plots import AltFigure
from vaelib.widgets.explorer.compute import decode

VALUES = np.linspace(-3.0, 3.0, 7)


def snapshot(vae: VAE, z: Sequence[float], rows: list[dict[str, Any]], most: int = 4) -> AltFigure:
    """G_θ(z), and a strip for each of the first active dimensions: from −3 to 3, the others fixed.

    `rows` are those of `slider_rows`. The figure carries its alternative text.
    """
    shown = ([row for row in rows if row["active"]] or rows)[:most]
    here = torch.tensor([*z], dtype=torch.float64)
    grid = here.repeat(len(shown), len(VALUES), 1)
    for i, row in enumerate(shown):
        grid[i, :, row["dim"]] = torch.from_numpy(VALUES)
    # z itself comes first; one call decodes all pictures.
    pictures = _drawable(decode(vae, torch.cat([here[None], grid.flatten(0, 1)])))
    where = f"({', '.join(f'{value:.1f}' for value in z)})" if any(z) else "0"
    alt = (  # compared by strict notebook tests, so it names no dimension and few digits
        f"The picture decoded at z = {where}. Beside it one row of pictures for each of "
        f"{len(shown)} dimensions, the largest KL first: that dimension goes from −3 to 3 while "
        "the others stay."
    )
    height = max(2.2, 0.95 * len(shown) + 0.3)
    figure = AltFigure(alt, (7.4 + height, height))
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[height, 7.4])[0]
    _draw(left.subplots(), pictures[0])
    axes = right.subplots(len(shown), len(VALUES), squeeze=False)
    for i, row in enumerate(shown):
        label = f"z{row['dim'] + 1}" + ("" if row["kl"] is None else f"\nKL {row['kl']:.2f}")
        axes[i, 0].set_ylabel(label, rotation=0, ha="right", va="center")
        for j, value in enumerate(VALUES):
            _draw(axes[i, j], pictures[1 + i * len(VALUES) + j])
            if i == 0:
                axes[i, j].set_title(f"{value:.0f}".replace("-", "−"), fontsize=11)
    return figure


def _drawable(pictures: np.ndarray) -> np.ndarray:
    """(N, H, W) or (N, C, H, W) as matplotlib wants it, channels last."""
    if pictures.ndim == 3:
        return pictures
    return pictures[:, 0] if pictures.shape[1] == 1 else pictures.transpose(0, 2, 3, 1)


def _draw(ax: Any, picture: np.ndarray) -> None:
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
