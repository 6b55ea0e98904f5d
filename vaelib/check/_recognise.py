"""Which known mistake, or which two of them at once, an answer behaves like."""

import warnings
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from vaelib.check._compare import alike, same, some_number
from vaelib.check._exercise import Exercise, Mistake
from vaelib.check._probe import Outcome, Probe, perform

Mistakes = tuple[Mistake, ...]


def expected(exercise: Exercise, probe: Probe, **flags: Any) -> Outcome:
    """What the reference, or with flags a variant of it, makes of the probe."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return perform(lambda *args: exercise.variant(*args, **flags), probe)


class Bench:
    """The inputs that a seed gives, and what the reference and its variants make of them.

    A variant is called when it is first asked for, and once: marking asks for the same seed often.
    """

    def __init__(self, exercise: Exercise, seed: int) -> None:
        self.exercise = exercise
        self.probes = exercise.inputs(np.random.default_rng(seed))
        self.ordinary = [i for i, probe in enumerate(self.probes) if not probe.limit]
        self.limits = [i for i, probe in enumerate(self.probes) if probe.limit]
        self.bases: tuple[dict[str, Any], ...] = ({}, *exercise.also)  # all of them right
        self._outcomes: dict[tuple[int, Mistakes, int], Outcome] = {}

    def outcome(self, i: int, mistakes: Mistakes = (), base: int = 0) -> Outcome:
        """Of probe i, for the variant with these mistakes."""
        key = i, mistakes, base
        if key not in self._outcomes:
            flags = self.bases[base] | {k: v for m in mistakes for k, v in m.change.items()}
            self._outcomes[key] = expected(self.exercise, self.probes[i], **flags)
        return self._outcomes[key]

    def references(self) -> list[list[Outcome]]:
        """For each way that is right, what it makes of every probe."""
        every = range(len(self.probes))
        return [[self.outcome(i, (), base) for i in every] for base in range(len(self.bases))]

    def fits(self, got: list[Outcome], mistakes: Mistakes) -> int:
        """0: the variant does otherwise; 1: as the answer on ordinary inputs; 2: everywhere."""
        for base in range(len(self.bases)):
            if not all(same(got[i], self.outcome(i, mistakes, base)) for i in self.ordinary):
                continue
            every = [self.outcome(i, mistakes, base) for i in range(len(self.probes))]
            if any(all(map(same, every, want)) for want in self.references()):
                continue  # right after all: two mistakes may cancel out
            return 2 if all(alike(got[i], every[i]) for i in self.limits) else 1
        return 0


bench = lru_cache(maxsize=128)(Bench)


def recognise(bench: Bench, got: list[Outcome]) -> Mistakes | None:
    """The mistake, or the pair, whose outcomes are the answer's; None if none or several are.

    What agrees at the limits too comes before what agrees on ordinary inputs only, and then one
    mistake before two.
    """
    if not any(some_number(got[i]) for i in bench.ordinary):
        return None
    known = bench.exercise.mistakes
    single: list[Mistakes] = [(m,) for m in known]
    pairs = [(a, b) for a, b in combinations(known, 2) if not a.change.keys() & b.change]
    here: list[list[Mistakes]] = []
    for group in (single, pairs):
        fits = {mistakes: bench.fits(got, mistakes) for mistakes in group}
        everywhere = [mistakes for mistakes, fit in fits.items() if fit == 2]
        if everywhere:
            return _said_by_all(everywhere)
        here.append([mistakes for mistakes, fit in fits.items() if fit])
    looks = [m for m in known if m.looks is not None and m.looks(bench.probes, got)]
    if looks:
        return (looks[0],)
    return next((_said_by_all(fitting) for fitting in here if fitting), None)


def _said_by_all(fits: list[Mistakes]) -> Mistakes | None:
    """Of several that behave the same, the one that says no more than what all the others say.

    Names of related mistakes begin alike: "mean over pixels", "mean over pixels in the square".
    """
    for one in fits:
        if all(
            len(other) == len(one)
            and all(any(b.name.startswith(a.name) for b in other) for a in one)
            for other in fits
        ):
            return one
    return None
