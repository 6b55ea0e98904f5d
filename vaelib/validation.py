"""Argument checks, written once: each error says what was given, what was expected, what to do."""

import contextlib
import math
import operator
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

Sizes = Sequence[int | str]
DType = torch.dtype | None
# What brings images to another layout, tried in this order; `mean` makes colour grey.
LAYOUTS = ("", ".unsqueeze(1)", "[None]", ".squeeze(1)", ".movedim(-1, 1)", ".mean(1)")
# What brings a range of grey values to [0, 1]; sharp filters leave it by a little. {top} is that of
# digits from 0 to 16, or of percents.
RANGES = {
    (0, 1): "{code}",
    (-0.1, 1.1): "{code}.clamp(0, 1)",
    (-1.2, 1.2): "(({code} + 1) / 2).clamp(0, 1)",
    (0, 100): "{code} / {top}",
    (0, 255): "{code} / 255",
    (0, 65535): "{code} / 65535",
}


def floats(name: str, value: object, shape: Sizes | None = None, dtype: DType = None) -> None:
    """Refuse what is not a floating-point tensor of `shape` and `dtype`, where they are given.

    A name in `shape` stands for any size, and "..." for any number of leading dimensions. Sizes
    after "N" or "B" are an image's: the refusal then gives the code that makes such images.
    """
    error: type[Exception] = TypeError
    if isinstance(value, Tensor) and value.layout != torch.strided:
        raise TypeError(f"{name} is a sparse tensor; expected a dense one: say {name}.to_dense()")
    if not isinstance(value, Tensor):
        fault = f"must be a torch tensor of floats, not {type(value).__name__}"
    elif not value.is_floating_point():
        fault = f"has dtype {value.dtype}; floats are expected"
    elif shape is not None and not _fits(value.shape, shape):
        error = ValueError
        expected = str(tuple(shape)).replace("'", "")
        fault = f"has shape {tuple(value.shape)}; expected {expected}"
    elif dtype not in (None, value.dtype):
        fault = f"has dtype {value.dtype}; expected {dtype}"
    else:
        return
    images = shape is not None and len(shape) > 2 and shape[0] in ("N", "B")
    sizes = tuple(n for n in shape or () if images and isinstance(n, int))
    raise error(f"{name} {fault}{_advice(name, value, sizes, images, dtype or torch.float32)}")


def _fits(sizes: Sizes, shape: Sizes) -> bool:
    wanted = [size for size in shape if size != "..."]
    if "..." in shape:
        sizes = sizes[max(0, len(sizes) - len(wanted)) :]
    pairs = zip(wanted, sizes, strict=False)
    return len(sizes) == len(wanted) and all(w == n or isinstance(w, str) for w, n in pairs)


def _advice(name: str, value: Any, sizes: Sizes, unit: bool, dtype: torch.dtype) -> str:
    """What to type: code that makes of `value` a tensor of (N, *sizes), with `unit` in [0, 1]."""
    code = name
    with contextlib.suppress(Exception):  # for what nobody has thought of, there is no advice
        if isinstance(value, torch.utils.data.DataLoader):
            code, value = f"{code}.dataset", value.dataset
        if not isinstance(value, Tensor):
            code, value = _as_tensor(code, value, dtype)
        elif value.dtype != dtype:
            code += f".to({dtype})"
        if sizes:
            ways = (*LAYOUTS, f".unflatten(1, {sizes})")
            code += next(way for way in ways if _shape(value, way) == sizes)
        uint8 = "uint8" in str(value.dtype)
        if unit or uint8:
            lo, hi = float(value.min()), float(value.max())
            form = next(form for (a, b), form in RANGES.items() if a <= lo and hi <= b)
            code = form.format(code=code, top=255 if uint8 else math.ceil(hi))
        return "" if code == name else f": say {code}"
    return ""


