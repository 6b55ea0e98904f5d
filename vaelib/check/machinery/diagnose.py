"""What is wrong with an answer: how it fails, how it is related to the right one, and where."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.check.machinery import wording
from vaelib.check.machinery.compare import (
    DOUBLE,
    NEAR,
    close,
    finite,
    same_gradients,
    same_shapes,
    same_value,
    tolerance,
)
from vaelib.check.machinery.exercise import Exercise, Mistake, Reference, Run
from vaelib.check.machinery.probe import Outcome, Probe, Seeded
from vaelib.check.machinery.relations import Case, factor, relation
from vaelib.check.machinery.result import CheckResult

Reshaped = Callable[[np.ndarray, np.ndarray], Any]


def _over(axis: int, total: Callable[..., Any]) -> Reshaped:
    return lambda a, b: (total(a, axis), b)


# What is right about a result of the wrong shape.
SHAPES: dict[str, Reshaped] = {
    "the numbers are right, the shape is not": lambda a, b: (a.ravel(), b.ravel()),
    "it is the sum of what is expected: is there a sum too many?": lambda a, b: (a, b.sum()),
    "it is the mean of what is expected: is there a mean too many?": lambda a, b: (a, b.mean()),
    "it is transposed: which axis comes first?": lambda a, b: (a.T, b),
}
SHAPES |= {
    f"its {name} over axis {axis} would be right: is that still to be done?": _over(axis, total)
    for axis in range(3)
    for name, total in (("sum", np.sum), ("mean", np.mean))
}


def _becomes(change: Reshaped, a: np.ndarray, b: np.ndarray) -> bool:
    if not a.size:  # which has no mean
        return False
    try:
        left, right = change(a, b)
    except np.exceptions.AxisError:
        return False
    return bool(np.shape(left) == np.shape(right) and np.allclose(left, right, rtol=1e-4))


@dataclass(frozen=True)
class Wrong:
    """A wrong answer: its outcome for each probe, and the expected one."""

    exercise: Exercise
    run: Run
    reference: Reference
    seed: int
    probes: list[Probe]
    got: list[Outcome]
    want: list[Outcome]

    def known(self, mistakes: tuple[Mistake, ...]) -> CheckResult:
        """For a mistake of the catalogue."""
        more = factor(self.exercise, self._wrong_cases(), self._subject())
        return self._with_inputs(wording.known(self.exercise, mistakes, more))

    def unknown(self) -> CheckResult:
        """For any other."""
        return self._with_inputs(self._unknown())

    def _with_inputs(self, result: CheckResult) -> CheckResult:
        """The result with the smallest input on which the answer is wrong."""
        wrong = [i for i in range(len(self.probes)) if not self._right(i)]
        inputs = wording.inputs(self.exercise, self.probes[self._smallest_of(wrong)])
        return replace(result, inputs=inputs)

    def _right(self, i: int) -> bool:
        got = self.got[i]
        return self._same(i) and same_gradients(got, self.want[i]) and not got.changed

    def _smallest_of(self, indices: list[int]) -> int:
        """Of some probes the one with the fewest numbers, limiting cases last."""
        sizes = {i: sum(math.prod(np.shape(a)) for a in self.probes[i].args) for i in indices}
        return min(indices or [0], key=lambda i: (self.probes[i].limit, sizes.get(i, 0)))

    def _unknown(self) -> CheckResult:
        for limit in (False, True):
            for probe, got, want in zip(self.probes, self.got, self.want, strict=True):
                if probe.limit == limit:
                    found = self._broken(probe, got, want)
                    if found:
                        return found
            if not limit and any(not self._same(i) for i in self._ordinary()):
                return self._different()
        return self._off_at_a_limit()

    def _ordinary(self) -> list[int]:
        return [i for i, probe in enumerate(self.probes) if not probe.limit]

    def _same(self, i: int) -> bool:
        return same_value(self.got[i], self.want[i])

    def _broken(self, probe: Probe, got: Outcome, want: Outcome) -> CheckResult | None:
        """What makes its numbers useless: an error, a type, a shape, NaN, side effects."""
        exercise = self.exercise
        where = wording.at(probe)
        wrong = wording.wrong
        if got.kind == "raised":
            for pattern, name, hint in exercise.errors:
                if re.search(pattern, got.error):
                    return wrong(exercise, name, f"this looks like: {name}", hint, got.error)
            return wording.raised(exercise, got, probe, where)
        if got.changed:
            names = " and ".join(exercise.arguments[i] for i in got.changed)
            text = f"it changes its input {names} in place: make a new tensor (clone) instead"
            return wrong(exercise, "changes its inputs", text)
        if got.used_global_random and any(isinstance(a, Seeded) for a in probe.args):
            text = "it uses the global random state: the generator it is given is not the only one"
            return wrong(exercise, "global random state", text)
        if not got.value or got.several != want.several or len(got.value) != len(want.value):
            return wording.of_type(exercise, got, want)
        if not same_shapes(got, want):
            return self._shape(*self._telling_shape(probe, got, want))
        if finite(want) and not finite(got):
            return self._not_finite(probe, got, where)
        if got.used_global_random and not same_value(got, want):
            text = "it draws random numbers of its own; its arguments alone should decide"
            return wrong(exercise, "global random state", text)
        if not same_value(got, want):
            if ("int" in got.type or "bool" in got.type) and not _whole(want):
                text = f"it returns whole numbers ({got.type}); expected floating-point ones"
                return wrong(exercise, "whole numbers", text, self._example(probe, got, want))
            if "float16" in got.type:
                return wrong(
                    exercise,
                    "half precision",
                    f"it returns half precision ({got.type}), which holds three digits only",
                )
            return None
        return self._gradients(probe, got, want)

    def _telling_shape(self, *first: Any) -> tuple[Probe, Outcome, Outcome]:
        """An ordinary input of wrong shape, one that is not a single number where there is one."""
        cases = [first, *zip(self.probes, self.got, self.want, strict=True)]
        wrong = [
            (probe, got, want)
            for probe, got, want in cases
            if len(got.value) == len(want.value)
            and not same_shapes(got, want)
            and probe.limit == first[0].limit
        ]
        return max(wrong, key=lambda case: min(2, max(v.size for v in case[2].value)))

    def _shape(self, probe: Probe, got: Outcome, want: Outcome) -> CheckResult:
        j = next(
            j for j, both in enumerate(self._both(got, want)) if both[0].shape != both[1].shape
        )
        returned, expected = (
            f"shape {v.shape}" if v.ndim else "a single number" for v in self._both(got, want)[j]
        )
        which = f" for {wording.result_name(self.exercise, j)}" if len(want.value) > 1 else ""
        given = f"for {wording.arguments(self.exercise, probe)}"
        text = f"it returns {returned}{which}; expected {expected}"
        return wording.wrong(self.exercise, "wrong shape", text, self._reshaped(j), given)

    def _both(self, got: Outcome, want: Outcome) -> list[tuple[np.ndarray, np.ndarray]]:
        return list(zip(got.value, want.value, strict=True))

    def _reshaped(self, j: int) -> str:
        """What would make result j right wherever its shape is wrong; else nothing."""
        pairs = [
            self._both(got, want)[j]
            for got, want in zip(self.got, self.want, strict=True)
            if len(got.value) == len(want.value)
        ]
        pairs = [(a, b) for a, b in pairs if a.shape != b.shape]
        for hint, change in SHAPES.items():
            if all(_becomes(change, a, b) for a, b in pairs):
                return hint
        single = all(a.ndim == 0 for a, _ in pairs)
        return (
            "one result for each element is asked for"
            if single and self.exercise.elementwise
            else ""
        )

    def _not_finite(self, probe: Probe, got: Outcome, where: str) -> CheckResult:
        bad = next(v for v in got.value if not np.isfinite(v).all())
        name = "NaN" if np.isnan(bad).any() else "infinite"
        many = f" in {int((~np.isfinite(bad)).sum())} of {bad.size} places" if bad.ndim else ""
        ordinary = all(finite(self.got[i]) for i in self._ordinary())
        start = "right on ordinary inputs, but " if ordinary else ""
        start = start if all(self._same(i) for i in self._ordinary()) else ""
        question = "a log or a root of something negative, 0/0, or an exp too large?"
        given = f"for {wording.arguments(self.exercise, probe)}"
        text = f"{start}it is {name}{many}{where}: {question}"
        return wording.wrong(self.exercise, name, text, given)

    def _gradients(self, probe: Probe, got: Outcome, want: Outcome) -> CheckResult | None:
        """Wrong gradients of a right value."""
        if same_gradients(got, want):
            return None
        names = [self.exercise.arguments[i] for i in probe.gradients]
        both = list(zip(names, got.gradients, want.gradients, strict=True))
        cut = [n for n, a, b in both if a is None and b is not None]
        if cut:
            text = f"the numbers are right, but no gradient reaches {' and '.join(cut)}"
            hint = "what cuts a tensor from the graph: detach, .data, .item(), NumPy, a new tensor?"
            return wording.wrong(self.exercise, "graph cut", text, hint)
        tol = tolerance(got)
        off = [
            n for n, a, b in both
            if a is not None and b is not None
            and not (a.shape == b.shape and close(a, b, tol).all())
        ]  # fmt: skip
        if not off:  # a gradient where none is asked for
            return None
        text = f"the numbers are right, but the gradient with respect to {' and '.join(off)} is not"
        return wording.wrong(self.exercise, "wrong gradient", text, "is a part of it detached?")

    def _cases(self, j: int) -> list[Case] | None:
        """Result j of every probe, limiting cases too; None if some cannot be compared.

        What is said of wrong numbers has to hold on all of them.
        """
        compared = [i for i in range(len(self.probes)) if finite(self.want[i])]
        if not all(same_shapes(self.got[i], self.want[i]) for i in compared):
            return None
        cases = [
            Case(
                self.got[i].value[j], self.want[i].value[j], self.probes[i], tolerance(self.got[i])
            )
            for i in compared
        ]
        return None if any(np.isnan(case.got).any() for case in cases) else cases

    def _wrong_cases(self) -> list[Case]:
        """All cases of the first result that is wrong."""
        for j in range(len(self.want[0].value)):
            cases = self._cases(j) or []
            if not all(case.is_close(case.got, case.want) for case in cases):
                return cases
        return []

    def _subject(self) -> str:
        """What is wrong, if there are several results: "the covariance"."""
        for j in range(len(self.want[0].value)):
            if any(not c.is_close(c.got, c.want) for c in self._cases(j) or []):
                several = len(self.want[0].value) > 1
                return wording.result_name(self.exercise, j) if several else "your result"
        return "your result"

    def _example(self, probe: Probe, got: Outcome, want: Outcome) -> str:
        if not same_shapes(got, want):
            return ""
        return wording.example(self.exercise, probe, got, want, masks(got, want))

    def _smallest(self) -> str:
        """Both numbers, for the smallest input on which they differ."""
        i = self._smallest_of([i for i in range(len(self.probes)) if not self._same(i)])
        return self._example(self.probes[i], self.got[i], self.want[i])

    def _different(self) -> CheckResult:
        """Wrong numbers of the right type and shape."""
        which = self._which()
        found = self._near_miss()
        text = found[1] if found else ""
        if found is None:
            found = relation(self.exercise, self._wrong_cases())
            text = f"{self._subject()} is {found[1]}" if found else ""
        if found is None:
            ordinary = [self.probes[i] for i in self._ordinary()]
            all_wrong = not any(self._same(i) for i in self._ordinary())
            found = simpler(self.exercise, self.reference, self.run, ordinary, all_wrong)
            text = found[1] if found else f"it differs from the expected result{self._right_at()}"
        property_ = failing_property(self.exercise, self.run, self.seed)
        name = found[0] if found else None
        return wording.wrong(self.exercise, name, text, which, property_ or "", self._smallest())

    def _which(self) -> str:
        """Of several results, which are right on every input that was tried."""
        count = len(self.want[0].value)
        compared = [i for i in range(len(self.probes)) if same_shapes(self.got[i], self.want[i])]
        said = []
        for j in range(count if count > 1 else 0):
            good = all(
                close(self.got[i].value[j], self.want[i].value[j], tolerance(self.got[i])).all()
                for i in compared
            )
            said.append(
                f"{wording.result_name(self.exercise, j)} is {'right' if good else 'wrong'}"
            )
        return "; ".join(said)

    def _near_miss(self) -> tuple[str, str] | None:
        """For numbers that are right to three digits on every ordinary input."""
        every = [i for i in range(len(self.probes)) if same_shapes(self.got[i], self.want[i])]
        near = [i for i in every if same_value(self.got[i], self.want[i], NEAR)]
        if not near or not set(self._ordinary()) <= set(near):
            return None
        pairs = [
            (got, want)
            for i in near
            for got, want in zip(self.got[i].value, self.want[i].value, strict=True)
        ]
        largest = 0.0
        for got, want in pairs:
            finite_here = np.isfinite(got) & np.isfinite(want) & (np.abs(want) > 1e-6)
            off = np.abs(got - want)[finite_here] / np.abs(want)[finite_here]
            largest = max(largest, float(off.max(initial=0)))
        question = "is a constant rounded, a small number added, or float32 used on the way?"
        off = [self.probes[i].label for i in every if i not in near]
        further = f", further off for “{off[0]}”" if off else ""
        return (
            "a near miss",
            f"a near miss, right up to a relative error of {largest:.1g}{further}: {question}",
        )

    def _right_at(self) -> str:
        """The limiting cases in which the answer is right."""
        both = zip(self.probes, self.got, self.want, strict=True)
        labels = [f"“{probe.label}”" for probe, a, b in both if probe.limit and same_value(a, b)]
        return f", but it is right for {' and '.join(labels[:2])}" if labels else ""

    def _off_at_a_limit(self) -> CheckResult:
        wrong = [i for i in range(len(self.probes)) if not self._right(i)]
        labels = " and ".join(dict.fromkeys(f"“{self.probes[i].label}”" for i in wrong))
        text = f"right on ordinary inputs, wrong for {labels}"
        return wording.wrong(self.exercise, f"wrong for {labels}", text, self._smallest())


def single_precision(exercise: Exercise, probe: Probe, got: Outcome, want: Outcome) -> CheckResult:
    """For an answer that is right for float64 and not for float32."""
    text = "right in double precision, but not for float32 inputs"
    hint = "is a dtype fixed somewhere? x.dtype is that of the input x"
    name = "float32 inputs"
    if got.kind == "raised":
        return wording.wrong(exercise, name, f"{text}: it raises an error", got.error, hint)
    if not same_shapes(got, want):
        return wording.wrong(exercise, name, f"{text}: it returns {got.type}", hint)
    example = wording.example(exercise, probe, got, want, masks(got, want))
    return wording.wrong(exercise, name, text, example, hint)


def _changed(probe: Probe, i: int, change: Any) -> Probe:
    args = list(probe.args)
    args[i] = change(args[i])
    return replace(probe, args=tuple(args), gradients=())


def _whole(want: Outcome) -> bool:
    """Whether whole numbers are what is expected."""
    return all((v[np.isfinite(v)] % 1 == 0).all() for v in want.value)


def _is_float(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, Tensor) and value.is_floating_point())


def simpler(
    exercise: Exercise, reference: Reference, run: Run, probes: list[Probe], all_wrong: bool
) -> tuple[str, str] | None:
    """The argument that explains it: one that is not used, or the answer is right at 0 or 1.

    Either has to hold for all of the probes, and the second only if all of them are wrong.
    """
    probes = [replace(probe, gradients=()) for probe in probes]
    names = [
        (i, name)
        for i, name in enumerate(exercise.arguments)
        if all(_is_float(probe.args[i]) for probe in probes) and name not in exercise.fixed
    ]
    for i, name in names:
        if all(_not_used(i, reference, run, probe) for probe in probes):
            text = f"your result does not change when {name} does: where does {name} enter?"
            return f"{name} not used", text
    if not all_wrong:
        return None
    good: dict[str, str] = {}
    for value in (0.0, 1.0):
        for i, name in names:
            if all(_right_where(i, value, reference, run, probe) for probe in probes):
                good.setdefault(name, f"{name} is {value:g}")
    if len(good) != 1:
        return None
    ((name, where),) = good.items()
    return f"in {name}", f"right where {where}, wrong on ordinary inputs: how does {name} enter?"


def _not_used(i: int, reference: Reference, run: Run, probe: Probe) -> bool:
    """Whether the answer stays what it is when argument i changes, and the right one does not."""
    nearby = _changed(probe, i, lambda a: 0.9 * a)
    want = reference(nearby)
    want_here = reference(probe)
    moved = same_shapes(want, want_here) and not same_value(want, want_here)
    if not (moved and finite(want)):
        return False
    here = run(probe)
    others = (nearby, _changed(probe, i, _unevenly), _changed(probe, i, lambda a: 0.4 * a))
    return all(same_value(run(other), here, DOUBLE) for other in others)


def _right_where(i: int, value: float, reference: Reference, run: Run, probe: Probe) -> bool:
    """Whether the answer is right where argument i is 0, or 1, and the right one is not all 0."""
    special = _changed(probe, i, lambda a: _filled(a, value))
    want = reference(special)
    trivial = not want.value or not any(np.abs(v).max(initial=0) > 1e-9 for v in want.value)
    return finite(want) and not trivial and same_value(run(special), want)


def _unevenly(value: Any) -> Any:
    """The value, each element of it a little smaller, and not all by the same factor."""
    if not isinstance(value, Tensor):
        return 0.85 * value
    factors = 0.9 + 0.05 * torch.arange(value.numel(), dtype=value.dtype).cos()
    return value * factors.reshape(value.shape)


def _filled(value: Any, constant: float) -> Any:
    return torch.full_like(value, constant) if isinstance(value, Tensor) else constant


def failing_property(exercise: Exercise, run: Run, seed: int) -> str | None:
    """The sentence of the first property that does not hold."""
    for prop in exercise.properties:
        outcomes = [run(p) for p in prop.probes(np.random.default_rng(seed))]
        if all(o.kind == "value" and o.value for o in outcomes) and not prop.holds(outcomes):
            return prop.fails
    return None


def masks(got: Outcome, want: Outcome) -> list[np.ndarray]:
    """For each result, where the two differ; they have the same shapes."""
    return [~close(a, b, tolerance(got)) for a, b in zip(got.value, want.value, strict=True)]
