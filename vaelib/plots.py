"""Figures of the lessons: arrays in, a figure with alternative text out; no model and no torch.

Screen readers speak the alternative text and strict notebook tests compare it, so it has no digits
that differ between processors. A lesson gives it in the cell's metadata; without one, the figure
says what is drawn in it.
"""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Circle

# Okabe and Ito's colours, which colour-blind readers can tell apart; lines and markers differ too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# The colours of the symbols: of areas and lines, of text on white (and still legible on
# JupyterLab's dark ground), of text on the site's dark ground. Areas of "gap" are hatched.
SYMBOLS = {
    "enc": ("#0072B2", "#0062C4", "#6CB8F5"),  # the encoder, q, φ, μ
    "sig": ("#56B4E9", "#007A99", "#9BE3F0"),  # σ
    "eps": ("#CC79A7", "#A6418A", "#E39AC6"),  # the noise ε
    "code": ("#009E73", "#00814E", "#3CC79B"),  # the code z
    "dec": ("#D55E00", "#BF3A2A", "#FF8A47"),  # the decoder, p(x|z), θ, x̂
    "gap": ("#E69F00", "#866200", "#F7C948"),  # KL and gaps
    "prior": ("#6E6E6E", "#636363", "#BDBDBD"),  # the prior p(z)
}
TEXT_COLOURS = {line: text for line, text, _ in SYMBOLS.values()}
# 15 points of 100 pixels an inch: still 14 pt on a slide of 1280 × 720 that shrinks a figure a bit.
STYLE: Any = {"font.size": 15, "axes.titlesize": 16, "legend.fontsize": 15, "lines.linewidth": 2.4}
STYLE |= {"axes.grid": True, "grid.alpha": 0.3}
STYLE |= dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False)
Names = Sequence[str] | None
Lines = Mapping[str, Any]  # name: values (n,)
XY = tuple[Any, Any]
Z = ("$z_1$", "$z_2$")


class AltFigure(Figure):
    """A matplotlib figure that shows as the value of a cell and carries its alternative text.

    Without `alt`, the text is `kind`, then the titles, axes and names of what is drawn.
    """

    def __init__(self, alt: str = "", size: XY = (9.0, 4.0), kind: str = "A plot") -> None:
        if not isinstance(alt, str):
            raise TypeError(f"alt is {alt!r}; expected a sentence that says what is to be seen")
        super().__init__(figsize=size, dpi=100)
        self.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)  # inches
        self.given = alt.strip()
        self.kind = kind

    @property
    def alt(self) -> str:
        """The alternative text; of mathematics without its marks."""
        drawn = [_described(ax) for ax in self.axes if ax.get_label() != "<colorbar>"]
        text = "; ".join(filter(None, (self.kind, *drawn))) + "."
        return self.given or re.sub(r"\\(mathrm|mathbf|mid|,)|[${}\\]", "", text)

    def png(self) -> bytes:
        """The picture; the same bytes every time for the same figure."""
        file = io.BytesIO()
        with rc_context(STYLE):
            self.savefig(file, format="png", metadata={"Software": None})
        # The layout is found; to search for it again would move the colour bars.
        self.set_layout_engine("none")
        return file.getvalue()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        data = {"image/png": base64.b64encode(self.png()).decode(), "text/plain": self.alt}
        pictures = any(ax.images for ax in self.axes)
        return data, {"image/png": {"alt": self.alt, "kind": "pictures" if pictures else "chart"}}


def _described(ax: Any) -> str:
    """The title, the axes and the named lines, points and areas of one panel."""
    artists = (*ax.lines, *ax.collections, *ax.containers)
    names = [str(a.get_label()) for a in artists if not str(a.get_label()).startswith("_")]
    what = " over ".join(filter(None, (ax.get_title(), ax.get_ylabel(), ax.get_xlabel())))
    return f"{what}, with {', '.join(names)}" if any(names) else what


def label_lines(ax: Any) -> None:
    """Name each line at its right end, in its colour; where ends are close, in a legend there."""
    ax.autoscale_view()
    to_panel = ax.transData + ax.transAxes.inverted()
    lines = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    ends = [to_panel.transform(line.get_xydata()[-1])[1] for line in lines]
    if np.diff(np.sort(ends)).min(initial=1) < 0.09:  # of the panel's height, between two names
        ax.legend(handles=lines, loc="center left", bbox_to_anchor=(1, 0.5))
        return
    for line, end in zip(lines, ends, strict=True):
        colour = TEXT_COLOURS.get(line.get_color(), COLOURS[6])
        ax.text(1.02, end, line.get_label(), c=colour, va="center", transform=ax.transAxes)


