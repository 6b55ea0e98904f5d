"""A lab's static twin: the panels of the page, drawn by matplotlib from the same scene."""

import re
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes

from vaelib.plots import LINES, MARKERS, STYLE, SYMBOLS, AltFigure
from vaelib.widgets.labs.lab import Mark, Panel, say
from vaelib.widgets.labs.scene import Array, Scene

COLOURS = {name: text for name, (_, text, _) in SYMBOLS.items()} | {"ink": "#000000"}
LOOK: Any = {**STYLE, "hatch.linewidth": 0.8}


def draw(title: str, panels: Sequence[Panel], says: Sequence[str], scene: Scene) -> AltFigure:
    """One axes per panel; each mark is a line or a collection whose gid is the mark's key."""
    sentences = [say(template, scene.numbers) for template in says]
    alts = [say(panel.alt, scene.numbers) for panel in panels]
    with rc_context(LOOK):
        size = (4.3 * len(panels), 7.4 if any(panel.rows for panel in panels) else 6.2)
        figure = AltFigure(" ".join([f"{title}.", *alts, *sentences]), size)
        for ax, panel in zip(_axes(figure, panels), panels, strict=True):
            _panel(ax, panel, scene)
        wrapped = [line for text in sentences for line in textwrap.wrap(text, 36 * len(panels))]
        figure.supxlabel(_rich("\n".join(wrapped)), x=0.01, ha="left", fontsize=15)
    return figure


def _axes(figure: AltFigure, panels: Sequence[Panel]) -> list[Axes]:
    """Side by side; one with named rows is as wide as the others together, and under them."""
    small = [panel.key for panel in panels if not panel.rows]
    wide = [[panel.key] * len(small) for panel in panels if panel.rows]
    heights = [2.4, *[1] * len(wide)]
    layout: Any = [small, *wide]
    axes = figure.subplot_mosaic(layout, height_ratios=heights)
    return [axes[panel.key] for panel in panels]


def _rich(text: str) -> str:
    """p_θ, p_data, r^D and 10^2.8 with a real subscript or superscript, as the page has them."""

    def raised(match: re.Match[str]) -> str:
        what = {"θ": r"\theta", "data": r"\mathrm{data}"}.get(match[2], match[2])
        return f"${match[1]}{{{what}}}$"

    return re.sub(r"([_^])(θ|data|D|−?\d+(?:\.\d+)?)", raised, text)


def _panel(ax: Axes, panel: Panel, scene: Scene) -> None:
    for mark in panel.marks:
        artist = _mark(ax, mark, *scene.series[mark.key])
        artist.set_gid(mark.key)
        if mark.name:
            artist.set_label(_rich(say(mark.name, scene.numbers)))
    left, right, bottom, top = panel.limits or scene.limits[panel.key]
    ax.set(
        title=_rich(say(panel.title, scene.numbers)),
        xlabel=_rich(panel.xlabel),
        ylabel=_rich(panel.ylabel),
        xscale="log" if "x" in panel.log else "linear",
        yscale="log" if "y" in panel.log else "linear",
    )
    ax.set(xlim=(left, right), ylim=(bottom, top))
    if panel.equal:
        ax.set_aspect("equal")
    if "x" not in panel.ticks:
        ax.set_xticks([])
    if "y" not in panel.ticks:
        ax.set_yticks([])
    if panel.places:
        ax.set_xticks(*zip(*panel.places, strict=True))
    if panel.rows:
        at, names, _ = zip(*panel.rows, strict=True)
        ax.set_yticks(at, [say(name, scene.numbers) for name in names])
    if note := say(panel.note, scene.numbers):
        ax.text(0.5, 0.7, textwrap.fill(note, 20), ha="center", transform=ax.transAxes)
    if any(mark.name for mark in panel.marks):
        below = {"bbox_to_anchor": (0.5, -0.55), "ncols": 2} if panel.rows else {}
        place: Any = {"bbox_to_anchor": (0.5, -0.2), **below}
        ax.legend(loc="upper center", handlelength=1.6, **place)


def _mark(ax: Axes, mark: Mark, x: Array, y: Array, base: Array | None = None) -> Any:
    colour = COLOURS[mark.colour]
    if mark.kind == "points":
        return ax.plot(x, y, MARKERS[mark.look], color=colour, markersize=7, zorder=3)[0]
    if mark.kind == "area":
        fill = "none" if mark.hatch else f"{colour}59"
        hatch = ("///", "\\\\\\")[mark.look] if mark.hatch else None
        return ax.fill_between(
            x, y, 0.0 if base is None else base, facecolor=fill, edgecolor=colour, hatch=hatch
        )
    return ax.plot(x, y, color=colour, linestyle=LINES[mark.look], linewidth=mark.width)[0]
