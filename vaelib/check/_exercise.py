"""What an exercise declares: its reference, its inputs, and the mistakes that its check knows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaelib.check._probe import Outcome, Probe
from vaelib.check._result import CheckResult

Rng = np.random.Generator
Run = Callable[[Probe], Outcome]
Reference = Callable[[Probe], Outcome]


@dataclass(frozen=True, eq=False)
class Mistake:
    """A known mistake: `change` holds the keywords of the exercise's `variant` that make it.

    `name` is short and in the field's words; `hint` is a question or a pointer, never the solution.
    Mistakes with different keywords are tried in pairs too. A mistake that leaves something open
    (a grid over any range) may be recognised by `looks(probes, outcomes)` instead.
    """

    name: str
    hint: str
    change: dict[str, Any]
    looks: "Callable[[list[Probe], list[Outcome]], bool] | None" = None


@dataclass(frozen=True)
class Property:
    """Something that every right answer has: `holds` looks at what came of `probes`.

    `fails` is the sentence that a student reads where it does not hold.
    """

    name: str
    fails: str
    probes: Callable[[Rng], list[Probe]]
    holds: Callable[[list[Outcome]], bool]


@dataclass(frozen=True, eq=False)  # hashed by identity: it holds dictionaries
class Exercise:
    """One row of the table: `variant(*args, **flags)` is the reference where no flag is given.

    `inputs` gives fresh random probes first, the smallest first, and then those with `limit=True`.
    `axes` names the axes of each argument, () for a scalar: (("B", "D"), ("B", "D")). `also` holds
    the flags of variants that are right as well, `fixed` the arguments that cannot be set to 0 or 1
    (weights that sum to 1), `errors` what an error betrays: (regular expression, name, hint).
    Where no comparison of values can judge, `judge(exercise, run, seed)` does.
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

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names in the signature: ("p", "q")."""
        inside = self.signature[self.signature.index("(") + 1 : self.signature.rindex(")")]
        return tuple(name.strip() for name in inside.split(",") if name.strip())
