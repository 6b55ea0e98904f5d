"""The outcome of a call as bytes that cannot do anything: JSON and plain numbers, never pickle.

The marking program does not trust what it reads: anything else than such an answer is a ValueError.
"""

import json
from dataclasses import fields
from math import prod
from typing import Any

import numpy as np

from vaelib.check.machinery.probe import Outcome

LARGEST = 16 << 20  # bytes of one answer
LONGEST_TEXT = 200_000  # characters of one that is a text
# Of the parts of an outcome that are neither arrays nor lists.
TYPES = {
    "kind": str,
    "several": bool,
    "type": str,
    "error": str,
    "used_global_random": bool,
    "printed": int,
}
KINDS = {"value", "not attempted", "raised", "timeout", "exit", "recursion", "memory", "stopped"}


def pack(number: int, content: dict[str, Any], arrays: tuple[np.ndarray, ...] = ()) -> bytes:
    """A frame: its number, a JSON object, and arrays of float64."""
    blobs = [np.ascontiguousarray(array, dtype="<f8") for array in arrays]
    shapes = [list(array.shape) for array in arrays]
    head = json.dumps({"number": number, "shapes": shapes, "content": content}).encode()
    return b"%d\n" % len(head) + head + b"".join(blob.tobytes() for blob in blobs)


def unpack(frame: bytes, number: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The object and the arrays of a frame; ValueError if it is not the one with this number."""
    try:
        size, _, rest = frame.partition(b"\n")
        head = rest[: int(size)]
        blob = rest[int(size) :]
        document = json.loads(head)
        content = document["content"]
        if document["number"] != number or not isinstance(content, dict):
            raise ValueError("an answer that was not asked for")
        arrays = []
        for shape in document["shapes"]:
            if not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 16:
                raise ValueError("not a shape")
            count = prod(shape)
            if 8 * count > len(blob):
                raise ValueError("fewer numbers than announced")
            arrays.append(np.frombuffer(blob, "<f8", count).reshape(shape).astype(np.float64))
            blob = blob[8 * count :]
        if blob:
            raise ValueError("more numbers than announced")
    except (KeyError, TypeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"not an answer: {type(error).__name__}") from None
    return content, arrays


def unpack_text(frame: bytes, number: int) -> str:
    """The text in a frame that holds nothing else. Raises ValueError at anything else."""
    content, arrays = unpack(frame, number)
    if set(content) != {"error"} or not isinstance(content["error"], str) or arrays:
        raise ValueError("not a text")
    return text(content["error"], LONGEST_TEXT)


def pack_outcome(number: int, outcome: Outcome) -> bytes:
    """An outcome as a frame. Of a gradient that is None the frame has only its place."""
    arrays = [g for g in outcome.gradients if g is not None]
    content = {f.name: getattr(outcome, f.name) for f in fields(outcome)}
    content["value"] = len(outcome.value)
    content["gradients"] = [g is not None for g in outcome.gradients]
    return pack(number, content, (*outcome.value, *arrays))


def unpack_outcome(frame: bytes, number: int) -> Outcome:
    """The outcome in a frame. Raises ValueError at anything else."""
    content, arrays = unpack(frame, number)
    n_values = content.pop("value", None)
    has_gradient = content.pop("gradients", None)
    changed = content.pop("changed", None)
    if type(n_values) is not int:
        raise ValueError("not an outcome")
    if not isinstance(has_gradient, list) or any(type(h) is not bool for h in has_gradient):
        raise ValueError("not an outcome")
    if not isinstance(changed, list) or any(type(i) is not int for i in changed):
        raise ValueError("not an outcome")
    if {name: type(value) for name, value in content.items()} != TYPES:
        raise ValueError("not an outcome")
    if content["kind"] not in KINDS:
        raise ValueError("not an outcome")
    if not 0 <= n_values <= len(arrays) or len(arrays) - n_values != sum(has_gradient):
        raise ValueError("not as many arrays as announced")
    content |= {name: short(content[name]) for name in ("type", "error")}
    remaining = iter(arrays[n_values:])
    gradients = tuple(next(remaining) if has else None for has in has_gradient)
    return Outcome(
        value=tuple(arrays[:n_values]), gradients=gradients, changed=tuple(changed), **content
    )


def short(value: Any) -> str:
    """A text for one line or a few."""
    return text(value, 2000)


def text(value: Any, longest: int = 60_000) -> str:
    """A text from a submission, cut, and without characters that could steer a terminal."""
    short = str(value)[:longest]
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in short)
