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

Shape = Sequence[int | str]
# What brings images to another layout, tried in this order; the last one makes colour grey.
LAYOUTS = ("", ".unsqueeze(1)", "[None]", ".squeeze(1)", ".movedim(-1, 1)", ".mean(1)")


def floats(
    name: str, value: object, shape: Shape | None = None, dtype: torch.dtype | None = None
) -> None:
    """Refuse what is not a floating-point tensor of `shape` and `dtype`, where they are given.

    A name in `shape` stands for any size, and "..." for any number of leading dimensions. Sizes
    after "N" or "B" are an image's: the refusal then gives the code that makes such images.
    """
    error: type[Exception] = TypeError
    if not isinstance(value, Tensor):
        given = f"{name} must be a torch tensor of floats, not {type(value).__name__}"
    elif not value.is_floating_point():
        given = f"{name} has dtype {value.dtype}; floats are expected"
    elif shape is not None and not _fits(value.shape, shape):
        error = ValueError
        expected = str(tuple(shape)).replace("'", "")
        given = f"{name} has shape {tuple(value.shape)}; expected {expected}"
    elif dtype is not None and value.dtype != dtype:
        given = f"{name} has dtype {value.dtype}; expected {dtype}"
    else:
        return
    images = shape is not None and len(shape) > 2 and shape[0] in ("N", "B")
    sizes = [n for n in shape or () if images and isinstance(n, int)]
    raise error(given + _advice(name, value, tuple(sizes), images, dtype))


def _fits(sizes: Sequence[int], shape: Shape) -> bool:
    wanted = [size for size in shape if size != "..."]
    if "..." in shape:
        sizes = sizes[max(0, len(sizes) - len(wanted)) :]
    same = [isinstance(w, str) or w == size for w, size in zip(wanted, sizes, strict=False)]
    return len(sizes) == len(wanted) and all(same)


def _advice(
    name: str, value: Any, sizes: tuple[int, ...], unit: bool, dtype: torch.dtype | None = None
) -> str:
    """What to type: code that makes of `value` a tensor of (N, *sizes), with `unit` in [0, 1]."""
    try:
        code, values = _as_tensor(name, value, dtype or torch.float32)
        if sizes:
            code = _laid_out(code, values.shape, sizes)
        uint8 = "uint8" in str(values.dtype)
        if unit or uint8:
            code = _in_unit_interval(code, float(values.min()), float(values.max()), uint8)
    except Exception:  # for what nobody has thought of, what is expected has to do
        return ""
    return "" if code == name else f": say {code}"


def _as_tensor(name: str, value: Any, dtype: torch.dtype) -> tuple[str, Any]:
    """Code for a tensor of that dtype, and the values of the examples, or of the first one."""
    if isinstance(value, torch.utils.data.DataLoader):
        name, value = f"{name}.dataset", value.dataset
    if isinstance(value, Tensor):
        cast = ".float()" if dtype == torch.float32 else f".to({dtype})"
        return name + (cast if value.dtype != dtype else ""), value
    code, values = name, value
    if not isinstance(value, np.ndarray):
        with torch.random.fork_rng(devices=[]):  # of a data set that draws random numbers
            item = value[0]
        pair = isinstance(item, tuple | list) and not isinstance(item[0], Real | list)
        code = f"[np.asarray({name}[i]{'[0]' if pair else ''}) for i in range(len({name}))]"
        values = np.asarray(item[0] if pair else item)[None]
    if isinstance(value, list | tuple):  # whose items may be of different sizes
        values = np.array([np.asarray(item[0] if pair else item) for item in value])
    return f'torch.tensor(np.array({code}, "{str(dtype).removeprefix("torch.")}"))', values


def _laid_out(code: str, shape: Sequence[int], sizes: tuple[int, ...]) -> str:
    """The code, brought to (N, *sizes): each layout is tried on a tensor that has no memory."""
    given = torch.empty(tuple(shape), device="meta")
    for layout in (*LAYOUTS, f".unflatten(1, {sizes})"):
        with contextlib.suppress(RuntimeError, ValueError, IndexError):
            if eval(f"given{layout}", {"given": given}).shape[1:] == sizes:
                return code + layout
    raise ValueError("these are no such images")


def _in_unit_interval(code: str, lo: float, hi: float, uint8: bool) -> str:
    """The code, brought from [lo, hi] to [0, 1]; a sharp filter leaves its range by a little."""
    if -0.1 <= lo and hi <= 1.1:
        return code if 0 <= lo and hi <= 1 else f"{code}.clamp(0, 1)"
    if -1.2 <= lo and hi <= 1.2:
        return f"(({code} + 1) / 2).clamp(0, 1)"
    if lo < 0 or hi > 65535:
        raise ValueError("these are no grey values")
    # What is not as 8 or 16 bits make it may be digits from 0 to 16, or percents.
    top = 255 if uint8 or 100 < hi <= 255 else 65535 if hi > 255 else math.ceil(hi)
    return f"{code} / {top}"


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
        raise TypeError(f"{name} must be a whole number, not {value!r}") from None
    if number < at_least:
        raise ValueError(f"{name} is {number}; expected at least {at_least}")
    return number


def number(name: str, value: object, above: float = -math.inf) -> float:
    """Refuse what is not a finite number greater than `above`."""
    if isinstance(value, Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}")
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond all floats
        number = math.inf
    if not (above < number < math.inf):
        bound = "" if above == -math.inf else f" above {above:g}"
        raise ValueError(f"{name} is {number:g}; expected a finite number{bound}")
    return number


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
