"""Grey faces drawn from two known factors: an expression and a head pose.

A head is an egg, round about its vertical axis. The pixel (u, v) sees a point of it at depth
w = sqrt(R(v)^2 - u^2). When the head is turned by yaw, that point's own sideways coordinate is
x = u cos(yaw) - w sin(yaw), so a face that is painted in (x, v) turns with the head. How much of a
pixel a shape covers is a smooth function of their distance, so pictures change smoothly with both
factors and need no oversampling. Left and right are mirror images.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from vaelib import validation
from vaelib.threads import one_thread

MAX_YAW = math.radians(24.0)  # the pose 1 turns the head to the viewer's right by this angle
CHUNK = 2**15  # pixels drawn at once, so few that they stay in the processor's cache
SKIN, HAIR, WALL, SHIRT = 0.80, 0.16, 0.42, 0.60  # grey values

Factor = Tensor | np.ndarray | np.floating | Sequence[float] | float | int


class _Head(NamedTuple):
    """The head as the pixels see it. Lengths are in half picture widths; shapes (n, size, size)."""

    u: Tensor  # to the right
    v: Tensor  # up
    x: Tensor  # distance from the face's midline, along the head's own sideways axis
    x_u: Tensor  # how fast x changes along u
    front: Tensor  # how far to the head's own front
    sin: Tensor  # of yaw, (n, 1, 1), as cos
    cos: Tensor
    pixel: float


def _step(t: Tensor) -> Tensor:
    """A smooth step from 0 (t <= 0) to 1 (t >= 1)."""
    t = t.clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _inside(distance: Tensor, pixel: float) -> Tensor:
    """How much of a pixel lies in the region where a signed distance is negative, 0 to 1."""
    return _step(0.5 - distance / (1.5 * pixel))


def _ellipse(x: Tensor, y: Tensor, a: float | Tensor, b: float | Tensor, x_u: Tensor) -> Tensor:
    """Signed distance, near enough, from the ellipse with half-axes a and b."""
    level = ((x / a) ** 2 + (y / b) ** 2 + 1e-6).sqrt()
    return level * (level - 1.0) / ((x * x_u / a**2) ** 2 + (y / b**2) ** 2 + 1e-4).sqrt()


def _spot(x: Tensor, y: Tensor, a: float | Tensor, b: float) -> Tensor:
    """A soft spot: 1 in the middle, 0 outside the ellipse with half-axes a and b."""
    level = (1.0 - (x / a) ** 2 - (y / b) ** 2).clamp(min=0.0)
    return level * level


def _over(below: Tensor, grey: float | Tensor, cover: float | Tensor) -> Tensor:
    """Paint `grey` over `below` where `cover` is 1."""
    return below + cover * (grey - below)


def _backdrop(u: Tensor, v: Tensor, pixel: float) -> Tensor:
    """The parts that never move: the wall, the neck and the shirt."""
    wall = WALL + 0.16 * (1.0 - (u * u + v * v) / 2.0)
    neck = _inside(u.abs() - 0.30, pixel) * _inside(v + 0.45, pixel)
    picture = _over(wall, SKIN * (0.72 - 0.25 * _step((v + 1.0) / 0.4)), neck)
    shoulders = (u / 1.00) ** 2 + ((v + 1.27) / 0.46) ** 2 - 1.0
    collar = (u / 0.32) ** 2 + ((v + 0.76) / 0.15) ** 2 - 1.0
    shirt = torch.maximum(0.24 * shoulders, -0.08 * collar)
    return _over(picture, SHIRT - 0.15 * u * u, _inside(shirt, pixel))


def _turn(u: Tensor, v: Tensor, yaw: Tensor, pixel: float) -> tuple[_Head, Tensor, Tensor]:
    """The head turned by yaw; how much of each pixel it covers; and its light, 0 to 1."""
    sin = yaw.sin()
    cos = yaw.cos()
    t = (v - 0.02) / 0.80
    breadth = 0.65 * (1.0 + 0.10 * t - 0.05 * t * t)  # wide at the temples, narrow at the chin
    radius = breadth * (1.0 - t * t).clamp(min=0.0).sqrt()
    w = (radius**2 - u**2).clamp(min=0.0).sqrt()
    x_u = (cos + sin * u / w.clamp(min=0.05)).clamp(0.2, 2.0)
    front = u * sin + w * cos
    # Nothing is painted on the back of the head, a strip of which is seen next to the near ear.
    x = (u * cos - w * sin).abs() + 2.0 * (-front).clamp(min=0.0)
    outline = _ellipse(u, 0.80 * t, breadth, 0.80, torch.ones_like(cos))
    light = 0.78 + 0.22 * _step(w / (radius + 0.02)) + 0.06 * v
    return _Head(u, v, x, x_u, front, sin, cos, pixel), _inside(outline, pixel), light


def _eyes(skin: Tensor, head: _Head, e: Tensor) -> Tensor:
    """Two eyes in their sockets, narrow in a frown and wide open in a smile."""
    x = head.x - 0.26
    y = head.v - 0.10
    height = 0.080 + 0.035 * e

    def inside(a: float, b: float | Tensor, up: float = 0.0) -> Tensor:
        return _inside(_ellipse(x, y - up, a, b, head.x_u), head.pixel)

    eye = _over(torch.full_like(x, 0.97), 0.35, inside(0.085, 0.095))  # white, iris
    eye = _over(eye, 0.03, inside(0.055, 0.060))  # pupil
    eye = _over(eye, 1.00, inside(0.024, 0.024, up=0.045))  # a glint
    skin = _over(skin, 0.45, 0.45 * _spot(x, y - 0.02, 0.25, 0.20))
    skin = _over(skin, 0.25, inside(0.165, height + 0.015, up=0.02))  # lashes
    return _over(skin, eye, inside(0.15, height))


def _brows(skin: Tensor, head: _Head, e: Tensor) -> Tensor:
    """Brows: low and drawn together in a frown, raised and arched in a smile."""
    t = (head.x - 0.27) / 0.19
    middle = 0.300 + 0.075 * e - 0.100 * e * t - (0.0375 + 0.0175 * e) * t * t
    thickness = 0.056 * (1.0 - 0.35 * t)
    ends = 0.19 * (t.abs() - 1.0) * head.x_u
    brow = torch.maximum((head.v - middle).abs() - thickness, ends)
    return _over(skin, HAIR, _inside(brow, head.pixel))


def _mouth(skin: Tensor, head: _Head, e: Tensor) -> Tensor:
    """A mouth between two parabolas through its corners; a smile opens it and shows the teeth."""
    smile = (1.0 + e) / 2.0
    half = 0.29 + 0.07 * e
    bend = 0.15 * e
    gape = 0.04 + 0.27 * smile**1.5
    t = head.x / half
    lens = 1.0 - t * t
    middle = -0.40 + bend * (0.70 - lens)
    upper = middle + 0.25 * gape * lens
    lower = middle - 0.75 * gape * lens
    tilt = (1.0 + (2.0 * (bend + 0.25 * gape) * t / half * head.x_u) ** 2).sqrt()
    corners = (t - 1.0) * half * head.x_u
    top = torch.maximum((head.v - upper) / tilt, corners)
    mouth = torch.maximum(top, (lower - head.v) / tilt)
    teeth = torch.maximum(top, upper - 0.50 * gape * lens - head.v)
    skin = _over(skin, 0.42, _inside(mouth - 0.035, head.pixel))  # lips
    skin = _over(skin, 0.10, _inside(mouth, head.pixel))
    return _over(skin, 0.97, smile * _inside(teeth + 0.01, head.pixel))


def _nose(skin: Tensor, head: _Head) -> Tensor:
    """A nose stands out of the head, so it moves further than what lies on the head."""
    u, v, sin = head.u, head.v, head.sin
    skin = _over(skin, 0.48, 0.8 * _spot(u - 0.68 * sin, v + 0.165, 0.17, 0.085))  # shadow
    skin = _over(skin, 0.92, 0.9 * _spot(u - 0.74 * sin, v + 0.07, 0.13, 0.16))  # tip
    return _over(skin, 0.88, 0.5 * _spot(u - 0.66 * sin, v - 0.10, 0.07, 0.22))  # ridge


def _ears(picture: Tensor, head: _Head, in_front: bool) -> Tensor:
    """Ears: seen edge-on from the front; turning opens one before the head and hides the other."""
    width = 0.085 + 0.10 * head.sin.abs()
    for side in (-1.0, 1.0):
        x = head.u - side * 0.645 * head.cos + 0.04 * head.sin
        y = head.v + 0.02
        ear = _inside(_ellipse(x, y, width, 0.17, torch.ones_like(x)), head.pixel)
        if in_front:
            near = _step(-side * head.sin / 0.30)
            picture = _over(picture, 0.90 * SKIN, near * ear)
            picture = _over(picture, 0.45, 0.8 * near * _spot(x, y, 0.75 * width, 0.12))
        else:
            picture = _over(picture, 0.86 * SKIN, ear)
    return picture


def _draw(e: Tensor, yaw: Tensor, u: Tensor, v: Tensor, pixel: float) -> Tensor:
    """Faces (n, size, size) with expressions e and yaw angles, each (n, 1, 1)."""
    head, outline, light = _turn(u, v, yaw, pixel)
    back = _ellipse(u + 0.05 * head.sin, v - 0.25, 0.72, 0.70, torch.ones_like(u))
    picture = _over(_backdrop(u, v, pixel), HAIR, _inside(back, pixel))
    picture = _ears(picture, head, in_front=False)

    cheeks = 0.45 * (1.0 + e) * _spot(head.x - 0.36, v + 0.17, 0.20, 0.17)
    skin = _over(SKIN * light, 1.10 * SKIN, cheeks)
    skin = _nose(_mouth(_brows(_eyes(skin, head, e), head, e), head, e), head)

    # The hair lies above a plane that slopes down towards the back, with a wavy fringe.
    fringe = 0.03 + 0.84 * head.front - 0.022 * torch.cos(head.x * (2.0 * math.pi / 0.26))
    shine = HAIR + 0.16 * _spot(u, v - 0.66, 0.50, 0.22)
    skin = _over(skin, shine, _inside((fringe - v) / 1.2, pixel))
    return _ears(_over(picture, skin, outline), head, in_front=True).clamp(0.0, 1.0)


def _factor(name: str, value: object) -> Tensor:
    """A factor as a tensor of float64, refused unless it is numbers in [-1, 1]."""
    array = np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value)
    if array.dtype.kind != "f" and not (type(value) in (int, float) or array.size == 0):
        raise TypeError(
            f"{name} has dtype {array.dtype}; expected a number, or an array or tensor of floats"
        )
    factor = torch.tensor(array, dtype=torch.float64)
    validation.finite(name, factor)
    if (factor.abs() > 1.0).any():
        raise ValueError(
            f"{name} has values in [{factor.min():.3g}, {factor.max():.3g}]; expected in [-1, 1]"
        )
    return factor


def render(
    expression: Factor, pose: Factor, size: int = 32
) -> Float32[Tensor, "... {size} {size}"]:
    """Draw a face for each pair of factors, which are numbers, arrays or tensors that broadcast.

    expression: from -1, a frown, to 1, a smile; pose: from -1, turned to the viewer's left, to 1,
    to the right. Returns grey values in [0, 1], `(..., size, size)`, float32 on the CPU, first row
    on top; `render(e, -p)` mirrors `render(e, p)`. Raises TypeError for factors that are no floats,
    ValueError for NaN, values outside [-1, 1], shapes that do not broadcast and a size below 8.

    >>> frown, smile = render([-1.0, 1.0], 0.0)
    >>> tuple(smile.shape), bool((smile == smile.flip(-1)).all())
    ((32, 32), True)
    """
    size = validation.count("size", size, at_least=8)
    e = _factor("expression", expression)
    p = _factor("pose", pose)
    try:
        e, p = torch.broadcast_tensors(e, p)
    except RuntimeError:
        raise ValueError(
            f"expression has shape {tuple(e.shape)} and pose {tuple(p.shape)}; "
            "expected the same shape, or shapes that broadcast"
        ) from None
    yaws = (p.reshape(-1, 1, 1) * MAX_YAW).float()
    expressions = e.reshape(-1, 1, 1).float()
    pixel = 2.0 / size
    centres = (torch.arange(size) + 0.5) * pixel - 1.0
    u = centres.expand(1, size, size)
    v = centres.flip(0)[:, None].expand(1, size, size)
    n = max(1, CHUNK // size**2)
    faces = [torch.empty(0, size, size)]
    with one_thread():  # the chunks are so small that a second thread only gets in the way
        for some, angles in zip(expressions.split(n), yaws.split(n), strict=True):
            faces.append(_draw(some, angles, u, v, pixel))
    return torch.cat(faces).reshape(*e.shape, size, size)
