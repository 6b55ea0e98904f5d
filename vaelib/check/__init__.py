"""Checks of the exercises that know the usual mistakes: `check.kl_gaussian(kl_gaussian)`.

There is one for every exercise, by its name. A check never raises and gives no solution away.
"""

import importlib
import pkgutil
import secrets
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from vaelib.check import _words
from vaelib.check._exercise import Exercise, Mistake, Property
from vaelib.check._judge import judge
from vaelib.check._probe import Outcome, Probe, Seeded, call
from vaelib.check._result import CheckResult
from vaelib.check.lesson6_diagnose import broken_vaes

__all__ = [
    "EXERCISES",
    "Check",
    "CheckResult",
    "Exercise",
    "Mistake",
    "Outcome",
    "Probe",
    "Property",
    "Seeded",
    "broken_vaes",
    "call",
    "judge",
]

SECONDS = 3.0  # for one call
SECONDS_IN_ALL = 10.0
ECHO = 2000  # characters that a function may print


@cache
def _warm_up() -> None:
    """What PyTorch imports at its first backward: a clock that stops that half-way spoils it."""
    with torch.enable_grad():
        z = 2 * torch.zeros(1, requires_grad=True)
        z.backward(torch.ones(1))


class Check:
    """The check of one exercise: `check(function)` says whether it is right, or what went wrong."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.__name__ = exercise.name
        self.__doc__ = f"Exercise {exercise.number}: {exercise.signature}."

    def __repr__(self) -> str:
        return f"check.{self.exercise.name}"

    def __call__(
        self, function: Callable[..., Any], seed: int | None = None, seconds: float = SECONDS
    ) -> CheckResult:
        """The result on fresh inputs; each call of the function may take `seconds`."""
        if not callable(function):
            text = f"it is given {function!r:.60}; expected the function itself, without brackets"
            return _words.wrong(self.exercise, "not a function", text)
        _warm_up()
        over = time.monotonic() + max(SECONDS_IN_ALL, seconds)
        calls = 0

        def run(probe: Probe) -> Outcome:
            nonlocal calls
            calls += 1
            left = over - time.monotonic()
            if left <= 0:
                return Outcome("timeout", error=f"{SECONDS_IN_ALL:g}")
            return call(function, probe, min(seconds, left), echo=ECHO if calls == 1 else 0)

        try:
            return judge(self.exercise, run, secrets.randbits(32) if seed is None else seed)
        except Exception as error:
            text = f"the check itself failed ({type(error).__name__}: {error}); please report it"
            return _words.wrong(self.exercise, None, text)


_found: list[Exercise] = []
for _module in pkgutil.iter_modules(__path__):
    if _module.name.startswith("lesson"):
        _found += importlib.import_module(f"{__name__}.{_module.name}").EXERCISES
EXERCISES = {e.name: e for e in sorted(_found, key=lambda e: e.number)}
globals().update({name: Check(exercise) for name, exercise in EXERCISES.items()})
