"""The sentences that a student reads: results, arguments, and how an answer fails."""

import re
from typing import Any

import numpy as np
from torch import Tensor

from vaelib.check.machinery.exercise import Exercise, Mistake
from vaelib.check.machinery.probe import LEFT_IN, Outcome, Probe, Seeded
from vaelib.check.machinery.result import CheckResult

ENDED = {
    "timeout": (
        "never ends",
        "it did not come back within {0} s{1} and was stopped: is there a loop that does not end?",
    ),
    "exit": (
        "calls exit",
        "it calls exit{1}: a function hands its result back with return",
    ),
    "recursion": (
        "endless recursion",
        "it calls itself without end{1}: where does that stop?",
    ),
    "memory": (
        "out of memory",
        "it asks for more memory than there is{1}: how large is its array?",
    ),
}
LARGEST_SHOWN = 24  # numbers of an argument that a message shows
# By the type of a result that is neither a number nor an array.
TYPES = {
    "NoneType": (
        "returns None",
        "it returns nothing (None): is there a return at its end?",
    ),
    "str": ("returns a string", "it returns a string (str); expected {}"),
    "generator": (
        "returns a generator",
        "it returns a generator: is there a yield for a return?",
    ),
    "coroutine": (
        "returns a coroutine",
        "it returns a coroutine: is there an async before def?",
    ),
    "function": (
        "returns a function",
        "it returns a function: are the brackets () after it missing?",
    ),
}
NOT_CALLED = ("method", "builtin_function_or_method", "method_descriptor")
TYPES |= {name: TYPES["function"] for name in NOT_CALLED}


def right(exercise: Exercise, note: str = "") -> CheckResult:
    text = f"✓ {exercise.number} {exercise.name}: right{note}"
    return CheckResult(True, True, text, shown=exercise.shown)


def wrong(exercise: Exercise, name: str | None, headline: str, *more: str) -> CheckResult:
    title = f"✗ {exercise.number} {exercise.name}: "
    lines = [line for text in (headline, *more) if text for line in text.split("\n")]
    return CheckResult(False, True, title + "\n  ".join(lines), name)


def ended(exercise: Exercise, got: Outcome, probe: Probe) -> CheckResult:
    """For a call that gave neither a result nor an ordinary error."""
    if got.kind == "not attempted":
        text = f"– {exercise.number} {exercise.name}: not attempted yet"
        return CheckResult(False, False, text)
    if got.kind == "stopped":
        return wrong(exercise, None, "stopped by you before it came back")
    name, sentence = ENDED[got.kind]
    where = at(probe)
    detail = got.error if got.kind == "memory" else ""
    return wrong(exercise, name, sentence.format(got.error, where), detail)


def at(probe: Probe) -> str:
    """Names the input, if it is a limiting case."""
    return f" for the input “{probe.label}”" if probe.label else ""


def known(exercise: Exercise, mistakes: tuple[Mistake, ...], more: str) -> CheckResult:
    name = " + ".join(m.name for m in mistakes)
    looks = "this looks like" if len(mistakes) == 1 else "this looks like two mistakes at once"
    return wrong(exercise, name, f"{looks}: {name}", *(m.hint for m in mistakes), more)


def raised(exercise: Exercise, got: Outcome, probe: Probe, where: str = "") -> CheckResult:
    """For an error in the student's code."""
    error = got.error
    if error == LEFT_IN:
        return wrong(exercise, "raise left in", f"{error}: delete that line")
    if "requires grad" in error and "numpy" in error:
        text = (
            "it leaves PyTorch's graph (NumPy, .item() …), so that no gradient can reach its inputs"
        )
        return wrong(exercise, "graph cut", text, error)
    if "in-place operation" in error and "leaf" in error:
        text = "it changes one of its inputs in place: make a new tensor instead"
        return wrong(exercise, "changes its inputs", text, error)
    if error.startswith("EOFError: input()"):
        return wrong(
            exercise,
            "asks for input",
            "it waits for input(): all it needs is in its arguments",
        )
    if re.search(r"bitwise_xor|for \^", error):
        return wrong(exercise, "^ for **", "in Python ^ is no power: x ** 2 is x squared", error)
    if "positional argument" in error or "unexpected keyword" in error:
        hint = f"it is called as {exercise.signature}"
    else:
        hint = f"with {arguments(exercise, probe)}"
    name = f"raises {error.split(':')[0].split(chr(10))[0]}"
    return wrong(exercise, name, f"it raises an error{where}", error, hint)


