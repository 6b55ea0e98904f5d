"""Every figure of numbers at any scale, of every kind of array: a picture, or a clear refusal."""

import math

import numpy as np
import pytest
from covered import about
from drawn import few, locations, ordinary, refused, tensors
from hypothesis import given
from hypothesis import strategies as st

from vaelib import plots

numbers = ordinary | locations | st.just(math.nan)
sizes = st.integers(1, 9)
names = st.lists(
    st.text("abcσβ<>&^{}%", min_size=1, max_size=6), min_size=1, max_size=8, unique=True
)


@st.composite
def arrays(draw, shape, elements=numbers):
    """Numbers as a tensor, as NumPy's or as nested lists."""
    t = draw(tensors(elements, shape))
    kind = draw(st.sampled_from(["tensor", "numpy", "list"]))
    plain = t.detach().double()
    return {"tensor": t, "numpy": plain.numpy(), "list": plain.tolist()}[kind]


def shown(figure) -> None:
    assert figure.alt and figure.png().startswith(b"\x89PNG")


def words(draw, n):
    return draw(st.lists(st.text("abc β", max_size=5), min_size=n, max_size=n))


@about("plots.AltFigure", "plots.AltFigure.png", "plots.AltFigure.alt")
@given(st.sampled_from([None, 3, ["alt"]]) | st.text(max_size=3))
def test_words_for_a_figure(alt):
    if isinstance(alt, str):
        assert plots.AltFigure(alt).alt == alt.strip() or not alt.strip()
        assert plots.AltFigure(alt).alt.strip()
    else:
        refused(lambda: plots.AltFigure(alt), "alt")


@about("plots.image_grid")
@few(2)
@given(st.data())
def test_image_grid(data):
    rows, cols, h, w = (data.draw(st.integers(1, 4)) for _ in range(4))
    images = data.draw(arrays((rows, cols, h, w)))
    shown(plots.image_grid(images, words(data.draw, rows), words(data.draw, cols)))
    refused(lambda: plots.image_grid(images, ["a"] * (rows + 1)), "row_labels")
    refused(lambda: plots.image_grid(images, None, ["a"] * (cols + 1)), "col_labels")
    refused(lambda: plots.image_grid(np.zeros((2, 3, 3))), "images")


@about("plots.manifold")
@few(2)
@given(st.data(), st.integers(1, 4))
def test_manifold(data, n):
    images, quantiles = data.draw(arrays((n, n, 3, 3))), data.draw(arrays((n,), ordinary))
    shown(plots.manifold(images, quantiles, ("a", "b")))
    refused(lambda: plots.manifold(images, [*range(n + 1)], ("a", "b")), "quantiles")


@about("plots.curves", "plots.label_lines")
@few(2)
@given(st.data(), st.integers(1, 3), names, sizes, st.booleans())
def test_curves(data, n_panels, lines, n, own_places):
    panels = {f"p{i}": {name: data.draw(arrays((n,))) for name in lines} for i in range(n_panels)}
    x = data.draw(arrays((n,), ordinary)) if own_places else None
    shown(plots.curves(panels, x=x))
    refused(lambda: plots.curves({"p": {"line": [0.0] * n}}, x=[0.0] * (n + 1)), "line")


@about("plots.ladder")
@few(2)
@given(st.dictionaries(st.sampled_from("abcdefghij"), locations, min_size=1))
def test_ladder(values):
    shown(plots.ladder(values))
    shown(plots.ladder({name: np.float64(v) for name, v in values.items()}))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rungs_that_have_no_place_are_refused(bad):
    refused(lambda: plots.ladder({"IW-5": 1.0, "ELBO": bad}), "ELBO")


@about("plots.table")
@few(2)
@given(st.data(), st.integers(1, 5), st.integers(1, 5))
def test_table(data, rows, cols):
    values = data.draw(arrays((rows, cols)))
    shown(plots.table(values, ["r"] * rows, ["c"] * cols, "title", (0, 1)))
    refused(lambda: plots.table(values, ["r"] * rows, ["c"] * (cols + 1)), "col_labels")


@about("plots.scatter")
@few(2)
@given(st.data(), sizes, st.integers(1, 3))
def test_scatter(data, n, n_factors):
    factors = {f"f{i}": data.draw(arrays((n,))) for i in range(n_factors)}
    points = data.draw(arrays((n, 2), ordinary | st.just(math.nan)))  # on axes of one scale
    shown(plots.scatter(points, factors, ("a", "b")))
    refused(lambda: plots.scatter(np.zeros((n, 2)), {"f": [0.0] * (n + 1)}, ("", "")), "f:")
    refused(lambda: plots.scatter(np.zeros((n, 3)), {"f": [0.0] * n}, ("", "")), "points")
    refused(lambda: plots.scatter(np.full((n, 2), 1e20), {"f": [0.0] * n}, ("", "")), "points")


@about("plots.against")
@few(2)
@given(st.data(), sizes, names, names, st.sampled_from(["", "x", "y", "xy"]))
def test_against(data, n, lines, points, log):
    predicted = {name: data.draw(arrays((n,))) for name in lines}
    errors = arrays((n,), st.floats(0, 3))
    measured = {name: (data.draw(arrays((n,))), data.draw(errors)) for name in points}
    x = data.draw(arrays((n,), st.floats(1e-3, 1e3)))
    shown(plots.against(x, predicted, measured, "x", "y", log))
    refused(lambda: plots.against(x, {"line": [0.0] * (n + 1)}, {}, "", ""), "line")


@about("plots.jensen")
@few(2)
@given(st.data(), sizes)
def test_jensen(data, n):
    t = np.linspace(-3, 3, 50)
    points = data.draw(st.lists(ordinary, min_size=n, max_size=n))
    weights = data.draw(arrays((n,), st.floats(0, 1)))
    shown(plots.jensen((t, t**2), (points, [p**2 for p in points]), weights, t))
    refused(lambda: plots.jensen((t, t), (points, points), [[1.0]]), "weights")


EMPTY = {
    "images": lambda e: plots.image_grid(np.zeros((0, 0, 3, 3))),
    "images of nothing": lambda e: plots.image_grid(np.zeros((1, 1, 0, 0))),
    "manifold": lambda e: plots.manifold(np.zeros((0, 0, 3, 3)), e, ("", "")),
    "no panels": lambda e: plots.curves({}),
    "no values": lambda e: plots.curves({"p": {"line": e}}),
    "ladder": lambda e: plots.ladder({}),
    "table": lambda e: plots.table(np.zeros((0, 2)), [], ["a", "b"]),
    "scatter": lambda e: plots.scatter(np.zeros((0, 2)), {"f": e}, ("", "")),
    "no factors": lambda e: plots.scatter(np.zeros((1, 2)), {}, ("", "")),
    "against": lambda e: plots.against(e, {"line": e}, {}, "", ""),
    "jensen": lambda e: plots.jensen(([0.0], [0.0]), (e, e), e),
}


@pytest.mark.parametrize("name", EMPTY)
def test_figures_of_nothing_are_refused(name):
    refused(lambda: EMPTY[name](np.zeros(0)), "empty")


@pytest.mark.parametrize("bad", ["text", [1j], [None], ["a"]], ids=str)
def test_what_is_no_array_of_numbers_is_refused(bad):
    refused(lambda: plots.curves({"p": {"line": bad}}), "line")
