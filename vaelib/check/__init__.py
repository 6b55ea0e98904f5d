"""Checks of the exercises that know the usual mistakes: `check.kl_gaussian(kl_gaussian)`.

There is one for each exercise, under its name. A check never raises and gives no solution away.
"""

import ast
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch

from vaelib.check.catalogue import (
    lesson1,
    lesson2,
    lesson3,
    lesson4,
    lesson5,
    lesson6,
    lesson7,
)
from vaelib.check.catalogue.lesson6 import broken_vaes
from vaelib.check.machinery import wording
from vaelib.check.machinery.exercise import Exercise, Mistake, Property
from vaelib.check.machinery.judge import judge
from vaelib.check.machinery.probe import Outcome, Probe, Seeded, call
from vaelib.check.machinery.result import CheckResult

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

_done: set[str] = set()  # the exercises that are right so far, in this process
SECONDS = 3.0  # for one call of the student's function
SECONDS_IN_ALL = 10.0  # for all calls of one check
TRANSFORMS = {"func", "grad", "jacrev", "jacfwd", "hessian", "vjp", "jvp"}  # of torch.func
ECHO = 2000  # characters that a function may print


@cache
def _warm_up() -> None:
    """Import what PyTorch needs for its first backward; stopping that half-way would break it."""
    with torch.enable_grad():
        z = 2 * torch.zeros(1, requires_grad=True)
        z.backward(torch.ones(1))


@cache
def _warm_up_transforms() -> None:
    """The same for torch.func, whose first use takes a second or more."""
    torch.func.grad(torch.sum)(torch.zeros(1))


class Check:
    """The check of one exercise: `check(function)` says whether it is right, or what is wrong."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.__name__ = exercise.name
        self.__doc__ = f"Exercise {exercise.number}: {exercise.signature}."

    def __repr__(self) -> str:
        return f"check.{self.exercise.name}"

    def __call__(
        self,
        function: Callable[..., Any],
        seed: int | None = None,
        seconds: float = SECONDS,
    ) -> CheckResult:
        """The result on fresh random inputs; each call of the function may take `seconds`."""
        if not callable(function):
            text = f"it is given {function!r:.60}; expected the function itself, without brackets"
            return wording.wrong(self.exercise, "not a function", text)
        _warm_up()
        if TRANSFORMS.intersection(getattr(getattr(function, "__code__", None), "co_names", ())):
            _warm_up_transforms()
        deadline = time.monotonic() + max(SECONDS_IN_ALL, seconds)
        calls = 0

        def run(probe: Probe) -> Outcome:
            nonlocal calls
            calls += 1
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return Outcome("timeout", error=f"{SECONDS_IN_ALL:g}")
            return call(function, probe, min(seconds, remaining), echo=ECHO if calls == 1 else 0)

        try:
            result = judge(self.exercise, run, secrets.randbits(32) if seed is None else seed)
        except Exception as error:
            text = f"the check itself failed ({type(error).__name__}: {error}); please report it"
            return wording.wrong(self.exercise, None, text)
        if not result.passed and (fault := unfinished_cell(self.exercise.name)):
            result = wording.wrong(self.exercise, "syntax error", *fault)
        return replace(result, progress=self._progress(result.passed))

    def _progress(self, passed: bool) -> str:
        """How many exercises of this lesson are right, this result included."""
        (_done.add if passed else _done.discard)(self.exercise.name)
        lesson = self.exercise.number.partition(".")[0]
        names = [n for n, e in EXERCISES.items() if e.number.partition(".")[0] == lesson]
        return f"lesson {lesson}: {len(_done.intersection(names))} of {len(names)} done"


def unfinished_cell(name: str) -> tuple[str, ...] | None:
    """What is wrong with the last cell that defines a function, if it cannot be run at all.

    What is checked then is an older function, or the one that students were given.
    """
    try:
        shell = get_ipython()  # type: ignore[name-defined]
        cells = [cell for cell in shell.user_ns["In"] if f"def {name}(" in cell]
        code = shell.transform_cell(cells[-1])
    except (NameError, AttributeError, KeyError, TypeError, IndexError, SyntaxError):
        return None
    try:
        ast.parse(code)
    except SyntaxError as error:
        text = f"its cell has not been run: {type(error).__name__}: {error.msg}"
        return text, f"in the line: {(error.text or '').strip()[:120]}"
    return None


_LESSONS = (lesson1, lesson2, lesson3, lesson4, lesson5, lesson6, lesson7)
EXERCISES = {exercise.name: exercise for lesson in _LESSONS for exercise in lesson.EXERCISES}
globals().update({name: Check(exercise) for name, exercise in EXERCISES.items()})
