"""Which known mistake, or which two of them together, an answer behaves like."""

import warnings
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from vaelib.check.machinery.compare import NEARLY_ZERO, SINGLE, alike, same, some_number
from vaelib.check.machinery.exercise import Exercise, Mistake
from vaelib.check.machinery.probe import Outcome, Probe, perform

Mistakes = tuple[Mistake, ...]


def expected(exercise: Exercise, probe: Probe, **flags: Any) -> Outcome:
    """The outcome of the reference, or with flags of a variant, for the probe."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return perform(lambda *args: exercise.variant(*args, **flags), probe)


class Bench:
    """The inputs that a seed gives, and the outcomes of the reference and its variants for them.

    Each outcome is computed when it is first needed, and kept: marking uses the same seed often.
    """

    def __init__(self, exercise: Exercise, seed: int) -> None:
        self.exercise = exercise
        self.probes = exercise.inputs(np.random.default_rng(seed))
        self.ordinary = [i for i, probe in enumerate(self.probes) if not probe.limit]
        self.limits = [i for i, probe in enumerate(self.probes) if probe.limit]
        self.bases: tuple[dict[str, Any], ...] = (
            {},
            *exercise.also,
        )  # flags of right answers
        self._outcomes: dict[tuple[int, Mistakes, int], Outcome] = {}
        self._first: dict[tuple[Mistakes, int], tuple[float, float]] = {}

    def outcome(self, i: int, mistakes: Mistakes = (), base: int = 0) -> Outcome:
        """For probe i, that of the variant with these mistakes."""
        key = i, mistakes, base
        if key not in self._outcomes:
            flags = self.bases[base] | {k: v for m in mistakes for k, v in m.change.items()}
            self._outcomes[key] = expected(self.exercise, self.probes[i], **flags)
        return self._outcomes[key]

    def references(self) -> list[list[Outcome]]:
        """For each right variant, its outcomes for all probes."""
        every = range(len(self.probes))
        return [[self.outcome(i, (), base) for i in every] for base in range(len(self.bases))]

    def fits(self, got: list[Outcome], mistakes: Mistakes) -> bool:
        """Whether the variant behaves like the answer on every input that was tried."""
        for base in range(len(self.bases)):
            if self._far(got[self.ordinary[0]], mistakes, base):
                continue
            if not all(same(got[i], self.outcome(i, mistakes, base)) for i in self.ordinary):
                continue
            every = [self.outcome(i, mistakes, base) for i in range(len(self.probes))]
            if any(all(map(same, every, want)) for want in self.references()):
                continue  # two mistakes may cancel out, which is right
            if all(alike(got[i], every[i]) for i in self.limits):
                return True
        return False

    def _far(self, got: Outcome, mistakes: Mistakes, base: int) -> bool:
        """A quick no: the first numbers of the first results are further apart than rounding."""
        if (mistakes, base) not in self._first:
            value = self.outcome(self.ordinary[0], mistakes, base).value
            b = value[0] if value and value[0].size else np.array(np.nan)
            near = SINGLE * (abs(b.item(0)) + np.abs(b).mean()) + NEARLY_ZERO[SINGLE]
            self._first[mistakes, base] = (b.item(0), near)
        first, near = self._first[mistakes, base]
        number = got.value[0].item(0) if got.value and got.value[0].size else np.nan
        return bool(abs(number - first) > near)  # False where one of them is NaN


bench = lru_cache(maxsize=256)(Bench)


def recognise(bench: Bench, got: list[Outcome]) -> Mistakes | None:
    """The mistake, or else the pair, whose outcomes are the answer's; None if several are."""
    if not any(some_number(got[i]) for i in bench.ordinary):
        return None
    known = bench.exercise.mistakes
    single: list[Mistakes] = [(m,) for m in known]
    pairs = [(a, b) for a, b in combinations(known, 2) if not a.change.keys() & b.change]
    for group in (single, pairs):
        fitting = [mistakes for mistakes in group if bench.fits(got, mistakes)]
        if fitting:
            return _most_general(fitting)
    looks = [m for m in known if m.looks is not None and m.looks(bench.probes, got)]
    return (looks[0],) if looks else None


def _most_general(fits: list[Mistakes]) -> Mistakes | None:
    """Of several that behave the same, the one whose name begins the names of all the others.

    Related mistakes have such names: "mean over pixels", "mean over pixels in the square".
    """
    for one in fits:
        if all(
            len(other) == len(one)
            and all(any(b.name.startswith(a.name) for b in other) for a in one)
            for other in fits
        ):
            return one
    return None
