"""The checks of arguments accept exactly what they say."""

import math
from decimal import Decimal

import numpy as np
import torch
from covered import about
from drawn import refused, shapes, tensors, wrong
from hypothesis import assume, given
from hypothesis import strategies as st

from vaelib import validation

any_float = st.floats(width=64)
things = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    any_float,
    st.text(max_size=3),
    st.complex_numbers(),
    st.fractions(),
    st.sampled_from([np.int8(3), np.float32(2.5), np.bool_(True), Decimal(1), [1], 10**400]),
    st.sampled_from([torch.tensor(2), torch.tensor(2.5), torch.ones(2), torch.tensor(True)]),
)


def accepts(check, *arguments) -> bool:
    try:
        check("thing", *arguments)
    except (TypeError, ValueError) as error:
        assert "thing" in str(error)
        return False
    return True


@about("validation.floats", "validation.finite", "validation.positive")
@about("validation.unit_interval", "validation.binary")
@given(tensors(any_float.map(lambda v: 0.0 if math.isnan(v) else v), shapes))
def test_ranges(t):
    values = t.detach().double().reshape(-1).tolist()
    assert accepts(validation.floats, t)
    assert accepts(validation.finite, t)
    assert accepts(validation.positive, t) == all(v > 0 for v in values)
    assert accepts(validation.unit_interval, t) == all(0 <= v <= 1 for v in values)
    assert accepts(validation.binary, t) == all(v in (0, 1) for v in values)
    if not values:
        return
    for name, bad in wrong(t).items():
        for check in (validation.finite, validation.positive):
            refused(lambda c=check, b=bad: c("thing", b), "thing")
        if "inf" in name or name == "nan":
            refused(lambda b=bad: validation.unit_interval("thing", b), "thing")
            refused(lambda b=bad: validation.binary("thing", b), "thing")


@given(shapes, shapes)
def test_shapes(shape, wanted):
    t = torch.zeros(shape)
    assert accepts(validation.floats, t, wanted) == (shape == wanted)
    names = tuple("ABC"[: len(wanted)])
    assert accepts(validation.floats, t, names) == (len(shape) == len(wanted))
    tail = ("...", *wanted)
    assert accepts(validation.floats, t, tail) == (shape[len(shape) - len(wanted) :] == wanted)


@about("validation.count")
@given(things, st.integers(-3, 3))
def test_count(thing, least):
    assume(not isinstance(thing, torch.Tensor) or thing.dtype == torch.int64)
    whole = isinstance(thing, int | np.integer) and not isinstance(thing, bool)
    whole |= isinstance(thing, torch.Tensor) and thing.dtype == torch.int64
    if accepts(validation.count, thing, least):
        assert whole and int(thing) >= least
        assert validation.count("thing", thing, least) == thing
    else:
        assert not whole or int(thing) < least


def real(thing) -> bool:
    """Whether it is a finite number, as Python, NumPy and torch have them."""
    if isinstance(thing, torch.Tensor):
        return thing.ndim == 0 and thing.dtype != torch.bool
    if isinstance(thing, bool | complex | np.bool_ | Decimal | str | list) or thing is None:
        return False
    if isinstance(thing, int) and abs(thing) > 1e308:
        return False
    return math.isfinite(thing)


@about("validation.number")
@given(things.filter(lambda t: not isinstance(t, int) or abs(t) < 1e300), st.floats(-3, 3))
def test_number(thing, above):
    wanted = real(thing) and thing > above
    assert accepts(validation.number, thing, above) == wanted
    if wanted:
        assert validation.number("thing", thing, above) == float(thing)


@about("validation.as_tensors")
@given(
    st.lists(
        st.floats(-9, 9) | st.integers(-9, 9) | tensors(st.floats(-9, 9)), min_size=1, max_size=3
    )
)
def test_numbers_and_tensors_together(given):
    names = {f"a{i}": value for i, value in enumerate(given)}
    shaped = {t.dtype for t in given if isinstance(t, torch.Tensor) and t.ndim}
    lone = {t.dtype for t in given if isinstance(t, torch.Tensor)}
    dtypes = shaped or lone or {torch.float64}
    if len(dtypes) > 1:
        refused(lambda: validation.as_tensors(**names), "a0", "a1")
        return
    got = validation.as_tensors(**names)
    assert {t.dtype for t in got} == dtypes
    for t, value in zip(got, given, strict=True):
        assert torch.equal(t, torch.as_tensor(value, dtype=t.dtype))


def test_a_whole_number_beyond_all_floats():
    refused(lambda: validation.number("thing", 10**400), "thing")


def test_a_tensor_that_is_no_count():
    refused(lambda: validation.count("thing", torch.tensor(2.5)), "thing")
