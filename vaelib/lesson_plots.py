"""Figures of lessons 1 to 5, beside those of `plots`: arrays in, a figure with alt text out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context

from vaelib.plots import COLOURS, LINES, MARKERS, STYLE, AltFigure, _array


def against(
    x: Any,
    predicted: Mapping[str, Any],
    measured: Mapping[str, tuple[Any, Any]],
    alt: str,
    xlabel: str,
    ylabel: str,
    log: str = "x",
) -> AltFigure:
    """What is predicted at x (n,) as lines and what was measured there as points.

    `predicted` holds values (n,) a name; `measured` pairs (values, standard errors), (n,) each,
    drawn with bars of two standard errors. `log` names the logarithmic axes: "", "x", "y", "xy".
    Raises ValueError where a length differs from x's.
    """
    x = _array("x", x, 1)
    with rc_context(STYLE):
        figure = AltFigure(alt, (9.0, 4.4))
        ax = figure.subplots()
        for i, (name, values) in enumerate(predicted.items()):
            ax.plot(*_pair(name, x, values), color=COLOURS[i], linestyle=LINES[i], label=name)
        for i, (name, (values, errors)) in enumerate(measured.items()):
            ax.errorbar(
                *_pair(name, x, values),
                yerr=2 * _pair(name, x, errors)[1],
                color=COLOURS[i if len(predicted) == len(measured) else i + len(predicted)],
                fmt=MARKERS[i],
                markersize=7,
                capsize=4,
                label=name,
            )
        ax.set(
            xlabel=xlabel,
            ylabel=ylabel,
            xscale="log" if "x" in log else "linear",
            yscale="log" if "y" in log else "linear",
        )
        ax.legend(fontsize=11)
    return figure


def _pair(name: str, x: np.ndarray, values: Any) -> tuple[np.ndarray, np.ndarray]:
    values = _array(name, values, 1)
    if len(values) != len(x):
        raise ValueError(f"{name}: {len(values)} values for {len(x)} places x")
    return x, values


def jensen(
    curve: tuple[Any, Any],
    points: tuple[Any, Any],
    weights: Any,
    alt: str,
    tangent: Any = None,
    labels: tuple[str, str] = ("t", "f(t)"),
) -> AltFigure:
    """Weighted points on a curve, their mean, and the gap from it down to the curve.

    `curve` and `points` are (t, f(t)) pairs of arrays; `weights` sum to 1. The polygon through the
    points holds every mean that other weights could give. `tangent`, values at the curve's t, is
    the straight line that touches the curve below the mean.
    """
    t, f = map(np.asarray, curve)
    at, heights = map(np.asarray, points)
    weights = _array("weights", weights, 1)
    mean, height = float(weights @ at), float(weights @ heights)
    below, order = float(np.interp(mean, t, f)), np.argsort(at)
    with rc_context(STYLE):
        figure = AltFigure(alt, (9.0, 4.4))
        ax = figure.subplots()
        ax.plot(t, f, color=COLOURS[6], label=labels[1])
        if tangent is not None:
            ax.plot(t, np.asarray(tangent), color=COLOURS[2], linestyle="--", label="tangent")
        ax.fill(at[order], heights[order], color=COLOURS[5], alpha=0.25)
        around = np.append(order, order[0])
        ax.plot(at[around], heights[around], color=COLOURS[0], linewidth=1.2)
        ax.scatter(at, heights, s=40 + 500 * weights, color=COLOURS[0], zorder=3, label="points")
        ax.plot([mean, mean], [below, height], color=COLOURS[1], linewidth=4, label="gap")
        ax.plot(mean, height, "D", color=COLOURS[1], markersize=9, label="mean of the points")
        ax.set(xlabel=labels[0], ylabel=labels[1])
        ax.legend(fontsize=11)
    return figure


def histograms(
    panels: Mapping[str, Any], alt: str, truth: float, xlabel: str, limits: tuple[float, float]
) -> AltFigure:
    """One panel a name: how often each value in `limits` came up, and the truth as a line.

    The values (n,) beyond the limits are counted in the outermost bars.
    """
    edges = np.linspace(*limits, 81)
    with rc_context(STYLE):
        figure = AltFigure(alt, (9.0, 4.2))
        axes = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
        for i, (ax, (name, values)) in enumerate(zip(axes, panels.items(), strict=True)):
            inside = np.clip(_array(name, values, 1), *limits)
            ax.hist(inside, edges, density=True, color=COLOURS[i])
            ax.axvline(truth, color=COLOURS[6], linestyle="--", label="exact gradient")
            ax.set(title=name, xlabel=xlabel, yticks=[])
            ax.legend(fontsize=11, loc="upper right")
    return figure


def plane(
    extent: tuple[float, float, float, float],
    density: Any,
    curve: Any,
    alt: str,
    points: Any = None,
    axes: tuple[str, str] = ("x₁", "x₂"),
) -> AltFigure:
    """A density over the plane as shades, a curve (n, 2) in it, and points (N, 2) drawn from it.

    `density` (rows, columns) covers `extent` = (left, right, bottom, top), its first row at the
    bottom.
    """
    with rc_context(STYLE):
        figure = AltFigure(alt, (7.4, 6.0))
        ax = figure.subplots()
        shades = ax.imshow(
            _array("density", density, 2),
            extent=extent,
            origin="lower",
            cmap="Greys",
            interpolation="bilinear",
        )
        figure.colorbar(shades, ax=ax, label="density")
        if points is not None:
            x, y = _array("points", points, 2).T
            ax.scatter(x, y, s=7, color=COLOURS[0], label="draws")
        ax.plot(*_array("curve", curve, 2).T, color=COLOURS[1], linestyle="--", label="G(z)")
        ax.set(xlabel=axes[0], ylabel=axes[1], xlim=extent[:2], ylim=extent[2:])
        ax.legend(loc="lower center", ncols=2, fontsize=11)
    return figure


def bars(values: Mapping[str, float], alt: str, xlabel: str) -> AltFigure:
    """One horizontal bar a name, from the top, with its number to two significant digits."""
    names, lengths = list(values), [float(v) for v in values.values()]
    with rc_context(STYLE):
        figure = AltFigure(alt, (9.0, 0.62 * len(names) + 1.2))
        ax = figure.subplots()
        drawn = ax.barh(names, lengths, color=COLOURS[: len(names)], height=0.6)
        ax.bar_label(drawn, [f"{v:.2g}" for v in lengths], padding=6)
        ax.invert_yaxis()
        ax.set(xlabel=xlabel)
        ax.margins(x=0.12)
    return figure
