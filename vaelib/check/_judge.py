"""The one place that decides: outcomes in, a result out."""

import warnings
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.check import _words
from vaelib.check._compare import SINGLE, alike, finite, same, same_gradients, same_value
from vaelib.check._exercise import Exercise, Mistake, Run
from vaelib.check._probe import Outcome, Probe, Seeded, perform
from vaelib.check._relations import relation
from vaelib.check._result import CheckResult

ENDED = ("not attempted", "stopped", "timeout", "exit", "recursion", "memory")


def judge(exercise: Exercise, run: Run, seed: int) -> CheckResult:
    """The verdict on a function that is called through `run`, on inputs drawn from `seed`."""
    if exercise.judge is not None:
        return exercise.judge(exercise, run, seed)
    probes = exercise.inputs(np.random.default_rng(seed))
    got: list[Outcome] = []
    for probe in probes:
        got.append(run(probe))
        if got[-1].kind in ENDED:
            return _words.ended(exercise, got[-1], probe)
    want = [expected(exercise, probe) for probe in probes]
    if all(is_right(*both) for both in zip(got, want, probes, strict=True)):
        return _in_single_precision(exercise, run, probes) or _words.right(exercise)
    known = recognise(exercise, probes, got)
    if known:
        return _words.known(exercise, known)
    broken = _words.broken(exercise, probes, got, want)
    if broken:
        return broken
    return _words.different(exercise, probes, got, want, relation(exercise, probes, got, want))


def expected(exercise: Exercise, probe: Probe, **flags: Any) -> Outcome:
    """What the reference, or with flags a variant of it, makes of the probe."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return perform(lambda *args: exercise.variant(*args, **flags), probe)


def is_right(got: Outcome, want: Outcome, probe: Probe) -> bool:
    seeded = any(isinstance(a, Seeded) for a in probe.args)
    return (
        same_value(got, want)
        and same_gradients(got, want)
        and not got.changed
        and not (seeded and got.used_global_random)
    )


def recognise(
    exercise: Exercise, probes: list[Probe], got: list[Outcome]
) -> tuple[Mistake, ...] | None:
    """The mistake, or the pair of them, that behaves as the answer does.

    First what agrees everywhere, one mistake before two; then what agrees on ordinary inputs.
    """
    single = [(m,) for m in exercise.mistakes]
    pairs = [
        (a, b) for a, b in combinations(exercise.mistakes, 2) if not a.change.keys() & b.change
    ]
    ordinary = [i for i, probe in enumerate(probes) if not probe.limit]
    limits = [i for i, probe in enumerate(probes) if probe.limit]
    fits: list[tuple[tuple[Mistake, ...], list[Outcome]]] = []
    for group in (single, pairs):
        behave = []
        for mistakes in group:
            outcomes = _behaviour(exercise, probes, mistakes, ordinary, got)
            if outcomes is not None:
                behave.append((mistakes, outcomes))
        everywhere = [(m, o) for m, o in behave if all(alike(got[i], o[i]) for i in limits)]
        if len(everywhere) == 1:
            return everywhere[0][0]
        fits.extend(behave)
        if len(fits) > 1 or everywhere:
            break
    return fits[0][0] if len(fits) == 1 else None


def _behaviour(
    exercise: Exercise,
    probes: list[Probe],
    mistakes: tuple[Mistake, ...],
    ordinary: list[int],
    got: list[Outcome],
) -> list[Outcome] | None:
    """What the variant with these mistakes does everywhere, if it does as `got` where it must."""
    flags = {k: v for mistake in mistakes for k, v in mistake.change.items()}
    outcomes: dict[int, Outcome] = {}
    for i in ordinary:
        outcomes[i] = expected(exercise, probes[i], **flags)
        if not same(got[i], outcomes[i]):
            return None
    if not any(finite(outcomes[i]) for i in ordinary):
        return None
    everything = [
        outcomes[i] if i in outcomes else expected(exercise, probe, **flags)
        for i, probe in enumerate(probes)
    ]
    reference = [expected(exercise, probe) for probe in probes]
    same_as_right = all(
        is_right(a, b, p) for a, b, p in zip(everything, reference, probes, strict=True)
    )
    return None if same_as_right else everything


def in_single_precision(probe: Probe) -> Probe:
    """The probe with float32 tensors for float64 ones."""
    args = [
        a.to(torch.float32) if isinstance(a, Tensor) and a.dtype == torch.float64 else a
        for a in probe.args
    ]
    return replace(probe, args=tuple(args))


def _in_single_precision(exercise: Exercise, run: Run, probes: list[Probe]) -> CheckResult | None:
    """None if the answer is right for float32 as well."""
    if not exercise.float32:
        return None
    for probe in [p for p in probes if not p.limit][:2]:
        single = in_single_precision(probe)
        got, want = run(single), expected(exercise, single)
        if got.kind in ENDED:
            return _words.ended(exercise, got, single)
        if not same_value(got, want, SINGLE):
            return _words.single_precision(exercise, single, got, want)
    return None
