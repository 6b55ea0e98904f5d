"""The values that the explorer takes: each function returns the value to store, or raises."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from traitlets import TraitError

from vaelib import validation
from vaelib.data import Data
from vaelib.models import VAE


def code(value: Any, dims: int) -> list[float]:
    """z: a list of finite numbers, one per dimension, from a list, an array or a tensor."""
    if hasattr(value, "tolist"):  # a tensor or an array
        value = value.tolist()
    if not isinstance(value, list | tuple) or len(value) != dims:
        given = f"{len(value)} numbers" if isinstance(value, list | tuple) else repr(value)
        raise TraitError(f"z is {given}; expected {dims} numbers, one a dimension")
    try:
        numbers = [float(number) for number in value]
    except (TypeError, ValueError):
        raise TraitError(f"z is {value!r}; expected {dims} numbers") from None
    if not all(math.isfinite(number) for number in numbers):
        raise TraitError(f"z is {numbers}; expected finite numbers, no NaN")
    return numbers


def image(name: str, value: Any, count: int) -> int:
    """The number of an image: a whole number from 0 to count − 1."""
    if count == 0:
        raise TraitError(
            f"{name} is {value!r} but the explorer was made without data; "
            "expected LatentExplorer(vae, data)"
        )
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TraitError(f"{name} is {value!r}; expected a whole number or None")
    if not 0 <= int(value) < count:
        raise TraitError(f"{name} is {value}; expected 0 to {count - 1}")
    return int(value)


def dimensions(name: str, value: Any, dims: int, count: int | None = None) -> list[int]:
    """Different dimensions, 0 to dims − 1; exactly `count` of them if it is given."""
    wanted = "" if count is None else f"{count} "
    expected = f"expected a list of {wanted}different dimensions, 0 to {dims - 1}"
    value = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(value, list | tuple | set | frozenset):
        raise TraitError(f"{name} is {value!r}; {expected}")
    numbers = sorted(value) if isinstance(value, set | frozenset) else [*value]
    for number in numbers:
        whole = hasattr(number, "__index__") and not isinstance(number, bool)
        if not whole or not 0 <= int(number) < dims:
            raise TraitError(f"{name} is {value!r}; {expected}")
    found = [int(number) for number in numbers]
    if len(set(found)) < len(found) or (count is not None and len(found) != count):
        raise TraitError(f"{name} is {value!r}; {expected}")
    return found


def one_of(name: str, value: Any, known: Sequence[str]) -> str:
    """One of a few words."""
    if value not in known:
        raise TraitError(f"{name} is {value!r}; expected one of {[*known]}")
    return str(value)


def images(vae: VAE, data: Data | Tensor | None) -> Tensor | None:
    """The images to start from, or None."""
    if data is None:
        return None
    given = data.test if isinstance(data, Data) else data
    validation.floats("data", given, ("N", *vae.shape))
    validation.unit_interval("data", given)
    if not len(given):
        raise ValueError("data holds no images; expected at least 1, or None")
    return given


def drawable(shape: tuple[int, ...]) -> None:
    """Refuse a model whose examples are not pictures."""
    if len(shape) != 2 and not (len(shape) == 3 and shape[0] in (1, 3)):
        raise ValueError(
            f"the model's examples have shape {tuple(shape)}; the explorer draws pictures: "
            "expected (H, W), (1, H, W) or (3, H, W)"
        )
