"""The lessons' own figures: what is drawn is what was given, and a wrong array is refused."""

import numpy as np
import pytest

from vaelib import lesson_plots


def test_plane_draws_density_curve_and_points_where_they_are():
    density, curve, points = np.arange(12.0).reshape(3, 4), np.eye(2), np.array([[0.5, -1.0]])
    figure = lesson_plots.plane((-2.0, 2.0, -3.0, 3.0), density, curve, "A shaded plane.", points)
    ax = figure.axes[0]
    assert np.array_equal(ax.images[0].get_array(), density)
    assert ax.images[0].get_extent() == [-2, 2, -3, 3] and ax.images[0].origin == "lower"
    assert np.array_equal(ax.lines[0].get_xydata(), curve)
    assert np.array_equal(ax.collections[0].get_offsets(), points)
    assert figure.alt == "A shaded plane."


def test_plane_refuses_a_curve_of_the_wrong_shape():
    with pytest.raises(ValueError, match="curve has 1 dimensions"):
        lesson_plots.plane((0.0, 1.0, 0.0, 1.0), np.zeros((2, 2)), np.zeros(4), "A plane.")


def test_bars_have_the_lengths_given_from_the_top_with_their_numbers():
    figure = lesson_plots.bars({"first": 0.123, "second": 2.0}, "Two bars.", "nats")
    ax = figure.axes[0]
    assert [bar.get_width() for bar in ax.patches] == [0.123, 2.0]
    assert [text.get_text() for text in ax.texts] == ["0.12", "2"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]
    assert ax.yaxis_inverted()
