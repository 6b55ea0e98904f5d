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


def test_against_draws_predictions_as_lines_and_measurements_as_points_with_two_errors():
    x, line, error = np.array([1.0, 10.0, 100.0]), np.array([3.0, 2.0, 1.0]), np.full(3, 0.1)
    figure = lesson_plots.against(
        x, {"exact": line}, {"measured": (line + 1, error)}, "A line, points.", "K", "nats", "xy"
    )
    ax = figure.axes[0]
    assert np.array_equal(ax.lines[0].get_xydata(), np.stack([x, line], 1))
    points, _, (bars,) = ax.containers[0].lines
    assert np.array_equal(points.get_ydata(), line + 1)
    low, high = np.array(bars.get_segments())[:, :, 1].T
    assert np.allclose(low, line + 0.8) and np.allclose(high, line + 1.2)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_legend().get_texts()[0].get_text() == "exact"


def test_against_refuses_another_number_of_values_than_places():
    with pytest.raises(ValueError, match="exact: 2 values for 3 places"):
        lesson_plots.against(np.arange(3), {"exact": np.zeros(2)}, {}, "A line.", "K", "nats")


def test_jensen_puts_the_gap_between_the_mean_of_the_points_and_the_curve():
    t = np.linspace(-2, 2, 401)
    figure = lesson_plots.jensen(
        (t, t**2), ([1.0, -1.0], [1.0, 1.0]), [0.75, 0.25], "A parabola.", tangent=t - 0.25
    )
    drawn = {line.get_label(): line for line in figure.axes[0].lines}
    assert np.allclose(drawn["gap"].get_xydata(), [[0.5, 0.25], [0.5, 1.0]])
    assert np.allclose(drawn["mean of the points"].get_xydata(), [[0.5, 1.0]])
    assert np.allclose(drawn["tangent"].get_ydata(), t - 0.25)


def test_histograms_count_what_lies_beyond_in_the_outermost_bars():
    figure = lesson_plots.histograms(
        {"wide": np.array([-50.0, 0.01, 50.0])}, "A histogram.", 0.0, "estimate", (-4.0, 4.0)
    )
    ax = figure.axes[0]
    heights = np.array([bar.get_height() for bar in ax.patches])
    assert np.flatnonzero(heights).tolist() == [0, 40, 79]
    assert np.isclose((heights * 0.1).sum(), 1)
