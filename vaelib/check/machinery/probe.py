"""Where the student's function is called: one guarded call, and its outcome as plain data."""

import ast
import dis
import inspect
import linecache
import re
import textwrap
import tokenize
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.check.machinery.limits import Late, Stopped, guarded, run_limited

LEFT_IN = "`raise NotImplementedError` is still in the function"
LARGEST = 1_000_000  # numbers in a result that is kept
LIBRARIES = tuple(str(Path(str(module.__file__)).parent) for module in (torch, np))


@dataclass(frozen=True)
class Seeded:
    """Stands for `torch.Generator().manual_seed(seed)`, which is made for each call."""

    seed: int


class Recipe:
    """Stands for an object that is made for each call, such as a model. Its repr can be pasted."""

    def make(self, before: list[Any]) -> Any:
        """The object; `before` are the arguments that come before it."""
        raise NotImplementedError

    def after(self, made: Any) -> tuple[Any, ...]:
        """What the call has left in the object; these numbers are results too."""
        return ()


@dataclass(frozen=True)
class Probe:
    """One call to make: its arguments, and what to look at besides its value.

    `gradients` holds the indices of the arguments in which a gradient is wanted: that of the
    output's sum, weighted by `weights`. `limit` marks a limiting case, and `label` describes it.
    `calls` says how often the function is called, with the same objects; the last result counts.
    """

    args: tuple[Any, ...]
    gradients: tuple[int, ...] = ()
    label: str = ""
    limit: bool = False
    calls: int = 1


@dataclass(frozen=True)
class Outcome:
    """The outcome of one call, in plain data, so that another process can send it without pickle.

    `kind` is "value", "not attempted", "raised", "timeout", "exit", "recursion", "memory" or
    "stopped" (by the user). A result without numbers in it leaves `value` empty; `type` names it.
    """

    kind: str
    value: tuple[np.ndarray, ...] = ()
    several: bool = False
    type: str = ""
    error: str = ""
    gradients: tuple[np.ndarray | None, ...] = ()
    changed: tuple[int, ...] = ()
    used_global_random: bool = False
    printed: int = 0


def call(
    function: Callable[..., Any], probe: Probe, seconds: float = 3.0, echo: int = 0
) -> Outcome:
    """The function's outcome for the probe, within `seconds`; `echo` characters may be printed.

    A function that raises is called again with tensors for Python's numbers, and then with NumPy
    arrays for tensors, unless gradients are wanted.
    """
    first = _guarded_call(function, probe, seconds, echo, _fresh)
    if first.kind != "raised" or probe.gradients:
        return first
    for convert in (_number_to_tensor, _to_numpy):
        if any(convert(a) is not a for a in probe.args):
            again = _guarded_call(function, probe, seconds, 0, partial(_converted, convert))
            if again.kind == "value" and again.value:
                return again
    return first


def perform(
    function: Callable[..., Any],
    probe: Probe,
    args: list[Any] | None = None,
) -> Outcome:
    """The call itself, unguarded: every exception except `Stopped` becomes an outcome."""
    args = made(probe) if args is None else args
    for i in probe.gradients:
        args[i].requires_grad_()
    before = [_fresh(a) for a in args]
    try:
        for _ in range(probe.calls):
            value = function(*args)
        arrays, several, name = _plain(value)
        for recipe, thing in zip(probe.args, args, strict=True):
            if isinstance(recipe, Recipe):
                left = (_array(part)[0] for part in recipe.after(thing))
                arrays += tuple(array for array in left if array is not None)
        gradients = _gradients(value, [args[i] for i in probe.gradients])
        outcome = Outcome("value", arrays, several, name, gradients=gradients)
    except Stopped:
        raise
    except BaseException as error:
        outcome = _failure(error, function)
    changed = tuple(i for i, (a, b) in enumerate(zip(args, before, strict=True)) if _differ(a, b))
    return replace(outcome, changed=changed)


def made(probe: Probe, convert: Callable[[Any], Any] | None = None) -> list[Any]:
    """The arguments of one call: copies, and what the recipes make."""
    args: list[Any] = []
    for a in probe.args:
        args.append(a.make(args) if isinstance(a, Recipe) else (convert or _fresh)(a))
    return args


def _guarded_call(
    function: Callable[..., Any],
    probe: Probe,
    seconds: float,
    echo: int,
    convert: Callable[[Any], Any],
) -> Outcome:
    with guarded(echo, getattr(function, "__globals__", None)) as watch:
        # A `torch.eye(D)` in an answer should fit its input, whatever the lesson's default is.
        for dtype in [a.dtype for a in probe.args if isinstance(a, Tensor)][:1]:
            if dtype in (torch.float32, torch.float64):
                torch.set_default_dtype(dtype)
        args = made(probe, convert)  # not in the function's time
        try:
            outcome = run_limited(lambda: perform(function, probe, args), seconds)
        except Late:
            outcome = Outcome("timeout", error=f"{seconds:g}")
        except KeyboardInterrupt:
            outcome = Outcome("stopped")
    return replace(outcome, used_global_random=watch.used_global_random, printed=watch.printed)


def _fresh(argument: Any) -> Any:
    if isinstance(argument, Tensor):
        return argument.detach().clone()
    if isinstance(argument, np.ndarray):
        return argument.copy()
    if isinstance(argument, Seeded):
        return torch.Generator().manual_seed(argument.seed)
    return argument


def _converted(convert: Callable[[Any], Any], argument: Any) -> Any:
    return convert(_fresh(argument))


