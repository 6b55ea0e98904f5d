"""What came of a call, as bytes that cannot do anything: JSON and plain numbers, never pickle.

The process that reads them trusts nothing: whatever is not exactly such an answer is a ValueError.
"""

import json
from dataclasses import fields
from math import prod
from typing import Any

import numpy as np

from vaelib.check.machinery.probe import Outcome

LARGEST = 16 << 20  # bytes of one answer
KINDS = {"value", "not attempted", "raised", "timeout", "exit", "recursion", "memory", "stopped"}


def pack(number: int, said: dict[str, Any], arrays: tuple[np.ndarray, ...] = ()) -> bytes:
    """A frame: its number, a JSON object, and arrays of float64."""
    blobs = [np.ascontiguousarray(array, dtype="<f8") for array in arrays]
    shapes = [list(array.shape) for array in arrays]
    head = json.dumps({"number": number, "shapes": shapes, "said": said}).encode()
    return b"%d\n" % len(head) + head + b"".join(blob.tobytes() for blob in blobs)


def unpack(frame: bytes, number: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The object and the arrays of a frame; ValueError if it is not the one with this number."""
    try:
        size, _, rest = frame.partition(b"\n")
        head, blob = rest[: int(size)], rest[int(size) :]
        document = json.loads(head)
        said, shapes = document["said"], document["shapes"]
        if document["number"] != number or not isinstance(said, dict):
            raise ValueError("an answer that was not asked for")
        arrays = []
        for shape in shapes:
            if not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 16:
                raise ValueError("a shape that is none")
            count = prod(shape)
            if 8 * count > len(blob):
                raise ValueError("fewer numbers than announced")
            arrays.append(np.frombuffer(blob, "<f8", count).reshape(shape).astype(np.float64))
            blob = blob[8 * count :]
        if blob:
            raise ValueError("more numbers than announced")
    except (KeyError, TypeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"no answer: {type(error).__name__}") from None
    return said, arrays


def pack_outcome(number: int, outcome: Outcome) -> bytes:
    """An outcome as a frame; gradients that are None are left out and counted by their places."""
    arrays = [g for g in outcome.gradients if g is not None]
    said = {f.name: getattr(outcome, f.name) for f in fields(outcome)}
    said["value"] = len(outcome.value)
    said["gradients"] = [g is not None for g in outcome.gradients]
    return pack(number, said, (*outcome.value, *arrays))


def unpack_outcome(frame: bytes, number: int) -> Outcome:
    """The outcome in a frame. Raises ValueError at anything else."""
    said, arrays = unpack(frame, number)
    values, reached = said.pop("value", None), said.pop("gradients", None)
    types = {"kind": str, "several": bool, "type": str, "error": str}
    types |= {"used_global_random": bool, "printed": int}
    changed = said.pop("changed", None)
    if type(values) is not int or not isinstance(reached, list) or not isinstance(changed, list):
        raise ValueError("no outcome")
    if any(type(i) is not int for i in changed) or any(type(r) is not bool for r in reached):
        raise ValueError("no outcome")
    if {name: type(value) for name, value in said.items()} != types or said["kind"] not in KINDS:
        raise ValueError("no outcome")
    if not 0 <= values <= len(arrays) or len(arrays) - values != sum(reached):
        raise ValueError("not as many arrays as announced")
    found = iter(arrays[values:])
    said |= {name: text(said[name]) for name in ("type", "error")}
    gradients = tuple(next(found) if there else None for there in reached)
    return Outcome(
        value=tuple(arrays[:values]), gradients=gradients, changed=tuple(changed), **said
    )


def text(value: Any, longest: int = 2000) -> str:
    """A text from outside: short, and without what could steer a terminal."""
    short = str(value)[:longest]
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in short)
