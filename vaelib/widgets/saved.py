"""The explorer as one HTML page: what it holds in place of a kernel."""

import base64
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vaelib.widgets import bundle, compute

if TYPE_CHECKING:
    from vaelib.widgets.explorer import LatentExplorer

IMAGES = 32  # how many encoded images a page holds, to start from and to go between


def page(explorer: "LatentExplorer", precision: str) -> str:
    """The HTML of `LatentExplorer.to_html`."""
    vae, images = explorer._vae, explorer._images
    ops, weights = compute.export_decoder(vae, precision)
    few = None if images is None else images[:IMAGES]
    count = 0 if few is None else len(few)
    mu, sigma = (None, None) if few is None else compute.posterior(vae, few)
    index, between = explorer.image_index, explorer.between
    spec = {**explorer.spec, "ops": ops, "precision": precision, "runs": "page", "why": ""}
    pair = between if between is not None and max(between) < count else None
    state = {
        "spec": {**spec, "images": count},
        "weights": _base64(weights),
        "dots": _dots(explorer.dots),
        "z": explorer.z,
        "image_index": index if index is not None and index < count else None,
        **{name: getattr(explorer, name) for name in ("mode", "picture", "axes", "locked")},
        "between": pair or ([0, min(1, count - 1)] if count else None),
        "means": _rounded(mu),
        "sigmas": _rounded(sigma),
        "sources": "" if few is None else _base64(compute.grey_levels(few)),
    }
    subject = f" trained on {explorer._name}" if explorer._name else ""
    return bundle.page(
        title="Latent explorer",
        intro=f"Each slider is one latent dimension of a variational auto-encoder{subject}; "
        "the picture is what its decoder makes of them, computed in this page.",
        state=state,
        scripts=bundle.script(*bundle.EXPLORER, "page", default=False),
        styles=bundle.style(*bundle.EXPLORER_STYLES, "page"),
    )


def _dots(dots: dict[str, Any]) -> dict[str, Any]:
    if not dots:
        return {}
    colourings = [{**each, "group": _base64(each["group"])} for each in dots["colourings"]]
    return {**dots, "means": _base64(dots["means"]), "colourings": colourings}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _rounded(values: Tensor | None) -> list[list[float | None]]:
    """What is no number is left out by JSON's null, which the page refuses to go to."""
    rows = [] if values is None else values.tolist()
    return [[round(n, 4) if abs(n) < 1e9 else None for n in row] for row in rows]