def _number_to_tensor(argument: Any) -> Any:
    return torch.tensor(argument, dtype=torch.float64) if isinstance(argument, float) else argument


def _to_numpy(argument: Any) -> Any:
    if not isinstance(argument, Tensor):
        return argument
    return argument.item() if argument.ndim == 0 else argument.numpy()


def _differ(a: Any, b: Any) -> bool:
    """Whether an argument was changed."""
    if isinstance(a, Tensor):
        if a.shape != b.shape or a.dtype != b.dtype:
            return True
        if torch.equal(a.detach(), b):  # the quick way; it takes NaN for a change
            return False
        return not np.array_equal(a.detach().numpy(), b.numpy(), equal_nan=True)
    return isinstance(a, np.ndarray) and not np.array_equal(a, b, equal_nan=True)


def _plain(value: Any) -> tuple[tuple[np.ndarray, ...], bool, str]:
    """The arrays in a result, whether it is a tuple or a list, and its type in words."""
    if not isinstance(value, tuple | list):
        array, name = _array(value)
        return (() if array is None else (array,)), False, name
    parts = [_array(part) for part in value[:64]]
    names = list(dict.fromkeys(name for _, name in parts))
    name = f"{'list' if isinstance(value, list) else 'tuple'} of {len(value)} ({', '.join(names)})"
    arrays = tuple(array for array, _ in parts if array is not None)
    return (arrays if len(arrays) == len(value) else ()), True, name


def _array(value: Any) -> tuple[np.ndarray | None, str]:
    name = type(value).__name__
    if isinstance(value, Tensor):
        name = f"Tensor {str(value.dtype).removeprefix('torch.')}"
        size = value.numel()
        if value.is_complex():
            return None, name
        if size <= LARGEST:
            return np.array(value.detach().cpu().to(torch.float64).numpy()), name
    elif isinstance(value, np.ndarray | np.generic):
        name = f"{'ndarray' if np.ndim(value) else 'number'} {value.dtype}"
        size = value.size
        if value.dtype.kind not in "fiubO":
            return None, name
        if size <= LARGEST:
            try:
                return np.array(value, dtype=np.float64), name
            except (TypeError, ValueError):
                return None, name
    elif isinstance(value, Real):
        return np.array(float(value)), name
    else:
        return None, name
    return None, f"{name} of shape {tuple(value.shape)}"


def weights(shape: tuple[int, ...]) -> Tensor:
    """Fixed weights, all different, so that a gradient at the wrong element is noticed."""
    count = int(np.prod(shape))
    return (1.5 + torch.arange(count, dtype=torch.float64).cos()).reshape(shape)


def _gradients(value: Any, leaves: list[Tensor]) -> tuple[np.ndarray | None, ...]:
    results = value if isinstance(value, tuple | list) else [value]
    reached = [r for r in results if isinstance(r, Tensor) and r.requires_grad]
    if not leaves or not reached:
        return (None,) * len(leaves)
    total = sum((r * weights(tuple(r.shape)).to(r.dtype)).sum() for r in reached)
    found = torch.autograd.grad(total, leaves, allow_unused=True)  # type: ignore[arg-type]
    return tuple(None if g is None else np.array(g.double().numpy()) for g in found)


def _by_a_raise(error: BaseException) -> bool:
    """Whether a `raise` in the innermost Python code raised it, and no library inside a call."""
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    if innermost is None:
        return False
    at = innermost.tb_lasti
    code = innermost.tb_frame.f_code
    return any(i.offset == at and i.opname == "RAISE_VARARGS" for i in dis.get_instructions(code))


def _only_raises(function: Callable[..., Any]) -> bool:
    """Whether nothing but a docstring and one `raise` is in the function, as in an exercise."""
    code = getattr(function, "__code__", None)
    if code is None:
        return True
    lines = "".join(linecache.getlines(code.co_filename)).splitlines(keepends=True)
    try:
        block = inspect.getblock(lines[code.co_firstlineno - 1 :])
        body = ast.parse(textwrap.dedent("".join(block))).body[0].body  # type: ignore[attr-defined]
    except (SyntaxError, IndexError, AttributeError, tokenize.TokenError):
        return len({line for _, _, line in code.co_lines() if line} - {code.co_firstlineno}) <= 1
    return sum(not isinstance(part, ast.Expr | ast.Pass) for part in body) == 1


def _failure(error: BaseException, function: Callable[..., Any]) -> Outcome:
    """An exception as an outcome: its text and the line of the student's code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    own = [f for f in frames if not f.filename.startswith(LIBRARIES)]
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    own = [f for f in own if f.filename == file] or own
    try:
        text = re.sub(r" at 0x[0-9a-f]+", "", f"{type(error).__name__}: {error}"[:300]).rstrip(": ")
    except Exception:
        text = type(error).__name__
    if own and own[-1].lineno is not None:
        line = (own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno)).strip()
        text += f"\nin the line: {line[:120]}" if line else ""
    if isinstance(error, NotImplementedError) and own and frames[-1] is own[-1]:
        if _by_a_raise(error):
            return (
                Outcome("not attempted")
                if _only_raises(function)
                else Outcome("raised", error=LEFT_IN)
            )
    if isinstance(error, KeyboardInterrupt):
        return Outcome("stopped")
    if isinstance(error, SystemExit | GeneratorExit):
        return Outcome("exit", error=text)
    if isinstance(error, RecursionError):
        return Outcome("recursion", error=text)
    if isinstance(error, MemoryError) or re.search(
        "not enough memory|out of memory|allocate memory", text
    ):
        return Outcome("memory", error=text)
    return Outcome("raised", error=text)