def _as_tensor(code: str, value: Any, dtype: torch.dtype) -> tuple[str, np.ndarray]:
    """Code for a tensor of that dtype, and the values of the examples, or of the first one."""
    if not isinstance(value, np.ndarray):
        with torch.random.fork_rng(devices=[]):  # of a data set that draws random numbers
            some = value if isinstance(value, list | tuple) else [value[0]]
        pairs = isinstance(some[0], tuple | list) and not isinstance(some[0][0], Real | list)
        code = f"[np.asarray({code}[i]{'[0]' if pairs else ''}) for i in range(len({code}))]"
        value = np.array([np.asarray(item[0] if pairs else item) for item in some])
    return f'torch.tensor(np.array({code}, "{str(dtype).removeprefix("torch.")}"))', value


def _shape(value: Any, layout: str) -> Sizes | None:
    """The shape of each example in that layout, found on a tensor that has no memory."""
    with contextlib.suppress(RuntimeError, ValueError, IndexError):
        given = torch.empty(tuple(value.shape), device="meta")
        return tuple(eval(f"given{layout}", {"given": given}).shape[1:])
    return None


def finite(name: str, value: Tensor, shape: Sizes | None = None, dtype: DType = None) -> None:
    """Refuse what `floats` refuses, NaN and infinity."""
    floats(name, value, shape, dtype)
    # The range has a NaN where there is one, and is found in one reading.
    if value.numel() and not torch.stack(value.detach().aminmax()).isfinite().all():
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} holds {bad} values that are NaN or infinite; expected none")


def positive(name: str, value: Tensor) -> None:
    """Refuse zero, negative numbers, NaN and infinity."""
    finite(name, value)
    if not (value > 0).all():
        raise ValueError(f"{name} must be > 0 everywhere; its smallest value is {value.min():.3g}")


def unit_interval(name: str, value: Tensor, low: int = 0) -> None:
    """Refuse values outside [0, 1], or outside [−1, 1] where `low` is −1."""
    # One reading finds both, as the data may be large.
    lo, hi = value.detach().aminmax() if value.numel() else (0.0, 1.0)
    if not (lo >= low and hi <= 1):
        finite(name, value)
        given = f"{name} has values in [{lo:.3g}, {hi:.3g}]; expected in [{low}, 1]"
        raise ValueError(given + _advice(name, value, (), low == 0, value.dtype))


def binary(name: str, value: Tensor) -> None:
    """Refuse anything but zeros and ones."""
    if not ((value == 0) | (value == 1)).all():
        given = f"{name} has values in [{value.min():.3g}, {value.max():.3g}] that are not 0 or 1"
        advice = "binarise grey images (vaelib.data.binarise, or fit(..., binarise=True))"
        raise ValueError(f"{given}, the pixels of a Bernoulli decoder; {advice}")


def count(name: str, value: object, at_least: int = 1) -> int:
    """Refuse what is not a whole number of at least `at_least`."""
    try:
        number = operator.index(None if isinstance(value, bool) else value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {_short(value)}") from None
    if number < at_least:
        raise ValueError(f"{name} is {number}; expected at least {at_least}")
    return number


def number(name: str, value: object, above: float = -math.inf) -> float:
    """Refuse what is not a finite number greater than `above`."""
    if isinstance(value, Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {_short(value)}")
    with contextlib.suppress(OverflowError):  # of a whole number beyond all floats
        if above < float(value) < math.inf:
            return float(value)
    bound = "" if above == -math.inf else f" above {above:g}"
    raise ValueError(f"{name} is {value!s:.20}; expected a finite number{bound}")


def _short(value: object) -> str:
    """Its repr on one line, cut off where it is long."""
    return " ".join(repr(value).split())[:60]


def as_tensors(**values: Tensor | float) -> list[Tensor]:
    """Numbers and float tensors as tensors of one dtype on one device, in the order given."""
    tensors = {name: v for name, v in values.items() if isinstance(v, Tensor)}
    for name, v in values.items():
        (floats if name in tensors else number)(name, v)
    dtypes = {t.dtype for t in tensors.values() if t.ndim} or {t.dtype for t in tensors.values()}
    if len(dtypes) > 1:
        given = ", ".join(f"{name}: {t.dtype}" for name, t in tensors.items())
        raise TypeError(f"tensors of different dtypes ({given}); expected one dtype")
    dtype = next(iter(dtypes), torch.float64)
    device = next((t.device for t in tensors.values()), None)
    return [torch.as_tensor(v, dtype=dtype, device=device) for v in values.values()]
