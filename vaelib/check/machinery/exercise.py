"""What an exercise declares: its reference, its inputs, and the mistakes that its check knows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaelib.check.machinery.probe import Outcome, Probe
from vaelib.check.machinery.result import CheckResult

Rng = np.random.Generator
Run = Callable[[Probe], Outcome]
Reference = Callable[[Probe], Outcome]


@dataclass(frozen=True, eq=False)
class Mistake:
    """A known mistake: `change` holds the keywords of the exercise's `variant` that make it.

    `name` is short and in the field's words; `hint` is a question or a pointer, never the solution.
    Mistakes with different keywords are tried in pairs too. A mistake that can be made in many
    ways (a grid over any range) may be recognised by `looks(probes, outcomes)` instead.
    """

    name: str
    hint: str
    change: dict[str, Any]
    looks: "Callable[[list[Probe], list[Outcome]], bool] | None" = None


@dataclass(frozen=True)
class Property:
    """A property of every right answer: `holds` decides from the outcomes of `probes`.

    `fails` is the sentence that a student reads where it does not hold.
    """

    name: str
    fails: str
    probes: Callable[[Rng], list[Probe]]
    holds: Callable[[list[Outcome]], bool]


@dataclass(frozen=True, eq=False)  # hashed by identity: it holds dictionaries
class Exercise:
    """One exercise: without keywords `variant(*args)` is the reference, with them a mistake.

    `inputs` gives fresh random probes, the smallest first, and then those with `limit=True`.
    `axes` names the axes of each argument, () for a scalar: (("B", "D"), ("B", "D")). `also` holds
    the keywords of variants that are right as well, `fixed` the arguments that cannot be set to
    0 or 1 (weights that sum to 1), and `errors` which mistake an error message reveals:
    (regular expression, name, hint). `results` names the results if there are several, and `shown`
    says in a sentence what a right answer has shown. Where values cannot be compared with the
    reference's, `judge(exercise, run, seed)` decides.
    """

    number: str
    name: str
    stars: int
    minutes: int
    points: int
    signature: str
    variant: Callable[..., Any]
    inputs: Callable[[Rng], list[Probe]]
    mistakes: tuple[Mistake, ...]
    properties: tuple[Property, ...] = ()
    outputs: int = 1
    judge: "Callable[[Exercise, Run, int], CheckResult] | None" = None
    float32: bool = True
    elementwise: bool = False
    axes: tuple[tuple[str, ...], ...] = ()
    also: tuple[dict[str, Any], ...] = ()
    fixed: tuple[str, ...] = ()
    errors: tuple[tuple[str, str, str], ...] = ()
    results: tuple[str, ...] = ()
    shown: str = ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names in the signature: ("p", "q")."""
        inside = self.signature[self.signature.index("(") + 1 : self.signature.rindex(")")]
        return tuple(name.strip() for name in inside.split(",") if name.strip())


def mistakes_by_keyword(**by_keyword: dict[Any, Any]) -> tuple[Mistake, ...]:
    """One mistake for each value of a keyword of `variant`, from {value: (name, hint)}.

    A third entry is the mistake's `looks`.

    >>> sums = {"sum": ("sum for mean", "does an average grow with N?")}
    >>> mistakes_by_keyword(over=sums)[0].change
    {'over': 'sum'}
    """
    return tuple(
        Mistake(name, hint, {keyword: value}, *looks)
        for keyword, mistakes in by_keyword.items()
        for value, (name, hint, *looks) in mistakes.items()
    )
