"""Schedules of β and of the learning rate: pure functions of the step, 0, 1, 2, …

`fit` takes a number or any such function: `beta=lambda step: linear_annealing(step, 500)`. All
raise ValueError for a negative step or number of steps, and for numbers outside a range given here.
"""

import math

from vaelib import validation


def linear_annealing(step: int, warmup: int, start: float = 0.0, end: float = 1.0) -> float:
    """start + (end − start) · min(1, step/warmup); `end` at once when warmup is 0.

    Source: slide "KL annealing"; Bowman et al. (2016), section 3.1.

    >>> [linear_annealing(step, 4) for step in (0, 1, 4, 9)]
    [0.0, 0.25, 1.0, 1.0]
    """
    start = validation.number("start", start)
    return start + (validation.number("end", end) - start) * _progress("warmup", step, warmup)


def annealing_from_above(step: int, steps: int, start: float = 60.0, rest: float = 3.0) -> float:
    """From `start` to `rest` over the first 25 % of the steps, then `rest`, 1 for the last 30 %.

    While β falls, the latent dimensions become active one at a time, first the one that explains
    most, and so do not mix; at `rest` those that explain little collapse; the end is the ELBO.

    >>> [annealing_from_above(step, 20) for step in (0, 5, 13, 14)]
    [60.0, 3.0, 3.0, 1.0]
    """
    steps = validation.count("steps", steps, at_least=0)
    validation.number("rest", rest)
    down = linear_annealing(step, steps // 4, start, rest)
    return down if step < steps * 7 // 10 else 1.0


def cosine_decay(step: int, steps: int, start: float, hold: float = 0.7) -> float:
    """`start` for the fraction `hold` in [0, 1) of the steps, then half a cosine, 0 at the last.

    >>> [round(cosine_decay(step, 4, 1.0, hold=0.5), 2) for step in range(5)]
    [1.0, 1.0, 1.0, 0.5, 0.0]
    """
    if not 0 <= validation.number("hold", hold) < 1:
        raise ValueError(f"hold is {hold}; expected a fraction of the steps in [0, 1)")
    late = max(0.0, _progress("steps", step, steps) - hold) / (1 - hold)
    return validation.number("start", start) * 0.5 * (1 + math.cos(math.pi * late))


def _progress(name: str, step: int, steps: int) -> float:
    """min(1, step/steps), and 1 when steps is 0."""
    step = validation.count("step", step, at_least=0)
    steps = validation.count(name, steps, at_least=0)
    return 1.0 if step >= steps else step / steps
