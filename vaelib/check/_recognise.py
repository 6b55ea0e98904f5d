"""Which known mistake, or which two of them at once, an answer behaves like."""

from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import Any

from vaelib.check._compare import alike, same, some_number
from vaelib.check._exercise import Exercise, Mistake
from vaelib.check._probe import Outcome, Probe

Mistakes = tuple[Mistake, ...]
Expected = Callable[..., Outcome]


def recognise(
    exercise: Exercise,
    expected: Expected,
    probes: list[Probe],
    got: list[Outcome],
    references: list[list[Outcome]],
) -> Mistakes | None:
    """The mistake, or the pair, whose outcomes are the answer's; None if none or several are.

    What agrees at the limits too comes before what agrees on ordinary inputs only, and then one
    mistake before two. `expected(exercise, probe, **flags)` runs a variant.
    """
    if not any(some_number(o) for o, p in zip(got, probes, strict=True) if not p.limit):
        return None
    single: list[Mistakes] = [(m,) for m in exercise.mistakes]
    pairs = [
        (a, b) for a, b in combinations(exercise.mistakes, 2) if not a.change.keys() & b.change
    ]
    ordinary = [i for i, probe in enumerate(probes) if not probe.limit]
    limits = [i for i, probe in enumerate(probes) if probe.limit]
    fits: list[list[Mistakes]] = []
    for group in (single, pairs):
        everywhere, here = [], []
        for mistakes in group:
            for base in ({}, *exercise.also):
                flags = base | {k: v for m in mistakes for k, v in m.change.items()}

                @cache
                def variant(i: int, flags: dict[str, Any] = flags) -> Outcome:
                    return expected(exercise, probes[i], **flags)

                if not all(same(got[i], variant(i)) for i in ordinary):
                    continue
                if any(_harmless(variant, want) for want in references):
                    continue
                here.append(mistakes)
                if all(alike(got[i], variant(i)) for i in limits):
                    everywhere.append(mistakes)
                break
        if everywhere:
            return _said_by_all(everywhere)
        fits.append(here)
        if group is single:
            for mistake in exercise.mistakes:
                if mistake.looks is not None and mistake.looks(probes, got):
                    return (mistake,)
    return next((_said_by_all(here) for here in fits if here), None)


def _harmless(variant: Callable[[int], Outcome], want: list[Outcome]) -> bool:
    """Whether the variant is right after all (two mistakes may cancel out)."""
    return all(same(variant(i), w) for i, w in enumerate(want))


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