def _axes(size: XY, n: int = 1, share: str = "", kind: str = "A plot", **ax: Any) -> Any:
    """A figure of a size in inches, and its n axes from left to right, all with these settings."""
    if n == 0:
        raise ValueError("panels is empty; expected one or more")
    figure = AltFigure("", size, kind)
    shared: Any = {"sharex": "x" in share, "sharey": "y" in share}
    return figure, figure.subplots(1, n, squeeze=False, subplot_kw=ax, **shared)[0]


def _array(name: str, values: Any, dims: int, x: Any = None) -> np.ndarray:
    """The values as an array of `dims` dimensions; x are the places that they belong to."""
    if hasattr(values, "detach"):  # a tensor, which NumPy takes without gradient, and no bfloat16
        values = values.detach().cpu().double()
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} holds {array.dtype}; expected numbers")
    if array.ndim != dims:
        raise ValueError(f"{name} has {array.ndim} dimensions {array.shape}; it must have {dims}")
    if array.size == 0:
        raise ValueError(f"{name} is empty, {array.shape}; expected one number or more")
    if x is not None and len(array) != len(x):
        raise ValueError(f"{name}: {len(array)} values for {len(x)} places x")
    return array


def _labels(name: str, labels: Names, n: int) -> Sequence[str]:
    """The n labels, which are empty by default."""
    if labels is not None and len(labels) != n:
        raise ValueError(f"{len(labels)} {name} given; the array needs {n}")
    return labels or [""] * n


