"""What the properties draw: tensors of every dtype and layout, extremes, and wrong inputs."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
WIDE = (torch.float32, torch.float64)

shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
full_shapes = st.lists(st.integers(1, 3), max_size=3).map(tuple)
ordinary = st.floats(-3, 3)
# Log-uniform, with the ends that the issue names.
magnitudes = st.floats(-30, 30).map(lambda e: 10.0**e) | st.sampled_from([1e-30, 1.0, 1e30])
locations = ordinary | st.tuples(magnitudes, st.sampled_from([-1, 1])).map(math.prod) | st.just(0.0)
log_sigmas = ordinary | st.floats(-700, 700) | st.sampled_from([-700.0, -88.0, -1e-8, 0.0, 300.0])
seeds = st.integers(0, 2**40)


@st.composite
def tensors(draw, elements, shape=full_shapes, dtypes=DTYPES) -> Tensor:
    """A tensor whose numbers are in the range of its dtype; its memory may have gaps."""
    shape = shape if isinstance(shape, tuple) else draw(shape)
    dtype = draw(st.sampled_from(dtypes)) if isinstance(dtypes, tuple) else dtypes
    n = math.prod(shape)
    values = draw(st.lists(elements, min_size=n, max_size=n))
    most = torch.finfo(dtype).max
    plain = torch.tensor(values, dtype=torch.float64).clamp(-most, most).to(dtype).reshape(shape)
    layout = draw(st.sampled_from(["plain", "gaps", "transposed", "gradient"]))
    if layout == "gaps":  # a NaN between any two numbers
        return torch.stack([plain, torch.full_like(plain, math.nan)], -1)[..., 0]
    if layout == "transposed" and len(shape) > 1:
        return plain.transpose(0, -1).contiguous().transpose(0, -1)
    return plain.clone().requires_grad_(layout == "gradient")


def wrong(good: Tensor) -> dict[str, Any]:
    """What no function takes in place of this tensor; it has at least one number."""
    plain = good.detach().clone(memory_format=torch.contiguous_format)
    spoilt = {name: plain.clone() for name in ("nan", "inf", "-inf")}
    for name, tensor in spoilt.items():
        tensor.view(-1)[-1] = float(name)
    other = {"int": plain.new_zeros(plain.shape, dtype=torch.int64), "bool": plain > 0}
    other |= {"complex": plain.to(torch.complex64), "numpy": np.zeros(tuple(plain.shape))}
    return spoilt | other | {"list": [0.0], "None": None, "text": "0"}


def refused(call: Callable[[], Any], *names: str) -> None:
    """The call raises TypeError or ValueError, in one line that names the argument."""
    with pytest.raises((TypeError, ValueError)) as error:
        call()
    said = str(error.value)
    assert any(name in said for name in names) and said.count("\n") == 0, said


def few(n: int, of: int = 25) -> Any:
    """For slow properties: n examples where others have 25, and as many more in `thorough`."""
    return settings(max_examples=max(1, settings.default.max_examples * n // of))
