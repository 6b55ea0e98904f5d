"""Which known mistake, or which two of them at once, an answer behaves like."""

from collections.abc import Callable
from itertools import combinations

from vaelib.check._compare import alike, finite, same
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
    if not any(finite(o) for o, p in zip(got, probes, strict=True) if not p.limit):
        return None
    groups: list[list[Mistakes]] = [
        [(m,) for m in exercise.mistakes],
        [(a, b) for a, b in combinations(exercise.mistakes, 2) if not a.change.keys() & b.change],
    ]
    ordinary = [i for i, probe in enumerate(probes) if not probe.limit]
    limits = [i for i, probe in enumerate(probes) if probe.limit]
    fits: list[list[Mistakes]] = []
    for group in groups:
        everywhere, here = [], []
        for mistakes in group:
            for base in ({}, *exercise.also):
                flags = base | {k: v for m in mistakes for k, v in m.change.items()}

                def variant(i: int, flags: dict = flags) -> Outcome:
                    return expected(exercise, probes[i], **flags)

                if not all(same(got[i], variant(i)) for i in ordinary):
                    continue
                if any(_harmless(variant, want, ordinary, limits) for want in references):
                    continue
                here.append(mistakes)
                if all(alike(got[i], variant(i)) for i in limits):
                    everywhere.append(mistakes)
                break
        if everywhere:
            return everywhere[0] if len(everywhere) == 1 else None
        fits.append(here)
    return next((here[0] for here in fits if len(here) == 1), None)


def _harmless(
    variant: Callable[[int], Outcome],
    want: list[Outcome],
    ordinary: list[int],
    limits: list[int],
) -> bool:
    """Whether the variant is right after all (two mistakes may cancel out)."""
    return all(same(variant(i), want[i]) for i in [*ordinary, *limits])