@rc_context(STYLE)
def image_grid(images: Any, row_labels: Names = None, col_labels: Names = None) -> AltFigure:
    """Rows of grey pictures (R, C, H, W) in [0, 1], labelled on the left and above."""
    images = _array("images", images, 4)
    rows, cols = images.shape[:2]
    side = min(1.1, 8.5 / cols)
    width = side * cols + 1.6 * bool(row_labels)
    height = side * rows + 0.2 + 0.3 * bool(col_labels)
    figure = AltFigure("", (width, height), f"Pictures in a grid, {rows} × {cols}")
    bare = {"xticks": [], "yticks": [], "frame_on": False}
    axes = figure.subplots(rows, cols, squeeze=False, subplot_kw=bare)
    for place, ax in np.ndenumerate(axes):
        ax.imshow(images[place], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for ax, label in zip(axes[0], _labels("col_labels", col_labels, cols), strict=True):
        ax.set_title(label, fontsize=15)
    for ax, label in zip(axes[:, 0], _labels("row_labels", row_labels, rows), strict=True):
        ax.set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


@rc_context(STYLE)
def manifold(images: Any, quantiles: Any, labels: XY = Z) -> AltFigure:
    """A square of pictures (n, n, H, W), decoded at z = (rows, columns), side by side.

    `quantiles` (n,) are the values of z along both axes, `labels` the names of the two.
    """
    images = _array("images", images, 4)
    quantiles = _array("quantiles", quantiles, 1)
    n, cols, height, width = images.shape
    if n != cols or n != len(quantiles):
        raise ValueError(f"{n} × {cols} pictures and {len(quantiles)} quantiles: not a square")
    mosaic = images.transpose(0, 2, 1, 3).reshape(n * height, n * width)
    kind = f"Pictures in a square, {n} × {n}"
    figure, (ax,) = _axes((7.4, 7.0), kind=kind, ylabel=labels[0], xlabel=labels[1])
    ax.imshow(mosaic, cmap="gray", vmin=0, vmax=1)
    ax.grid(visible=False)
    ticks = [f"{z:+.1f}" for z in quantiles]
    ax.set_xticks((np.arange(n) + 0.5) * width - 0.5, ticks)
    ax.set_yticks((np.arange(n) + 0.5) * height - 0.5, ticks)
    return figure


@rc_context(STYLE)
def curves(
    panels: Mapping[str, Lines], xlabel: str = "epoch", x: Any = None, share: str = ""
) -> AltFigure:
    """One panel per quantity, `{"KL (nats)": {"β = 1": values, …}, …}`, one line per name.

    The values stand at the places `x` (n,), by default at 1, …, n. `share` names the axes, "x", "y"
    or "xy", that have the same scale in all panels.
    """
    n = len(panels)
    figure, axes = _axes((9.0 if n < 3 else 4.0 * n, 4.2), n, share, xlabel=xlabel)
    for ax, (quantity, lines) in zip(axes, panels.items(), strict=True):
        for i, (name, values) in enumerate(lines.items()):
            values = _array(name, values, 1, x)
            at = np.arange(len(values)) + 1 if x is None else _array("x", x, 1)
            look = {"color": COLOURS[i % 7], "linestyle": LINES[i % 7]}
            look["marker"] = MARKERS[i % 7] if x is None else ""  # a curve over x is no data
            ax.plot(at, values, markevery=max(1, len(values) // 8), label=name, **look)
        ax.set_title(quantity)
    once = len({tuple(lines) for lines in panels.values()}) == 1  # the same names in all panels
    for ax in axes[-1:] if once else axes:
        if len(ax.lines) > 1:
            label_lines(ax)
    return figure


@rc_context(STYLE)
def ladder(bounds: Mapping[str, float]) -> AltFigure:
    """Bounds of log p(x) in nats, one rung for each from the bottom."""
    values = _array("bounds", [float(value) for value in bounds.values()], 1)
    if not np.isfinite(values).all():
        raise ValueError(f"the bounds are {dict(bounds)}; expected finite numbers")
    figure, (ax,) = _axes((9.0, 0.7 * len(values) + 1.2), xlabel="nats per picture")
    ax.plot(values, range(len(values)), "o-", color=COLOURS[0], markersize=10)
    for i, value in enumerate(values):
        ax.annotate(f"{value:.1f}", (value, i), (0, 9), textcoords="offset points", ha="center")
    ax.set_yticks(range(len(values)), [*bounds])
    ax.set(ylim=(-0.5, len(values) - 0.3), xmargin=0.12)
    return figure


@rc_context(STYLE)
def table(
    values: Any,
    row_labels: Names = None,
    col_labels: Names = None,
    title: str = "",
    limits: XY = (0, 1),
) -> AltFigure:
    """A table (R, C) as shades with the number in each cell, e.g. |Spearman| of z with factors."""
    values = _array("values", values, 2)
    rows, cols = values.shape
    kind = f"A table of {', '.join([*(row_labels or []), *(col_labels or [])])}"
    figure, (ax,) = _axes((1.7 * cols + 2.2, 0.62 * rows + 1.2), kind=kind, title=title)
    shades = ax.imshow(values, "Blues", vmin=limits[0], vmax=limits[1], aspect="auto")
    ax.grid(visible=False)
    for (r, c), value in np.ndenumerate(values):
        colour = "w" if shades.norm(value) > 0.55 else "k"
        ax.text(c, r, f"{value:.2f}", ha="center", va="center", color=colour)
    ax.set_xticks(range(cols), _labels("col_labels", col_labels, cols))
    ax.set_yticks(range(rows), _labels("row_labels", row_labels, rows))
    return figure


@rc_context(STYLE)
def scatter(points: Any, factors: Lines, axes: XY = Z) -> AltFigure:
    """Points (N, 2) in one panel per factor (N,), which shades them from dark (low) to light."""
    points = _array("points", points, 2)
    if points.shape[1] != 2:
        raise ValueError(f"points has shape {points.shape}; expected (N, 2)")
    if (most := np.nanmax(abs(points), initial=0)) > 1e9:
        raise ValueError(f"points has values up to {most:g}; expected codes, at most 1e9")
    n = len(factors)
    figure, panels = _axes((4.5 * n, 4.2), n, share="xy")
    for ax, (name, values) in zip(panels, factors.items(), strict=True):
        dots = ax.scatter(*points.T, c=_array(name, values, 1, points), cmap="cividis", s=9)
        ax.set(title=name, xlabel=axes[0], ylabel=axes[1], aspect="equal")
        figure.colorbar(dots, ax=ax)
    return figure


@rc_context(STYLE)
def against(
    x: Any, predicted: Lines, measured: Lines, xlabel: str = "", ylabel: str = "", log: str = "x"
) -> AltFigure:
    """What is predicted at x (n,) as lines and what was measured there as points.

    `predicted` gives values (n,) under each name, `measured` a pair (values, standard errors),
    drawn with bars of two standard errors; the same names stand at the ends of the lines. `log`
    names the logarithmic axes: "", "x", "y", "xy".
    Raises ValueError where a length differs from x's.
    """
    x = _array("x", x, 1)
    figure, (ax,) = _axes((9.0, 4.4), xlabel=xlabel, ylabel=ylabel)
    for i, (name, values) in enumerate(predicted.items()):
        line: Any = {"color": COLOURS[i % 7], "linestyle": LINES[i % 7], "label": name}
        ax.plot(x, _array(name, values, 1, x), **line)
    first = 0 if len(predicted) == len(measured) else len(predicted)
    for i, (name, (values, errors)) in enumerate(measured.items()):
        look: Any = {"color": COLOURS[(first + i) % 7], "fmt": MARKERS[i % 7], "capsize": 4}
        bars = 2 * _array(name, errors, 1, x)
        ax.errorbar(x, _array(name, values, 1, x), bars, label=name, markersize=7, **look)
    ax.set(**{f"{axis}scale": "log" for axis in log})
    label_lines(ax) if [*measured] == [*predicted] else ax.legend()
    return figure


@rc_context(STYLE)
def jensen(
    curve: XY, points: XY, weights: Any, tangent: Any = None, labels: XY = ("t", "f")
) -> AltFigure:
    """Weighted points on a curve, their mean, and the gap from it down to the curve.

    `curve` and `points` are pairs (t, f(t)) of arrays; `weights` sum to 1. The shaded polygon holds
    every mean that other weights could give. `tangent` holds a line's values at the curve's t.
    """
    weights = _array("weights", weights, 1)
    at, heights = (_array("points", values, 1, weights) for values in points)
    mean = weights @ at
    height = weights @ heights
    around = np.append(np.argsort(at), np.argmin(at))  # and back to the first
    figure, (ax,) = _axes((9.0, 4.4), xlabel=labels[0], ylabel=labels[1])
    ax.plot(*curve, color=COLOURS[6], label=labels[1])
    if tangent is not None:
        ax.plot(curve[0], tangent, color=COLOURS[2], linestyle="--", label="tangent")
    ax.fill(at[around], heights[around], color=COLOURS[5], alpha=0.25)
    ax.plot(at[around], heights[around], color=COLOURS[0], linewidth=1.2)
    ax.scatter(at, heights, s=40 + 500 * weights, color=COLOURS[0], zorder=3, label="points")
    gap = [np.interp(mean, *curve), height]
    ax.plot([mean, mean], gap, color=COLOURS[1], linewidth=4, label="gap")
    ax.plot(mean, height, "D", color=COLOURS[1], markersize=9, label="mean of the points")
    ax.legend()
    return figure


@rc_context(STYLE)
def graphical_model(encoder: bool = False) -> AltFigure:
    """The model z → x, x shaded because it is observed; with `encoder`, q from x back to z."""
    kind = "An arrow from the latent z to the observed x, which is shaded"
    kind += ", and a dashed arrow, the encoder, back from x to z" * encoder
    figure, (ax,) = _axes((6.0, 2.6), kind=kind, xlim=(-1.1, 4.1), ylim=(-1, 1), aspect=1)
    ax.axis("off")
    bend = 0.3 * encoder
    look: Any = {"shrinkA": 41, "shrinkB": 41, "connectionstyle": f"arc3,rad=-{bend}", "lw": 2.4}
    colours = {name: text for name, (_, text, _) in SYMBOLS.items()} | {"data": COLOURS[6]}
    arrows = [(0, 3, "-", "dec"), (3, 0, "--", "enc")]
    for start, end, line, name in arrows[: 1 + encoder]:
        arrow = {"arrowstyle": "-|>", "ls": line, "color": colours[name], **look}
        ax.annotate("", (end, 0), (start, 0), arrowprops=arrow)
    for at, fill in ((0, "w"), (3, "#D9D9D9")):
        ax.add_patch(Circle((at, 0), 0.5, facecolor=fill, edgecolor="k", linewidth=2))
    texts: Any = [(0, 0, 24, "$z$", "code"), (3, 0, 24, "$x$", "data")]
    texts += [(-0.8, 0, 16, "$p(z)$", "prior")]
    texts += [(1.5, 0.35 + bend, 16, r"$p_\theta(x \mid z)$", "dec")]
    texts += [(1.5, -0.35 - bend, 16, r"$q_\phi(z \mid x)$", "enc")] * encoder
    for x, y, size, text, name in texts:
        ax.text(x, y, text, c=colours[name], ha="center", va="center", size=size)
    return figure
