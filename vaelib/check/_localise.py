"""Where a wrong answer is right: by further calls, on inputs made simpler one at a time."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.check._compare import DOUBLE, close, finite, same_shapes, same_value, tolerance
from vaelib.check._exercise import Exercise, Reference, Run
from vaelib.check._probe import Outcome, Probe


def _changed(probe: Probe, i: int, change: Any) -> Probe:
    args = list(probe.args)
    args[i] = change(args[i])
    return replace(probe, args=tuple(args), gradients=())


def _is_float(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, Tensor) and value.is_floating_point())


def simpler(
    exercise: Exercise, reference: Reference, run: Run, probe: Probe
) -> tuple[str, str] | None:
    """The argument on which it hangs: it is right where that is 0 or 1, or does not use it."""
    names = [
        (i, name)
        for i, name in enumerate(exercise.arguments)
        if _is_float(probe.args[i]) and name not in exercise.fixed
    ]
    probe = replace(probe, gradients=())
    for i, name in names:
        nearby = _changed(probe, i, lambda a: 0.9 * a)
        want, want_here = reference(nearby), reference(probe)
        got, got_here = run(nearby), run(probe)
        moved = same_shapes(want, want_here) and not same_value(want, want_here)
        if moved and finite(want) and same_value(got, got_here, DOUBLE):
            text = f"your result does not change when {name} does: where does {name} enter?"
            return f"{name} not used", text
    good: dict[str, str] = {}
    for value in (0.0, 1.0):
        for i, name in names:
            special = _changed(probe, i, lambda a, v=value: _filled(a, v))
            want = reference(special)
            trivial = not want.value or not any(np.abs(v).max(initial=0) > 1e-9 for v in want.value)
            if finite(want) and not trivial and same_value(run(special), want):
                good.setdefault(name, f"{name} is {value:g}")
    if not good or len(good) > 2:
        return None
    text = f"right where {' and where '.join(good.values())}, wrong elsewhere: "
    return f"in {' or '.join(good)}", f"{text}look at how {' and '.join(good)} enter"


def _filled(value: Any, constant: float) -> Any:
    return torch.full_like(value, constant) if isinstance(value, Tensor) else constant


def failing_property(exercise: Exercise, run: Run, seed: int) -> str | None:
    """The sentence of the first property that does not hold."""
    for prop in exercise.properties:
        outcomes = [run(p) for p in prop.probes(np.random.default_rng(seed))]
        if all(o.kind == "value" and o.value for o in outcomes) and not prop.holds(outcomes):
            return prop.fails
    return None


def masks(got: Outcome, want: Outcome) -> list[np.ndarray]:
    """For each result where it differs; of the same shapes."""
    return [~close(a, b, tolerance(got)) for a, b in zip(got.value, want.value, strict=True)]
