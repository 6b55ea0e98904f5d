"""Which library, at which precision, does the matrix products while a model is trained."""

import functools
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaelib._objective import Precision

LARGE = 2**24  # multiplications of a product that is worth the change of layout


@contextmanager
def matrix_products(vae: nn.Module, precision: Precision, batch: int) -> Iterator[None]:
    """While it lasts, float32 products are rounded to TF32 if that was asked for, or go to oneDNN.

    PyTorch takes Intel's MKL for them, which on other makers' processors runs its slower code.
    oneDNN's are float32 as well, and much faster there for large layers and batches; a `batch` of
    0 leaves all as it is.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else before)
    layers = []
    if precision == "float32" and _mkl_is_slow():
        layers = [m for m in vae.modules() if type(m) is nn.Linear and _suits(m, batch)]
    for layer in layers:
        layer.forward = functools.partial(_in_onednn, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        for layer in layers:
            del layer.forward


def _in_onednn(layer: nn.Linear, x: Tensor) -> Tensor:
    """The layer's W x + b. The gradients' products go the same way."""
    return functional.linear(x.to_mkldnn(), layer.weight, layer.bias).to_dense()


def _suits(layer: nn.Linear, batch: int) -> bool:
    weight = layer.weight
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and "forward" not in vars(layer)
        and weight.numel() * batch >= LARGE
    )


@functools.cache
def _mkl_is_slow() -> bool:
    if not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):
        return False
    names, about = platform.processor(), Path("/proc/cpuinfo")
    if about.exists():
        names += about.read_text()
    return "AMD" in names
