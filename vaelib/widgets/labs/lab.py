"""What every lab is: traits for its controls, a pure function of them, and two ways to draw it.

A lab defines its panels and its text once, in Python; the page and the static twin draw the same
marks from the same numbers. Its computation is written twice, here and in the page
(`static/labs/`), so that a slider's move never waits for the kernel; tests hold them together.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar

import traitlets

from vaelib.plots import AltFigure
from vaelib.widgets import bundle
from vaelib.widgets.base import Widget
from vaelib.widgets.bundle import Export
from vaelib.widgets.labs.controls import Control
from vaelib.widgets.labs.scene import Limits, Scene

STYLES = ("lecture", "labs/lab")


@dataclass(frozen=True)
class Mark:
    """A series drawn as a "line", an "area" (down to its base, or to 0) or "points".

    `colour` is that of a symbol, a key of `plots.SYMBOLS`, or "ink". `look` chooses the dashes and
    the shape of points, an area may be hatched and a line has its width, so that colour is never
    the only difference. Without a name it is not in the legend.
    """

    key: str
    name: str = ""
    kind: str = "line"
    colour: str = "ink"
    look: int = 0
    hatch: bool = False
    width: float | int = 2.4


@dataclass(frozen=True)
class Panel:
    """A plot: its axes, its marks, and in `alt` a description (a template, as the title is).

    `limits` is (left, right, bottom, top), or None where the scene gives them under `key`. `log`
    and `ticks` name the axes that are logarithmic and that have numbers; `places` are the numbers
    of an x axis of its own scale, each with its text, and `rows` names on the y axis (templates),
    each with its colour. Axes that are `equal` have the same scale. A panel in which nothing can
    be seen in some states says why in `note`, a template too.
    """

    key: str
    title: str
    xlabel: str
    ylabel: str
    marks: tuple[Mark, ...]
    alt: str
    limits: Limits | None = None
    log: str = ""
    ticks: str = "xy"
    places: tuple[tuple[float, str], ...] = ()
    rows: tuple[tuple[float, str, str], ...] = ()
    equal: bool = False
    note: str = ""


@dataclass(frozen=True)
class Preset:
    """A state worth showing, and the sentence that a lecturer says with it."""

    says: str
    state: dict[str, Any]


def say(template: str, numbers: Mapping[str, Any]) -> str:
    """The template with its numbers: "{kl:3}" with three decimals, "{k}" as it is.

    >>> say("KL = {kl:2} nats at N = {n}", {"kl": -0.504, "n": 5})
    'KL = −0.50 nats at N = 5'
    """

    def fill(match: re.Match[str]) -> str:
        value = numbers[match[1]]
        digits = match[2]
        if digits is None:
            return str(value)
        # Half up, as the page rounds: two texts of one number must not differ.
        text = Decimal(abs(value)).quantize(Decimal(1).scaleb(-int(digits)), ROUND_HALF_UP)
        return f"−{text}" if value < 0 and text else str(text)

    return re.sub(r"\{(\w+)(?::(\d))?\}", fill, template)


class Lab(Widget):
    """The base of the labs; a lab adds its controls, `title`, `panels`, `says` and `compute`.

    The first panel is the large one. `presets` are the five states of lecture mode.
    """

    title: ClassVar[str]
    panels: ClassVar[tuple[Panel, ...]]
    says: ClassVar[tuple[str, ...]]
    presets: ClassVar[tuple[Preset, ...]]
    widest: ClassVar[str] = "−00"  # the whole part of a number of the text, at its longest
    compute: ClassVar[Callable[..., Scene]]

    _css = bundle.symbols(".vaelib-lab") + bundle.style("base", *STYLES)
    spec = traitlets.Dict().tag(sync=True)

    def __init__(self, **state: Any) -> None:
        unknown = set(state) - set(self.controls())
        if unknown:
            given = ", ".join(sorted(unknown))
            known = ", ".join(self.controls())
            raise TypeError(f"{type(self).__name__} has no {given}; it has {known}")
        spec = {
            "title": self.title,
            "controls": [control.describe() for control in self.controls().values()],
            "panels": [asdict(panel) for panel in self.panels],
            "says": list(self.says),
            "widest": self.widest,
            "presets": [self._complete(preset) for preset in self.presets],
        }
        super().__init__(spec=spec, **state)

    @classmethod
    def controls(cls) -> dict[str, Control]:
        """The controls by name, in the order in which the page has them."""
        # Looked for in all bases, since anywidget makes a new class for each widget.
        found = (pair for base in reversed(cls.__mro__) for pair in vars(base).items())
        return {name: trait for name, trait in found if isinstance(trait, Control)}

    @classmethod
    def _complete(cls, preset: Preset) -> dict[str, Any]:
        """A preset with every control: what it does not name is where the lab starts."""
        start = {name: control.default_value for name, control in cls.controls().items()}
        return {"says": preset.says, "state": {**start, **preset.state}}

    @property
    def state(self) -> dict[str, Any]:
        """The values of the controls: the arguments of `compute`."""
        return {name: getattr(self, name) for name in self.controls()}

    @property
    def scene(self) -> Scene:
        """What is shown now, as Python computes it."""
        return type(self).compute(**self.state)

    @property
    def numbers(self) -> dict[str, float | int | str]:
        """The numbers of the text now, by name."""
        return self.scene.numbers

    def export(self) -> Export:
        """The lab as it is now, for a page without a kernel."""
        name = type(self).__name__
        state = {"spec": self.spec, "error": "", **self.state}
        return Export(name, state, bundle.standalone(name, self.view, "show"), str(self._css))

    def to_html(self) -> str:
        """The lab as it is now as one HTML page, which requests nothing."""
        return bundle.page(
            self.title, "Grab the picture, or move the sliders under it.", self.export()
        )

    def figure(self) -> AltFigure:
        """The lab as it is now, as a static figure with its numbers and its alternative text."""
        from vaelib.widgets.labs.twin import draw

        return draw(self.title, self.panels, self.says, self.scene)

    def __repr__(self) -> str:
        return f"{type(self).__name__}: " + ", ".join(f"{k} = {v}" for k, v in self.state.items())

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The live view, and the static twin and a line of text for where it cannot run."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        picture, alt = self.figure()._repr_mimebundle_()
        return {**data, "image/png": picture["image/png"]}, {**metadata, **alt}
