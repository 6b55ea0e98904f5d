"""What the explorer computes, as pure functions: encoder and decoder as lists of operations for the
page, the order of the sliders, the codes of images and the images of codes."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vaelib import validation
from vaelib.evaluation import active_units, kl_per_dim
from vaelib.models import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder

PRECISIONS = ("float32", "float16")
KNOWN: dict[type[nn.Module], str] = {
    nn.Linear: "linear",
    nn.ReLU: "relu",
    nn.SiLU: "silu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Flatten: "flatten",
    nn.Unflatten: "unflatten",
    nn.Conv2d: "conv2d",
    nn.ConvTranspose2d: "conv_transpose2d",
}


class CannotRunError(ValueError):
    """The page cannot run this network; Python can."""


class PageDecoder(NamedTuple):
    """A decoder for the page: operations in order, and the numbers they point into."""

    ops: list[dict[str, Any]]
    weights: bytes


class PageEncoder(NamedTuple):
    """An encoder for the page: the operations of `body`, `mu` and `log_sigma`, and the numbers."""

    ops: dict[str, list[dict[str, Any]]]
    weights: bytes


class _Packer:
    """Runs modules one after the other and notes each as an operation with its weights."""

    def __init__(self, precision: str) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; expected one of {list(PRECISIONS)}")
        self.precision = precision
        self.buffers: list[bytes] = []
        self.used = 0

    def run(self, name: str, module: nn.Module, x: Tensor) -> tuple[list[dict[str, Any]], Tensor]:
        """The operations of the module, and what it gives for the batch x."""
        ops = []
        for part, layer in _modules(name, module):
            y = layer(x)
            op = _describe(part, layer) | {"in": [*x.shape[1:]], "out": [*y.shape[1:]]}
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                op["weight"] = self._place(f"{part}.weight", layer.weight)
                op["bias"] = self._place(f"{part}.bias", layer.bias)
            ops.append(op)
            x = y
        return ops, x

    def _place(self, name: str, parameter: Tensor | None) -> int | None:
        if parameter is None:
            return None
        start = self.used
        self.used += parameter.numel()
        self.buffers.append(_pack(name, parameter, self.precision))
        return start


def export_decoder(vae: VAE, precision: str = "float32") -> PageDecoder:
    """x̂ = G_θ(z) as operations `{op, in, out, …}` and one buffer of little-endian weights.

    `in` and `out` are the shapes of one example, `weight` and `bias` the places (in numbers, not
    bytes) where a parameter starts, row by row as torch has it; `bias` is None where there is none.
    A Bernoulli decoder ends with the sigmoid of its logits. Raises CannotRunError, a
    ValueError, for a decoder or a module that the page cannot run, ValueError for weights that are
    not finite or that float16 cannot hold.

    >>> from vaelib import models
    >>> [op["op"] for op in export_decoder(models.dense((8, 8), 2, hidden=(9,))).ops]
    ['linear', 'relu', 'linear']
    """
    packer = _Packer(precision)
    decoder = vae.decoder
    if not isinstance(decoder, GaussianDecoder | BernoulliDecoder):
        raise CannotRunError(
            f"the decoder is a {type(decoder).__name__}, which the page cannot run; "
            "expected a GaussianDecoder or a BernoulliDecoder"
        )
    with resting(vae):
        # Three different z, so that a module that mixes examples is noticed below.
        z = torch.randn(3, vae.latent_dim, generator=torch.Generator().manual_seed(0))
        z = z.to(device=vae.device, dtype=vae.dtype)
        ops, x = packer.run("decoder.body", decoder.body, z)
        if isinstance(decoder, BernoulliDecoder):
            ops.append({"op": "sigmoid", "in": [*x.shape[1:]], "out": [*x.shape[1:]]})
            x = x.sigmoid()
        expected = decoder.mean(z)
    # A subclass may do more than run its body: then the page would show another picture.
    if not _same(x, expected):
        raise CannotRunError(
            f"the {type(decoder).__name__}'s mean is not what its body's modules give one after "
            "the other, so the page cannot run it"
        )
    return PageDecoder(ops, b"".join(packer.buffers))


def export_encoder(vae: VAE, precision: str = "float32") -> PageEncoder:
    """q_φ(z|x) for the page: operations from x to the features, and from them to μ and to log σ.

    They are written as `export_decoder` writes them, and the same is raised.

    >>> from vaelib import models
    >>> [op["op"] for op in export_encoder(models.dense((8, 8), 2, hidden=(9,))).ops["body"]]
    ['flatten', 'linear', 'relu']
    """
    packer = _Packer(precision)
    encoder = vae.encoder
    if not isinstance(encoder, GaussianEncoder):
        raise CannotRunError(
            f"the encoder is a {type(encoder).__name__}, which the page cannot run; "
            "expected a GaussianEncoder"
        )
    with resting(vae):
        x = torch.rand(3, *vae.shape, generator=torch.Generator().manual_seed(0))
        x = x.to(device=vae.device, dtype=vae.dtype)
        body, h = packer.run("encoder.body", encoder.body, x)
        to_mu, mu = packer.run("encoder.mu", encoder.mu, h)
        to_log_sigma, log_sigma = packer.run("encoder.log_sigma", encoder.log_sigma, h)
        q = encoder(x)
    if not (_same(mu, q.mu) and _same(log_sigma, q.log_sigma)):
        raise CannotRunError(
            f"the {type(encoder).__name__}'s result is not what its modules give one after the "
            "other, so the page cannot run it"
        )
    ops = {"body": body, "mu": to_mu, "log_sigma": to_log_sigma}
    return PageEncoder(ops, b"".join(packer.buffers))


def _same(found: Tensor, expected: Tensor) -> bool:
    found = found.flatten(1)
    expected = expected.flatten(1)
    if found.shape != expected.shape:
        return False
    return torch.allclose(found, expected, rtol=1e-4, atol=1e-5, equal_nan=True)


@contextmanager
def resting(vae: VAE) -> Iterator[None]:
    """No gradients, no dropout, no batch statistics; every module's mode is restored at the end."""
    modes = [(module, module.training) for module in vae.modules()]
    vae.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _modules(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules in the order they run, nested nn.Sequential opened up."""
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        # Not named_children(), which names a module that is used twice only once.
        for child_name, child in module._modules.items():
            assert child is not None
            yield from _modules(f"{name}.{child_name}", child)
    elif type(module) in KNOWN:
        yield name, module
    else:
        known = ", ".join(sorted(kind.__name__ for kind in KNOWN))
        raise CannotRunError(
            f"{name} is a {type(module).__name__}, which the page cannot run; "
            f"expected nn.Sequential of {known}"
        )


def _describe(name: str, module: nn.Module) -> dict[str, Any]:
    op: dict[str, Any] = {"op": KNOWN[type(module)]}
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        odd = {"groups": module.groups != 1, "dilation": module.dilation != (1, 1)}
        odd["padding"] = isinstance(module.padding, str)
        odd["padding_mode"] = module.padding_mode != "zeros"
        for option in (option for option, is_odd in odd.items() if is_odd):
            raise CannotRunError(
                f"{name} has {option}={getattr(module, option)!r}, which the page cannot run; "
                "expected groups=1, dilation=1 and padding with zeros, given as numbers"
            )
        op |= {"kernel": [*module.kernel_size], "stride": [*module.stride]}
        op["padding"] = [*module.padding]
    return op


def _pack(name: str, parameter: Tensor, precision: str) -> bytes:
    validation.finite(name, parameter)
    values = parameter.detach().cpu().to(torch.float32).numpy()
    if precision == "float16":
        largest = float(np.abs(values).max(initial=0.0))
        if largest > float(np.finfo(np.float16).max):
            raise ValueError(
                f"{name} reaches {largest:.3g}, more than float16 can hold; use float32"
            )
        return values.astype("<f2").tobytes()
    return values.astype("<f4").tobytes()


def slider_rows(vae: VAE, images: Tensor | None = None) -> list[dict[str, Any]]:
    """One row per latent dimension, `{dim, kl, active}`, the largest mean KL (nats) first.

    Without images the KL is not known and the dimensions keep their order. A KL of NaN or infinity
    becomes None, and its dimension comes last.
    """
    if images is None:
        return [{"dim": d, "kl": None, "active": True} for d in range(vae.latent_dim)]
    images = images.to(device=vae.device, dtype=vae.dtype)
    with resting(vae):
        kl = kl_per_dim(vae, images).mean(0)
        # One image alone has no variance: then a dimension with some KL is taken as active.
        active = active_units(vae, images) if len(images) > 1 else kl > 0.01
    finite = [value if math.isfinite(value) else None for value in kl.tolist()]
    order = kl.nan_to_num(nan=-1.0, posinf=-1.0).argsort(descending=True, stable=True).tolist()
    return [
        {
            "dim": d,
            "kl": None if finite[d] is None else round(finite[d], 4),
            "active": bool(active[d]),
        }
        for d in order
    ]


def posterior(vae: VAE, images: Tensor) -> tuple[Tensor, Tensor]:
    """μ_φ(x) and σ_φ(x), each (B, D), float32."""
    with resting(vae):
        q = vae.posterior(images.to(device=vae.device, dtype=vae.dtype))
    return q.mu.cpu().float(), q.sigma.cpu().float()


def encode(vae: VAE, images: Tensor) -> Tensor:
    """The posterior means μ_φ(x), (B, D)."""
    return posterior(vae, images)[0]


def means(vae: VAE, z: Tensor) -> np.ndarray:
    """x̂ = G_θ(z), not clipped: (…, D) → (…, *shape), float32."""
    with resting(vae):
        z = z.to(device=vae.device, dtype=vae.dtype)
        return vae.decoder.mean(z).cpu().float().numpy()


def decode(vae: VAE, z: Tensor) -> np.ndarray:
    """x̂ = G_θ(z) clipped to [0, 1]: (…, D) → (…, *shape)."""
    return means(vae, z).clip(0.0, 1.0)


def likelihood(vae: VAE) -> dict[str, Any] | None:
    """How the page samples x ~ p_θ(x|z) given the mean, or None where it cannot."""
    if isinstance(vae.decoder, BernoulliDecoder):
        return {"kind": "bernoulli"}
    if isinstance(vae.decoder, GaussianDecoder) and vae.decoder.sigma_x.numel() == 1:
        sigma_x = vae.decoder.sigma_x.item()
        return {"kind": "gaussian", "sigma_x": sigma_x} if math.isfinite(sigma_x) else None
    return None


def quantiles(count: int) -> list[float]:
    """Φ⁻¹((i + ½)/count), i = 0 … count − 1: places of equal probability under N(0, 1).

    >>> [round(value, 2) for value in quantiles(3)]
    [-0.97, 0.0, 0.97]
    """
    return [NormalDist().inv_cdf((i + 0.5) / count) for i in range(count)]


def grey_levels(images: Tensor) -> bytes:
    """Images in [0, 1] as one byte per value, for drawing."""
    return (images.clamp(0.0, 1.0) * 255).round().to(torch.uint8).cpu().numpy().tobytes()
