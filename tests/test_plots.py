"""Figures: a picture and its alternative text, the same bytes every time, refusals by name."""

import ast
import base64
import re
from pathlib import Path

import numpy as np
import pytest

from vaelib import plots

RANDOM = np.random.default_rng(0)
FIGURES = {
    "image_grid": lambda: plots.image_grid(
        RANDOM.random((2, 3, 8, 8)), "Noise.", ["a", "b"], ["1", "2", "3"], "title"
    ),
    "manifold": lambda: plots.manifold(
        RANDOM.random((3, 3, 8, 8)), [-1.0, 0.0, 1.0], "Noise.", ("z₁", "z₂")
    ),
    "curves": lambda: plots.curves({"KL (nats)": {"a": [1, 2], "b": [3, 4]}}, "Two lines."),
    "ladder": lambda: plots.ladder({"ELBO": -2.0, "IW-5": -1.5}, "Two rungs.", truth=-1.0),
    "table": lambda: plots.table([[0.1, 0.9]], "A table.", ["z₁"], ["expression", "pose"]),
    "scatter": lambda: plots.scatter(
        RANDOM.normal(size=(9, 2)), {"pose": np.arange(9)}, "Dots.", ("z₁", "z₂")
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_shows_as_a_picture_with_its_alternative_text(name):
    data, metadata = FIGURES[name]()._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == metadata["image/png"]["alt"] != ""
    assert set(data) == {"image/png", "text/plain"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_drawn_twice_is_the_same(name):
    figure = FIGURES[name]()
    assert figure.png() == figure.png()


def test_the_same_figure_gives_the_same_bytes():
    images = np.linspace(0, 1, 64).reshape(1, 1, 8, 8)
    assert plots.image_grid(images, "x").png() == plots.image_grid(images, "x").png()


def test_every_public_function_is_drawn_here():
    source = Path(plots.__file__).read_text(encoding="utf-8")
    public = {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)}
    assert {n for n in public if not n.startswith("_")} == set(FIGURES)


def test_neither_torch_nor_pyplot_is_imported():
    source = Path(plots.__file__).read_text(encoding="utf-8")
    assert not re.search(r"^\s*(import|from) .*(torch|pyplot)", source, re.MULTILINE)


def test_colour_is_never_alone():
    figure = plots.curves({"KL": {name: [1, 2] for name in "abcdefg"}}, "Seven lines.")
    lines = figure.axes[0].get_lines()
    looks = [{line.get_color() for line in lines}, {str(line.get_marker()) for line in lines}]
    looks.append({str(line._dash_pattern) for line in lines})
    assert [len(look) for look in looks] == [7, 7, 7]


def test_texts_are_readable_on_a_projector():
    for make in FIGURES.values():
        figure = make()
        figure.png()
        sizes = [t.get_fontsize() for ax in figure.axes for t in ax.findobj(match=_is_text)]
        assert min(sizes) >= 11


def _is_text(artist):
    return hasattr(artist, "get_fontsize") and hasattr(artist, "get_text") and artist.get_text()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.AltFigure("  "), "alt is empty"),
        (lambda: plots.image_grid(np.zeros((2, 8, 8)), "x"), r"3 dimensions \(2, 8, 8\).* 4"),
        (lambda: plots.image_grid(np.zeros((2, 1, 8, 8)), "x", ["a"]), "1 row_labels .* needs 2"),
        (lambda: plots.manifold(np.zeros((2, 3, 8, 8)), [0, 1], "x", ("a", "b")), "not a square"),
        (lambda: plots.curves({"KL": {"a": [1, 2]}}, "x", x=[1, 2, 3]), "2 values for 3 places"),
        (lambda: plots.table([[1.0]], "x", ["a"], ["b", "c"]), "2 col_labels given; .* needs 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
