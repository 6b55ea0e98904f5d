"""The latent explorer: sliders over z and the decoded picture, the decoder running in the page."""

import base64
import math
import os
from pathlib import Path
from typing import Any

import torch
import traitlets
from torch import Tensor

from vaelib import _require
from vaelib.data import Data
from vaelib.models import VAE
from vaelib.widgets import bundle, compute
from vaelib.widgets._base import Widget
from vaelib.widgets.snapshot import snapshot

NOUNS = {"faces": "test face", "digits": "test digit", "mnist": "test digit"}
SAVED_IMAGES = 32  # how many encoded images a saved page holds to start from


class LatentExplorer(Widget):
    """One slider a latent dimension, ordered by KL (nats), and the picture x̂ = G_θ(z) live.

    `data` (a `Data`, images (N, *shape) or None) gives the KL of each dimension and images to start
    from. `z` is a list in the model's order, so that `z[0]` is the page's z₁; `image_index` is the
    image started from, or None. Both are traits: setting them moves the page, and the page sets
    them. Set z as a whole; changing one entry in place is not seen. The page has the weights as
    they were when the explorer was made: after more training, make another.
    Raises ValueError for a model whose decoder the page cannot run or whose examples are no
    pictures, and for images that do not fit it.

    >>> from vaelib import models
    >>> LatentExplorer(models.dense((8, 8), 2))
    LatentExplorer: 2 dimensions, z = 0
    """

    _esm = bundle.script("dom", "decoder", "layout", "explorer")
    _css = bundle.style("base", "explorer")

    spec = traitlets.Dict().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    z = traitlets.Any().tag(sync=True)
    image_index = traitlets.Any(None).tag(sync=True)
    # Of the image started from: its index, posterior mean and pixels; {} where there is none.
    encoding = traitlets.Dict().tag(sync=True)

    def __init__(
        self, vae: VAE, data: Data | Tensor | None = None, precision: str = "float32"
    ) -> None:
        self._vae = vae
        self._images = _images(vae, data)
        name = data.name if isinstance(data, Data) else ""
        _check_drawable(vae.shape)
        ops, weights = compute.export_decoder(vae, precision)
        spec = {
            "ops": ops,
            "precision": precision,
            "shape": list(vae.shape),
            "rows": compute.slider_rows(vae, self._images),
            "images": 0 if self._images is None else len(self._images),
            "noun": NOUNS.get(name, "image"),
        }
        self._name = name
        super().__init__(spec=spec, weights=weights, z=[0.0] * vae.latent_dim)

    @property
    def x_hat(self) -> Tensor:
        """The picture shown, as PyTorch decodes it: G_θ(z) clipped to [0, 1], (*shape)."""
        return torch.from_numpy(compute.decode(self._vae, torch.tensor([self.z])))[0]

    @traitlets.validate("z")
    def _valid_z(self, proposal: Any) -> list[float]:
        value, dims = proposal["value"], self._vae.latent_dim
        if hasattr(value, "tolist"):  # a tensor or an array
            value = value.tolist()
        if not isinstance(value, list | tuple) or len(value) != dims:
            given = f"{len(value)} numbers" if isinstance(value, list | tuple) else repr(value)
            raise traitlets.TraitError(f"z is {given}; expected {dims} numbers, one a dimension")
        try:
            numbers = [float(number) for number in value]
        except (TypeError, ValueError):
            raise traitlets.TraitError(f"z is {value!r}; expected {dims} numbers") from None
        if not all(math.isfinite(number) for number in numbers):
            raise traitlets.TraitError(f"z is {numbers}; expected finite numbers, no NaN")
        return numbers

    @traitlets.validate("image_index")
    def _valid_index(self, proposal: Any) -> int | None:
        value, count = proposal["value"], self.spec["images"]
        if value is None:
            return None
        if count == 0:
            raise traitlets.TraitError(
                f"image_index is {value!r} but the explorer was made without data; "
                "expected LatentExplorer(vae, data)"
            )
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise traitlets.TraitError(f"image_index is {value!r}; expected a whole number or None")
        if not 0 <= int(value) < count:
            raise traitlets.TraitError(f"image_index is {value}; expected 0 to {count - 1}")
        return int(value)

    @traitlets.observe("image_index")
    def _encode(self, change: Any) -> None:
        """Go to the posterior mean of the image chosen."""
        index = change["new"]
        with self.hold_sync():
            if index is None:
                self.encoding = {}
                return
            assert self._images is not None
            image = self._images[index][None]
            mu = compute.encode(self._vae, image)[0].tolist()
            self.encoding = {"index": index, "mu": mu, "source": compute.grey_levels(image)}
            self.z = mu

    def to_html(self, precision: str = "float16") -> str:
        """The explorer as one HTML page that holds the model and some images; it requests nothing.

        In float16 the pictures differ from the model's own by one grey level of 255 at most.
        """
        few = None if self._images is None else self._images[:SAVED_IMAGES]
        saved_count = 0 if few is None else len(few)
        ops, weights = compute.export_decoder(self._vae, precision)
        index = self.image_index
        state = {
            "spec": {**self.spec, "ops": ops, "precision": precision, "images": saved_count},
            "weights": _base64(weights),
            "z": self.z,
            "image_index": index if index is not None and index < saved_count else None,
            "means": [] if few is None else _rounded(compute.encode(self._vae, few)),
            "sources": "" if few is None else _base64(compute.grey_levels(few)),
        }
        subject = f" trained on {self._name}" if self._name else ""
        return bundle.page(
            title="Latent explorer",
            intro=f"Each slider is one latent dimension of a variational auto-encoder{subject}; "
            "the picture is what its decoder makes of them, computed in this page.",
            state=state,
            scripts=bundle.script("dom", "decoder", "layout", "explorer", "page", default=False),
            styles=bundle.style("base", "explorer", "page"),
        )

    def save(self, path: str | os.PathLike[str], precision: str = "float16") -> Path:
        """Write `to_html()` to a file, whose folder must exist; returns its path."""
        path = Path(path)
        path.write_text(self.to_html(precision), encoding="utf-8")
        return path

    def __repr__(self) -> str:
        # Strict notebook tests compare this text, so no digit of a trained number stands in it.
        count = self._vae.latent_dim
        dims = f"LatentExplorer: {count} dimension{'s' if count > 1 else ''}"
        if self.image_index is not None:
            return f"{dims}, started from {self.spec['noun']} {self.image_index}"
        return f"{dims}, z = 0" if not any(self.z) else f"{dims}, z moved"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The live view, and for where there is none a still picture and a line of text."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        picture, alt = snapshot(self._vae, self.z, self.spec["rows"])._repr_mimebundle_()
        return {**data, "image/png": picture["image/png"]}, {**metadata, **alt}


def _images(vae: VAE, data: Data | Tensor | None) -> Tensor | None:
    if data is None:
        return None
    images = data.test if isinstance(data, Data) else data
    _require.floats("data", images, ("N", *vae.shape))
    _require.unit_interval("data", images)
    return images


def _check_drawable(shape: tuple[int, ...]) -> None:
    if len(shape) != 2 and not (len(shape) == 3 and shape[0] in (1, 3)):
        raise ValueError(
            f"the model's examples have shape {tuple(shape)}; the explorer draws pictures: "
            "expected (H, W), (1, H, W) or (3, H, W)"
        )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _rounded(values: Tensor) -> list[list[float]]:
    return [[round(number, 4) for number in row] for row in values.tolist()]
