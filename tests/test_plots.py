"""Figures: a picture and its alternative text, the same bytes every time, refusals by name."""

import ast
import base64
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from vaelib import plots

RANDOM = np.random.default_rng(0)
LINE = np.array([1.0, 2.0, 4.0])
FIGURES = {
    "image_grid": lambda: plots.image_grid(
        RANDOM.random((2, 3, 8, 8)), ["a", "b"], ["1", "2", "3"]
    ),
    "manifold": lambda: plots.manifold(RANDOM.random((3, 3, 8, 8)), [-1.0, 0.0, 1.0], ("z₁", "z₂")),
    "curves": lambda: plots.curves({"KL (nats)": {"a": [1, 2], "b": [3, 4]}}),
    "ladder": lambda: plots.ladder({"ELBO": -2.0, "IW-5": -1.5}),
    "table": lambda: plots.table([[0.1, 0.9]], ["z₁"], ["expression", "pose"]),
    "scatter": lambda: plots.scatter(
        RANDOM.normal(size=(9, 2)), {"pose": np.arange(9)}, ("z₁", "z₂")
    ),
    "against": lambda: plots.against(
        LINE, {"exact": LINE}, {"measured": (LINE, LINE / 9)}, "K", "nats"
    ),
    "jensen": lambda: plots.jensen(
        (LINE, LINE**2), ([1.0, 4.0], [1.0, 16.0]), [0.5, 0.5], tangent=LINE
    ),
    "graphical_model": lambda: plots.graphical_model(True),
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
    assert plots.image_grid(images).png() == plots.image_grid(images).png()


def test_every_public_function_is_drawn_here():
    source = Path(plots.__file__).read_text(encoding="utf-8")
    public = {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)}
    assert {n for n in public if not n.startswith("_")} == {*FIGURES, "label_lines"}


def test_neither_torch_nor_pyplot_is_imported():
    source = Path(plots.__file__).read_text(encoding="utf-8")
    assert not re.search(r"^\s*(import|from) .*(torch|pyplot)", source, re.MULTILINE)


def test_colour_is_never_alone():
    figure = plots.curves({"KL": {name: [1, 2] for name in "abcdefg"}})
    lines = figure.axes[0].get_lines()
    looks = [{line.get_color() for line in lines}, {str(line.get_marker()) for line in lines}]
    looks.append({str(line._dash_pattern) for line in lines})
    assert [len(look) for look in looks] == [7, 7, 7]


def test_texts_are_readable_on_a_projector():
    for make in FIGURES.values():
        figure = make()
        figure.png()
        sizes = [t.get_fontsize() for ax in figure.axes for t in ax.findobj(match=_is_text)]
        assert min(sizes) >= 14.5  # at 1280 × 720, where 100 pixels an inch are shown 1 : 1


