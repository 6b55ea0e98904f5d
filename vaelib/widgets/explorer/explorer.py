"""The latent explorer: the whole VAE on one stage, encoder and decoder running in the page."""

import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor

from vaelib.data import Data
from vaelib.models import VAE, check_weights
from vaelib.widgets import bundle
from vaelib.widgets.base import Widget
from vaelib.widgets.bundle import Export
from vaelib.widgets.explorer import checks, cloud, compute, exported
from vaelib.widgets.explorer.snapshot import VALUES, snapshot

NOUNS = {"faces": "test face", "digits": "test digit", "mnist": "test digit"}
PICTURES = ("mean", "sample")
STYLES = ("lecture", *(f"explorer/{name}" for name in ("explorer", "rows", "plane", "views")))
GRID = 9  # the manifold has GRID × GRID pictures


class Given(traitlets.Any):
    """Any value but None; what it may be is checked by the explorer's validators."""

    allow_none = False


class LatentExplorer(Widget):
    """The VAE at a glance: x, encoder, latent plane, decoder and x̂ = G_θ(z), live, with a slider
    per dimension (the largest KL first), z = μ + σ ⊙ ε and the ELBO of the z shown, in nats.

    `data` (a `Data`, images (N, *shape) or None) gives the KL of each dimension, images to start
    from, the dots of the plane and, where factors are known, which dimension encodes which factor.

    Its state is traits; setting them moves the page, and the page sets them:
    `z`, a list in the model's order, so that `z[0]` is the page's z₁ (set it as a whole: changing
    one entry in place is not seen); `image_index`, the image started from, or None; `mode`, what
    is drawn in the details: "traversal", "manifold", "interpolation" or "none"; `picture`, "mean"
    for x̂ or "sample" for x ~ p(x|z); `axes`, the two dimensions of the plane and the manifold;
    `between`, the two images to interpolate between; `locked`, the dimensions that only their own
    slider, `z` itself and undo move.

    The page has the weights as they were when the explorer was made: after more training, make
    another. A decoder that the page cannot run is run by Python, and the page says so.
    Raises ValueError for a model whose examples are no pictures, and for images that do not fit it.

    >>> from vaelib import models
    >>> LatentExplorer(models.dense((8, 8), 2))
    LatentExplorer: 2 dimensions, z = 0
    """

    view = "explorer/explorer"
    _esm = bundle.module(view)
    _css = bundle.style("base", *STYLES)

    spec = traitlets.Dict().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    encoder_weights = traitlets.Bytes().tag(sync=True)
    # Posterior means of the data, for the plane: see cloud.py.
    dots = traitlets.Dict().tag(sync=True)
    z = Given().tag(sync=True)
    image_index = traitlets.Any(None).tag(sync=True)
    mode = Given("traversal").tag(sync=True)
    picture = Given("mean").tag(sync=True)
    axes = Given().tag(sync=True)
    between = traitlets.Any(None).tag(sync=True)
    locked = Given([]).tag(sync=True)
    # Index, posterior and pixels of the image started from, and of the two to interpolate between.
    encoding = traitlets.Dict().tag(sync=True)
    between_encoding = traitlets.Dict().tag(sync=True)

    def __init__(
        self, vae: VAE, data: Data | Tensor | None = None, precision: str = "float32"
    ) -> None:
        images = checks.images(vae, data)
        checks.drawable(vae.shape)
        check_weights(vae.state_dict())
        known = data if isinstance(data, Data) else None
        self.vae = vae
        self.images = images
        self.data_name = known.name if known else ""
        (ops, weights), why = _decoder_for_page(vae, precision)
        (encoder_ops, encoder_weights), why_not = _encoder_for_page(vae, precision)
        rows = compute.slider_rows(vae, images)
        count = 0 if images is None else len(images)
        spec = {
            "ops": ops,
            "precision": precision,
            "runs": "kernel" if why else "page",
            "why": why,
            "encoder": encoder_ops,
            "why_no_encoder": why_not,
            "shape": list(vae.shape),
            "rows": rows,
            "images": count,
            "model": self.data_name or "model",  # its name in an address
            "noun": NOUNS.get(self.data_name, "image"),
            "draw": bool(encoder_ops) and _can_be_drawn(vae.shape),
            "likelihood": compute.likelihood(vae),
            "modes": _modes(vae.latent_dim, count),
            "values": VALUES.tolist(),
            "quantiles": compute.quantiles(GRID),
            "factors": cloud.factor_table(vae, known),
        }
        first = [row["dim"] for row in [*filter(lambda row: row["active"], rows), *rows]]
        super().__init__(
            spec=spec,
            weights=weights,
            encoder_weights=encoder_weights,
            dots=cloud.cloud(vae, images, known),
            z=[0.0] * vae.latent_dim,
            axes=[*dict.fromkeys(first)][:2],
        )
        self.on_msg(self._asked)
        if count and images is not None and compute.encode(vae, images[:2]).isfinite().all():
            self.between = [0, min(1, count - 1)]

    @property
    def x_hat(self) -> Tensor:
        """The mean at z, as PyTorch decodes it: G_θ(z) clipped to [0, 1], (*shape)."""
        return torch.from_numpy(compute.decode(self.vae, torch.tensor([self.z])))[0]

    def close(self) -> None:
        """Close the explorer, and let go of the weights here and in the page.

        Both keep what was closed: IPython in `Out`, the page in its list of models.
        """
        self.weights = b""
        self.encoder_weights = b""
        super().close()

    @traitlets.validate("z")
    def _valid_z(self, proposal: Any) -> list[float]:
        return checks.code(proposal["value"], self.vae.latent_dim)

    @traitlets.validate("image_index")
    def _valid_index(self, proposal: Any) -> int | None:
        if proposal["value"] is None:
            return None
        index = checks.image("image_index", proposal["value"], self.spec["images"])
        self._posterior([index])  # so that one that cannot be encoded is not started from
        return index

    @traitlets.validate("mode")
    def _valid_mode(self, proposal: Any) -> str:
        return checks.one_of("mode", proposal["value"], self.spec["modes"])

    @traitlets.validate("picture")
    def _valid_picture(self, proposal: Any) -> str:
        known = PICTURES if self.spec["likelihood"] else PICTURES[:1]
        return checks.one_of("picture", proposal["value"], known)

    @traitlets.validate("axes")
    def _valid_axes(self, proposal: Any) -> list[int]:
        dims = self.vae.latent_dim
        return checks.dimensions("axes", proposal["value"], dims, min(2, dims))

    @traitlets.validate("locked")
    def _valid_locked(self, proposal: Any) -> list[int]:
        return checks.dimensions("locked", proposal["value"], self.vae.latent_dim)

    @traitlets.validate("between")
    def _valid_between(self, proposal: Any) -> list[int] | None:
        value = proposal["value"]
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise traitlets.TraitError(f"between is {value!r}; expected the numbers of two images")
        pair = [checks.image("between", index, self.spec["images"]) for index in value]
        self._posterior(pair)
        return pair

    @traitlets.observe("image_index")
    def _encode(self, change: Any) -> None:
        """Go to the posterior mean of the image chosen; what is locked stays."""
        index = change["new"]
        with self.hold_sync():
            if index is None:
                self.encoding = {}
                return
            mu, sigma = self._posterior([index])
            source = self._source([index])
            self.encoding = {"index": index, "mu": mu[0], "sigma": sigma[0], "source": source}
            self.z = [self.z[d] if d in self.locked else value for d, value in enumerate(mu[0])]

    @traitlets.observe("between")
    def _encode_two(self, change: Any) -> None:
        pair = change["new"]
        if pair is None:
            self.between_encoding = {}
        else:
            mu, _ = self._posterior(pair)
            self.between_encoding = {"indices": pair, "mu": mu, "source": self._source(pair)}

    def _posterior(self, indices: list[int]) -> tuple[list[list[float]], list[list[float]]]:
        assert self.images is not None
        mu, sigma = compute.posterior(self.vae, self.images[indices])
        if not (mu.isfinite().all() and sigma.isfinite().all()):
            which = " and ".join(map(str, indices))
            problem = f"the encoder gives NaN or infinity for {self.spec['noun']} {which}"
            raise traitlets.TraitError(problem)
        return mu.tolist(), sigma.tolist()

    def _source(self, indices: list[int]) -> bytes:
        assert self.images is not None
        return compute.grey_levels(self.images[indices])

    def _asked(self, _: Any, content: Any, buffers: list[memoryview]) -> None:
        """Answer the page: it asks whether Python is there, or for pictures of given codes."""
        question = content.get("ask") if isinstance(content, dict) else None
        if question == "here":
            self.send({"here": content.get("view")})
        if question != "decode":
            return
        answer: dict[str, Any] = {"view": content.get("view"), "id": content.get("id")}
        try:
            z = np.frombuffer(bytes(buffers[0]), "<f4").reshape(-1, self.vae.latent_dim)
            pictures = [compute.means(self.vae, torch.from_numpy(z.copy())).tobytes()]
        except Exception as problem:  # whatever it is, the page waits for an answer
            pictures = []
            answer["error"] = f"{type(problem).__name__}: {problem}"
        self.send(answer, pictures)

    def export(self, precision: str = "float16") -> Export:
        """The explorer as it is now with its model and some images, for a page without a kernel.

        Raises ValueError for a decoder that the page cannot run, since there Python cannot either.
        """
        traits = {name: getattr(self, name) for name in self.trait_names(sync=True)}
        state = exported.state(self.vae, self.images, traits, precision)
        script = bundle.standalone("LatentExplorer", "explorer/page")
        return Export("LatentExplorer", state, script, str(self._css))

    def to_html(self, precision: str = "float16") -> str:
        """The explorer as one HTML page that holds the model and some images; it requests nothing.

        In float16 the pictures differ from the model's own by one grey level of 255 at most.
        Raises ValueError for a decoder that the page cannot run, since there Python cannot either.
        """
        images = f" The images are those of {self.data_name}." if self.data_name else ""
        return bundle.page(
            title="Latent explorer",
            intro="A variational auto-encoder: the encoder turns a picture x into a distribution "
            "of codes z, the decoder turns a code into a picture. Both run in this page. Drag the "
            f"ring in the plane, or a slider.{images}",
            export=self.export(precision),
        )

    def save(self, path: str | os.PathLike[str], precision: str = "float16") -> Path:
        """Write `to_html()` to a file, whole or not at all; returns its path.

        Raises OSError, with the path, where it cannot be written: the folder must exist.
        """
        path = Path(path)
        page = self.to_html(precision)
        try:
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
                part = Path(folder, "page.html")
                part.write_text(page, encoding="utf-8")
                part.replace(path)
        except OSError as error:
            fault = f"cannot write {path} ({error.strerror}); expected a folder that can be written"
            raise OSError(error.errno, f"{fault} to, with {len(page) / 2**20:.1f} MiB") from None
        return path

    def __repr__(self) -> str:
        # Strict notebook tests compare this text, so it has no digit of a trained number.
        count = self.vae.latent_dim
        dims = f"LatentExplorer: {count} dimension{'s' if count > 1 else ''}"
        if self.image_index is not None:
            return f"{dims}, started from {self.spec['noun']} {self.image_index}"
        return f"{dims}, z = 0" if not any(self.z) else f"{dims}, z moved"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The live view, and a still picture and a line of text for where it cannot run."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        picture, alt = snapshot(self.vae, self.z, self.spec["rows"])._repr_mimebundle_()
        return {**data, "image/png": picture["image/png"]}, {**metadata, **alt}


def _decoder_for_page(vae: VAE, precision: str) -> tuple[compute.PageDecoder, str]:
    """The decoder as the page runs it, or the reason why Python has to decode."""
    if precision not in compute.PRECISIONS:
        raise ValueError(f"precision is {precision!r}; expected one of {[*compute.PRECISIONS]}")
    try:
        return compute.export_decoder(vae, precision), ""
    except ValueError as problem:
        return compute.PageDecoder([], b""), str(problem)


def _encoder_for_page(vae: VAE, precision: str) -> tuple[compute.PageEncoder, str]:
    """The encoder as the page runs it, or the reason why only Python can encode."""
    try:
        return compute.export_encoder(vae, precision), ""
    except ValueError as problem:
        return compute.PageEncoder({}, b""), str(problem)


def _can_be_drawn(shape: tuple[int, ...]) -> bool:
    """Whether a hand can draw an example: grey, of MNIST's size."""
    return shape[-2:] == (28, 28) and math.prod(shape) == 28 * 28


def _modes(dims: int, images: int) -> list[str]:
    manifold = ["manifold"] if dims > 1 else []
    return ["traversal", *manifold, *(["interpolation"] if images else []), "none"]
