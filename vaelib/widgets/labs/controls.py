"""The controls of a lab as traits: what may be set, from Python as in the page."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import traitlets


class Control(traitlets.TraitType[Any, Any]):
    """A trait that the page shows with a label; each kind refuses what it cannot show."""

    label = ""
    colour = "ink"  # that of the control's symbol, a key of `plots.SYMBOLS`, or "ink"

    def describe(self) -> dict[str, Any]:
        """What the page needs to make the control."""
        return {
            "name": self.name,
            "label": self.label,
            "colour": self.colour,
            "start": self.default_value,
        }

    def positions(self) -> list[Any]:
        """Every value that the control can be put at."""
        raise NotImplementedError

    def refuse(self, value: Any, expected: str) -> traitlets.TraitError:
        return traitlets.TraitError(f"{self.name} is {value!r}; expected {expected}")


class Slider(Control):
    """A number from `low` to `high`; the page moves it in steps."""

    def __init__(
        self,
        label: str,
        start: float,
        low: float,
        high: float,
        step: float = 0.05,
        colour: str = "ink",
    ) -> None:
        self.label = label
        self.colour = colour
        self.low = low
        self.high = high
        self.step = step
        super().__init__(default_value=float(start))
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> float:
        expected = f"a number from {self.low:g} to {self.high:g}"
        given = value
        if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:  # a tensor or a NumPy number
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(given, expected)
        if not self.low - 1e-9 <= value <= self.high + 1e-9:  # NaN fails this too
            raise self.refuse(given, expected)
        return min(max(float(value), self.low), self.high)

    def describe(self) -> dict[str, Any]:
        span = {"min": self.low, "max": self.high, "step": self.step}
        return super().describe() | {"kind": "slider", **span}

    def positions(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        digits = max(0, math.ceil(-math.log10(self.step)))
        return [round(self.low + i * self.step, digits) for i in range(count + 1)]


class Steps(Control):
    """One of several whole numbers, which the page's slider steps through."""

    def __init__(self, label: str, start: int, values: Sequence[int], colour: str = "ink") -> None:
        self.label = label
        self.colour = colour
        self.values = tuple(values)
        super().__init__(default_value=start)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> int:
        if isinstance(value, bool) or value not in self.values:
            raise self.refuse(value, f"one of {', '.join(map(str, self.values))}")
        return int(value)

    def describe(self) -> dict[str, Any]:
        return super().describe() | {"kind": "steps", "values": list(self.values)}

    def positions(self) -> list[int]:
        return list(self.values)


class Choice(Control):
    """One of several options; `options` maps each value to the page's words for it."""

    def __init__(self, label: str, start: str, options: Mapping[str, str]) -> None:
        self.label = label
        self.options = dict(options)
        super().__init__(default_value=start)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> str:
        if not isinstance(value, str) or value not in self.options:
            raise self.refuse(value, f"one of {', '.join(map(repr, self.options))}")
        return value

    def describe(self) -> dict[str, Any]:
        options = [[value, label] for value, label in self.options.items()]
        return super().describe() | {"kind": "choice", "options": options}

    def positions(self) -> list[str]:
        return list(self.options)