def _is_text(artist):
    return hasattr(artist, "get_fontsize") and hasattr(artist, "get_text") and artist.get_text()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.image_grid(np.zeros((2, 8, 8))), r"3 dimensions \(2, 8, 8\).* 4"),
        (lambda: plots.image_grid(np.zeros((2, 1, 8, 8)), ["a"]), "1 row_labels .* needs 2"),
        (lambda: plots.manifold(np.zeros((2, 3, 8, 8)), [0, 1], ("a", "b")), "not a square"),
        (lambda: plots.curves({"KL": {"a": [1, 2]}}, x=[1, 2, 3]), "2 values for 3 places"),
        (lambda: plots.table([[1.0]], ["a"], ["b", "c"]), "2 col_labels given; .* needs 1"),
        (lambda: plots.curves({"KL": {"a": [[1, 2]]}}), r"a has 2 dimensions \(1, 2\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_without_a_text_a_figure_says_what_is_drawn():
    lines = {r"$\beta = 1$": [1, 2], "test": [3, 4]}
    assert plots.curves({"KL (nats)": lines}, xlabel=r"$\mathrm{epoch}$").alt == (
        "A plot; KL (nats) over epoch, with beta = 1, test."
    )
    grid = plots.image_grid(np.zeros((2, 3, 8, 8)))
    assert grid.alt.startswith("Pictures in a grid, 2 × 3")
    assert plots.graphical_model().alt == (
        "An arrow from the latent z to the observed x, which is shaded."
    )


@pytest.mark.parametrize(("name", "kind"), [("image_grid", "pictures"), ("curves", "chart")])
def test_a_page_is_told_whether_a_figure_holds_pictures(name, kind):
    """A chart gets a dark twin, pictures must not be turned over."""
    _, metadata = FIGURES[name]()._repr_mimebundle_()
    assert metadata["image/png"]["kind"] == kind


# ---------------------------------------------------------------- what each figure draws


def test_lines_are_named_at_their_ends_in_their_colours():
    figure = plots.curves({"KL": {"a": [0, 1.0], "b": [5, 4], "c": [0, 9]}})
    ax = figure.axes[0]
    assert ax.get_legend() is None
    names = {text.get_text(): text for text in ax.texts}
    heights = [names[name].get_position()[1] for name in "abc"]
    assert np.diff(heights).min() >= 0.09 and heights[2] > 0.9
    texts = [text for _, text, _ in plots.SYMBOLS.values()]
    assert [names[name].get_color() in texts for name in "abc"] == [True] * 3


def test_lines_whose_ends_are_close_are_named_in_a_legend_that_shows_their_dashes():
    ax = plots.curves({"density": {"p": [0, 5, 0], "q": [0, 1, 0.01]}}, x=[0, 1, 2]).axes[0]
    assert not ax.texts
    drawn = ax.get_legend().get_lines()
    assert [line.get_linestyle() for line in drawn] == ["-", "--"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["p", "q"]


def test_panels_with_the_same_lines_name_them_once():
    same = plots.curves({k: {"a": [1, 2], "b": [2, 3]} for k in ("x", "y")})
    assert [len(ax.texts) for ax in same.axes] == [0, 2]
    other = plots.curves({"x": {"a": [1, 2], "b": [2, 3]}, "y": {"c": [1, 2], "d": [2, 3]}})
    assert [len(ax.texts) for ax in other.axes] == [2, 2]


def test_panels_that_are_compared_share_a_scale():
    panels = {"x": {"": [1, 2]}, "y": {"": [10, 20]}}
    alone, shared = (plots.curves(panels, share=s).axes for s in ("", "y"))
    assert alone[0].get_ylim() != alone[1].get_ylim()
    assert shared[0].get_ylim() == shared[1].get_ylim()


def test_against_draws_predictions_as_lines_and_measurements_as_points_with_two_errors():
    x, line, error = np.array([1.0, 10.0, 100.0]), np.array([3.0, 2.0, 1.0]), np.full(3, 0.1)
    figure = plots.against(x, {"exact": line}, {"measured": (line + 1, error)}, "K", "nats", "xy")
    ax = figure.axes[0]
    assert np.array_equal(ax.lines[0].get_xydata(), np.stack([x, line], 1))
    points, _, (bars,) = ax.containers[0].lines
    assert np.array_equal(points.get_ydata(), line + 1)
    low, high = np.array(bars.get_segments())[:, :, 1].T
    assert np.allclose(low, line + 0.8) and np.allclose(high, line + 1.2)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_legend().get_texts()[0].get_text() == "exact"


def test_against_names_lines_at_their_ends_where_points_have_the_same_names():
    points = {name: (LINE, LINE / 9) for name in ("first", "second")}
    ax = plots.against(LINE, {"first": LINE, "second": LINE / 2}, points).axes[0]
    assert ax.get_legend() is None
    assert [text.get_text() for text in ax.texts] == ["first", "second"]


def test_against_refuses_another_number_of_values_than_places():
    with pytest.raises(ValueError, match="exact: 2 values for 3 places"):
        plots.against(np.arange(3), {"exact": np.zeros(2)}, {}, "K", "nats")


def test_jensen_puts_the_gap_between_the_mean_of_the_points_and_the_curve():
    t = np.linspace(-2, 2, 401)
    figure = plots.jensen((t, t**2), ([1.0, -1.0], [1.0, 1.0]), [0.75, 0.25], tangent=t - 0.25)
    drawn = {line.get_label(): line for line in figure.axes[0].lines}
    assert np.allclose(drawn["gap"].get_xydata(), [[0.5, 0.25], [0.5, 1.0]])
    assert np.allclose(drawn["mean of the points"].get_xydata(), [[0.5, 1.0]])
    assert np.allclose(drawn["tangent"].get_ydata(), t - 0.25)


def test_curves_take_tensors_too():
    values = torch.linspace(0, 1, 5)
    line = plots.curves({"KL": {"": values}}).axes[0].lines[0]
    assert line.get_xdata().tolist() == [1, 2, 3, 4, 5]
    assert line.get_ydata().tolist() == values.tolist()
