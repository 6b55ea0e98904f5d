"""The explorer's state for a page without a kernel: the model, and some images with their codes."""

import base64
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vaelib.models import VAE
from vaelib.widgets.explorer import compute

N_IMAGES = 32  # how many images the page holds, to start from and to interpolate between
SAME = ("z", "mode", "picture", "axes", "locked")  # traits that the page takes as they are


def state(
    vae: VAE, images: Tensor | None, traits: Mapping[str, Any], precision: str
) -> dict[str, Any]:
    """What `static/explorer/page.js` starts from; `traits` are the explorer's, by name.

    Raises ValueError for a decoder that the page cannot run.
    """
    ops, weights = compute.export_decoder(vae, precision)
    try:
        encoder = compute.export_encoder(vae, precision)
    except ValueError:  # then the page encodes nothing, and shows the posteriors saved below
        encoder = compute.PageEncoder({}, b"")
    few = None if images is None else images[:N_IMAGES]
    count = 0 if few is None else len(few)
    mu, sigma = (None, None) if few is None else compute.posterior(vae, few)
    index = traits["image_index"]
    between = traits["between"]
    spec = {**traits["spec"], "ops": ops, "precision": precision, "runs": "page", "why": ""}
    spec |= {"encoder": encoder.ops, "draw": spec["draw"] and bool(encoder.ops)}
    pair = between if between is not None and max(between) < count else None
    return {
        "spec": {**spec, "images": count},
        "weights": _base64(weights),
        "encoder_weights": _base64(encoder.weights),
        "dots": _dots(traits["dots"]),
        **{name: traits[name] for name in SAME},
        "image_index": index if index is not None and index < count else None,
        "between": pair or ([0, min(1, count - 1)] if count else None),
        "means": _rounded(mu),
        "sigmas": _rounded(sigma),
        "sources": "" if few is None else _base64(compute.grey_levels(few)),
    }


def _dots(dots: dict[str, Any]) -> dict[str, Any]:
    if not dots:
        return {}
    colourings = [{**each, "group": _base64(each["group"])} for each in dots["colourings"]]
    return {**dots, "means": _base64(dots["means"]), "colourings": colourings}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _rounded(values: Tensor | None) -> list[list[float | None]]:
    """Rows of numbers; for NaN and infinity None, and the page does not start from that image."""
    rows = [] if values is None else values.tolist()
    return [[round(n, 4) if abs(n) < 1e9 else None for n in row] for row in rows]
