"""Drawn faces and binarised pixels: the range, the symmetry, the probabilities, the refusals."""

import math
import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from covered import about
from drawn import few, refused, seeds, shapes, tensors, wrong
from hypothesis import given
from hypothesis import strategies as st

from vaelib import data, faces

unit = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 1e-30])
factors = st.floats(-1, 1)
KNOWN = ("faces", "digits", "mnist", "mnist_sample")


@about("faces.render")
@few(5)
@given(st.data(), st.integers(8, 20))
def test_faces(draw, size):
    shape = draw.draw(st.sampled_from([(), (1,), (2,), (0,), (2, 2)]))
    e, p = (draw.draw(tensors(factors, draw.draw(st.sampled_from([shape, ()])))) for _ in range(2))
    picture = faces.render(e, p, size)
    assert picture.shape == (*torch.broadcast_shapes(e.shape, p.shape), size, size)
    assert picture.dtype == torch.float32 and ((picture >= 0) & (picture <= 1)).all()
    mirrored = faces.render(e.detach(), -p.detach(), size)
    torch.testing.assert_close(mirrored, picture.flip(-1), rtol=0, atol=1e-5)
    numbers = e.detach().double().numpy(), p.detach().double().numpy()
    assert torch.equal(faces.render(*numbers, size), picture)


@given(tensors(factors, (2,)), st.data())
def test_wrong_factors_are_refused(e, data):
    bad = dict(wrong(e))
    del bad["numpy"], bad["list"]
    value = data.draw(st.sampled_from([*bad.values(), 2.0, -1.5, math.nan, [1.0, "a"], 1j, True]))
    refused(lambda: faces.render(value, 0.0, 8), "expression")
    refused(lambda: faces.render(0.0, value, 8), "pose")
    size = data.draw(st.sampled_from([7, 0, -8, 8.5, None, "8", True]))
    refused(lambda: faces.render(0.0, 0.0, size), "size")


@about("data.binarise")
@given(tensors(unit, shapes), seeds)
def test_binarised_pixels(x, seed):
    one, two = (data.binarise(x, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(one, two) and one.shape == x.shape and one.dtype == x.dtype
    assert ((one == 0) | (one == 1)).all() and not one.requires_grad
    assert (one[x.detach() == 0] == 0).all() and (one[x.detach() == 1] == 1).all()
    if x.numel():
        for name, bad in wrong(x).items():
            refused(lambda b=bad: data.binarise(b), "x")
            assert name
        refused(lambda: data.binarise(x + 1.1), "x")


def test_a_rare_pixel_is_rare_in_every_dtype():
    """P(u < 0.001) with u on a grid of 1/256 is 1/256."""
    for dtype in (torch.float16, torch.bfloat16):
        x = torch.full((100_000,), 1e-3, dtype=dtype)
        rate = data.binarise(x, torch.Generator().manual_seed(1)).float().mean().item()
        assert rate == pytest.approx(x[0].item(), abs=5 * (1e-3 / 100_000) ** 0.5)


@about("data.load", "data.shipped", "data.DataError", "data.Data")
@given(st.text(max_size=6).filter(lambda t: t not in KNOWN) | st.none() | st.integers())
def test_names_of_nothing_are_refused(name):
    refused(lambda: data.load(name), repr(name))
    with pytest.raises(data.DataError):
        data.shipped(f"{name}.nothing")


@about("data.cache_folder")
@given(st.text(st.characters(exclude_characters="\0~", exclude_categories=["Cs"]), min_size=1))
def test_the_cache_is_where_the_environment_says(name):
    with mock.patch.dict(os.environ, VAELIB_DATA=f"/{name}"):
        assert data.cache_folder() == Path(f"/{name}")


def test_numpys_numbers_are_factors():
    assert faces.render(np.float32(0.5), np.float64(0.5), 8).shape == (8, 8)