def of_type(exercise: Exercise, got: Outcome, want: Outcome) -> CheckResult:
    """For a result that is not a number, an array or a tuple of these, or has the wrong length."""
    wanted = expectation(want)
    if want.several and not got.several and got.value:
        text = f"it returns one result ({got.type}); expected {wanted}"
        return wrong(
            exercise,
            "one result for several",
            text,
            "return them as a tuple: return a, b",
        )
    if got.several and not want.several:
        if got.type.startswith("tuple of 1 "):
            text = "it returns a tuple of one: is there a comma at the end of its return?"
            return wrong(exercise, "a tuple of one", text)
        if got.type.startswith("list of 1 ") and not want.value[0].ndim:
            text = "it returns a list of one: is it the number inside that is asked for?"
            return wrong(exercise, "a list of one", text)
        text = f"it returns a {got.type}; expected {wanted}"
        if got.type.startswith("list") and want.value[0].ndim:
            maker = "torch.stack" if "Tensor" in got.type else "torch.tensor"
            hint = f"{maker} makes one tensor of a list"
            return wrong(exercise, "a list for a tensor", text, hint)
        several = "which of them is asked for?"
        if got.type.startswith("list"):
            several = "one number is asked for: how do these become one?"
        return wrong(exercise, "several results", text, several)
    if got.several and want.several and got.value:
        text = f"it returns a {got.type}; expected {wanted}"
        return wrong(exercise, "wrong number of results", text)
    if got.several and any(kind in got.type for kind in NOT_CALLED):
        text = f"it returns a {got.type}: are the brackets () after one of them missing?"
        return wrong(exercise, "returns a function", text)
    other = ("wrong type", "it returns a result of type {type}; expected {}")
    name, text = TYPES.get(got.type, other)
    return wrong(exercise, name, text.format(wanted, type=got.type))


def expectation(want: Outcome) -> str:
    """The expected result in words: "a tensor of shape (5,)"."""
    parts = [f"shape {v.shape}" if v.ndim else "a scalar" for v in want.value]
    if want.several:
        return f"a tuple of {len(parts)} ({', '.join(parts)})"
    return f"a tensor of {parts[0]}" if want.value[0].ndim else parts[0]


def number(x: float, other: float | None = None) -> str:
    """Six digits, or as many as it takes to distinguish it from `other`."""
    for digits in (6, 9, 12, 17):
        text = f"{x:.{digits}g}"
        if other is None or text != f"{other:.{digits}g}":
            break
    return text


def show(value: Any) -> str:
    """An argument as code that can be pasted; a large one as its shape."""
    if isinstance(value, Tensor):
        array = value.detach().numpy()
        if array.size > LARGEST_SHOWN:
            return f"(shape {array.shape}, in result.inputs)"
        return f"torch.tensor({nested(array)})"
    if isinstance(value, Seeded):
        return f"torch.Generator().manual_seed({value.seed})"
    if isinstance(value, float):
        return number(value)
    text = repr(value)
    return text if len(text) < 300 else "(in result.inputs)"


def nested(array: np.ndarray) -> str:
    """The numbers of an array in brackets."""
    if array.ndim == 0:
        return number(float(array))
    return "[" + ", ".join(nested(part) for part in array) + "]"


def arguments(exercise: Exercise, probe: Probe) -> str:
    """ "mu = [0.1, 0.2], sigma_x = 0.5"."""
    shown = zip(exercise.arguments, probe.args, strict=True)
    listed = ", ".join(f"{name} = {show(value)}" for name, value in shown)
    return listed if probe.calls == 1 else f"{listed}, after {probe.calls} calls"


def example(
    exercise: Exercise,
    probe: Probe,
    got: Outcome,
    want: Outcome,
    wrong_at: list[np.ndarray],
) -> str:
    """Both numbers where they differ most; `wrong_at` has a mask of such places per result."""
    for j, mask in enumerate(wrong_at):
        if not mask.any():
            continue
        off = np.where(mask, np.abs(np.nan_to_num(got.value[j]) - np.nan_to_num(want.value[j])), -1)
        index = tuple(int(i) for i in np.unravel_index(int(off.argmax()), off.shape))
        yours = float(got.value[j][index])
        expected = float(want.value[j][index])
        shapes = {np.shape(a) for a in probe.args}
        if exercise.elementwise and index and shapes == {mask.shape}:
            probe = Probe(tuple(a[index] for a in probe.args))
            place = ""
        else:
            place = f" at {list(index)}" if mask.size > 1 else ""
        which = f", {result_name(exercise, j)}" if len(wrong_at) > 1 else ""
        numbers = f"yours {number(yours, expected)}, expected {number(expected, yours)}"
        return f"for {arguments(exercise, probe)}{which}{place}: {numbers}"
    return ""


def result_name(exercise: Exercise, j: int) -> str:
    return exercise.results[j] if j < len(exercise.results) else f"result {j + 1}"


def inputs(exercise: Exercise, probe: Probe) -> dict[str, Any]:
    """The arguments by name, for the student to try."""
    return dict(zip(exercise.arguments, probe.args, strict=True))
