"""Argument checks, written once: each error says what was given and what was expected."""

import math
from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor

GREY = "divide images with grey values 0 to 255 by 255"


def floats(name: str, value: object, shape: Sequence[int | str] | None = None) -> None:
    """Refuse what is not a floating-point tensor of `shape`, if one is given.

    A name in `shape` stands for any size, and "..." for any number of leading dimensions.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch tensor of floats, not {type(value).__name__}")
    if not value.is_floating_point():
        given = f"{name} has dtype {value.dtype}"
        raise TypeError(f"{given}; floats are expected (say {name}.float(), and {GREY})")
    if shape is None:
        return
    wanted = [size for size in shape if size != "..."]
    sizes = value.shape[value.ndim - len(wanted) :] if "..." in shape else value.shape
    fits = [isinstance(w, str) or w == size for w, size in zip(wanted, sizes, strict=False)]
    if len(sizes) != len(wanted) or not all(fits):
        expected = str(tuple(shape)).replace("'", "")
        raise ValueError(f"{name} has shape {tuple(value.shape)}; expected {expected}")


def same(first: str, a: Tensor, second: str, b: Tensor) -> None:
    """Refuse two tensors of different shape or dtype."""
    if a.shape != b.shape:
        given = f"{first} has shape {tuple(a.shape)} and {second} {tuple(b.shape)}"
        raise ValueError(f"{given}; they are expected to have the same shape")
    if a.dtype != b.dtype:
        raise TypeError(f"{first} has dtype {a.dtype} and {second} {b.dtype}; expected the same")


def finite(name: str, value: Tensor, shape: Sequence[int | str] | None = None) -> None:
    """Refuse what `floats` refuses, NaN and infinity."""
    floats(name, value, shape)
    # The range has a NaN where there is one, and is found in one reading.
    if value.numel() and not torch.stack(value.detach().aminmax()).isfinite().all():
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} holds {bad} values that are NaN or infinite; expected none")


def positive(name: str, value: Tensor) -> None:
    """Refuse zero, negative numbers, NaN and infinity."""
    finite(name, value)
    if not (value > 0).all():
        raise ValueError(f"{name} must be > 0 everywhere; its smallest value is {value.min():.3g}")


def unit_interval(name: str, value: Tensor) -> None:
    """Refuse values outside [0, 1]."""
    # One reading finds both, as the data may be large.
    lo, hi = value.detach().aminmax() if value.numel() else (0.0, 1.0)
    if not (lo >= 0 and hi <= 1):
        finite(name, value)
        raise ValueError(f"{name} has values in [{lo:.3g}, {hi:.3g}]; expected in [0, 1] ({GREY})")


def binary(name: str, value: Tensor) -> None:
    """Refuse anything but zeros and ones."""
    if not ((value == 0) | (value == 1)).all():
        raise ValueError(
            f"{name} has values in [{value.min():.3g}, {value.max():.3g}] that are not 0 or 1; a "
            "Bernoulli decoder describes binary pixels: binarise grey images first "
            "(vaelib.data.binarise, or fit(..., binarise=True))"
        )


def count(name: str, value: object, at_least: int = 1) -> int:
    """Refuse what is not a whole number of at least `at_least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    number = int(value.__index__())
    if number < at_least:
        raise ValueError(f"{name} is {number}; expected at least {at_least}")
    return number


def number(name: str, value: object, above: float = -math.inf) -> float:
    """Refuse what is not a finite number greater than `above`."""
    if isinstance(value, Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not (above < float(value) < math.inf):
        bound = "" if above == -math.inf else f" above {above:g}"
        raise ValueError(f"{name} is {float(value):g}; expected a finite number{bound}")
    return float(value)


def as_tensors(**values: Tensor | float) -> list[Tensor]:
    """Numbers and float tensors as tensors of one dtype on one device, in the order given."""
    tensors = [v for v in values.values() if isinstance(v, Tensor)]
    for name, v in values.items():
        if isinstance(v, Tensor):
            floats(name, v)
        elif isinstance(v, bool) or not isinstance(v, Real):
            raise TypeError(f"{name} must be a number or a tensor of floats, not {v!r}")
    dtypes = {t.dtype for t in tensors if t.ndim} or {t.dtype for t in tensors}
    if len(dtypes) > 1:
        given = ", ".join(f"{n}: {v.dtype}" for n, v in values.items() if isinstance(v, Tensor))
        raise TypeError(f"tensors of different dtypes ({given}); expected one dtype")
    dtype = dtypes.pop() if dtypes else torch.float64
    device = tensors[0].device if tensors else None
    return [torch.as_tensor(v, dtype=dtype, device=device) for v in values.values()]
