"""Grey faces drawn from two known factors: an expression and a head pose.

A head is an egg, round about its vertical axis. The pixel (u, v) sees a point of it at depth
w = sqrt(R(v)^2 - u^2). When the head is turned by yaw, that point's own sideways coordinate is
x = u cos(yaw) - w sin(yaw), so a face that is painted in (x, v) turns with the head. A shape
covers a pixel by a smooth function of their distance, so pictures are smooth in both factors.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from vaelib import validation

MAX_YAW = math.radians(24.0)  # the pose 1 turns the head to the viewer's right by this angle
CHUNK = 2**15  # pixels drawn at once, so few that they stay in the processor's cache
SKIN, HAIR, WALL, SHIRT = 0.80, 0.16, 0.42, 0.60  # grey values

Number = float | Tensor
Factor = Tensor | np.ndarray | np.floating | Sequence[float] | float | int


def _step(t: Tensor) -> Tensor:
    """A smooth step from 0 (t <= 0) to 1 (t >= 1)."""
    t = t.clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _ellipse(x: Tensor, y: Tensor, a: Number, b: Number, x_u: Number = 1.0) -> Tensor:
    """Signed distance, near enough, from the ellipse with half-axes a and b."""
    level = ((x / a) ** 2 + (y / b) ** 2 + 1e-6).sqrt()
    return level * (level - 1.0) / ((x * x_u / a**2) ** 2 + (y / b**2) ** 2 + 1e-4).sqrt()


def _spot(x: Tensor, y: Tensor, a: Number, b: float) -> Tensor:
    """A soft spot: 1 in the middle, 0 outside the ellipse with half-axes a and b."""
    level = (1.0 - (x / a) ** 2 - (y / b) ** 2).clamp(min=0.0)
    return level * level


def _over(below: Tensor, grey: Number, cover: Number) -> Tensor:
    """Paint `grey` over `below` where `cover` is 1."""
    return below + cover * (grey - below)


class _Heads:
    """n heads as the pixels see them: (n, size, size), with lengths in half picture widths."""

    def __init__(self, e: Tensor, yaw: Tensor, size: int) -> None:
        self.e = e  # the expressions, (n, 1, 1), as yaw
        self.sin = yaw.sin()
        self.cos = yaw.cos()
        self.pixel = 2.0 / size
        positions = torch.arange(size, dtype=torch.float32, device="cpu")
        centres = (positions + 0.5) * self.pixel - 1.0
        self.u = centres.expand(1, size, size)  # to the right
        self.v = centres.flip(0)[:, None].expand(1, size, size)  # up
        t = (self.v - 0.02) / 0.80
        breadth = 0.65 * (1.0 + 0.10 * t - 0.05 * t * t)  # wide at the temples, narrow at the chin
        radius = breadth * (1.0 - t * t).clamp(min=0.0).sqrt()
        w = (radius**2 - self.u**2).clamp(min=0.0).sqrt()
        self.front = self.u * self.sin + w * self.cos  # how far to the head's own front
        # The distance from the face's midline, along the head's own sideways axis. The back of the
        # head, of which a strip is seen next to the near ear, is moved away and stays unpainted.
        self.x = (self.u * self.cos - w * self.sin).abs() + 2.0 * (-self.front).clamp(min=0.0)
        self.x_u = (self.cos + self.sin * self.u / w.clamp(min=0.05)).clamp(0.2, 2.0)  # dx / du
        self.outline = self.inside(_ellipse(self.u, 0.80 * t, breadth, 0.80))
        self.light = 0.78 + 0.22 * _step(w / (radius + 0.02)) + 0.06 * self.v

    def inside(self, distance: Tensor) -> Tensor:
        """How much of a pixel lies in the region where a signed distance is negative, 0 to 1."""
        return _step(0.5 - distance / (1.5 * self.pixel))

    def draw(self) -> Tensor:
        """The pictures, from back to front."""
        e, u, v = self.e, self.u, self.v
        back = _ellipse(u + 0.05 * self.sin, v - 0.25, 0.72, 0.70)
        picture = _over(self.backdrop(), HAIR, self.inside(back))
        picture = self.ears(picture, in_front=False)
        cheeks = 0.45 * (1.0 + e) * _spot(self.x - 0.36, v + 0.17, 0.20, 0.17)
        skin = _over(SKIN * self.light, 1.10 * SKIN, cheeks)
        skin = self.nose(self.mouth(self.brows(self.eyes(skin))))
        # The hair lies above a plane that slopes down towards the back, with a wavy fringe.
        fringe = 0.03 + 0.84 * self.front - 0.022 * torch.cos(self.x * (2.0 * math.pi / 0.26))
        shine = HAIR + 0.16 * _spot(u, v - 0.66, 0.50, 0.22)
        skin = _over(skin, shine, self.inside((fringe - v) / 1.2))
        return self.ears(_over(picture, skin, self.outline), in_front=True).clamp(0.0, 1.0)

    def backdrop(self) -> Tensor:
        """The parts that never move: the wall, the neck and the shirt."""
        u, v = self.u, self.v
        wall = WALL + 0.16 * (1.0 - (u * u + v * v) / 2.0)
        neck = self.inside(u.abs() - 0.30) * self.inside(v + 0.45)
        picture = _over(wall, SKIN * (0.72 - 0.25 * _step((v + 1.0) / 0.4)), neck)
        shoulders = (u / 1.00) ** 2 + ((v + 1.27) / 0.46) ** 2 - 1.0
        collar = (u / 0.32) ** 2 + ((v + 0.76) / 0.15) ** 2 - 1.0
        shirt = torch.maximum(0.24 * shoulders, -0.08 * collar)
        return _over(picture, SHIRT - 0.15 * u * u, self.inside(shirt))

    def eyes(self, skin: Tensor) -> Tensor:
        """Two eyes in their sockets, narrow in a frown and wide open in a smile."""
        x = self.x - 0.26
        y = self.v - 0.10
        height = 0.080 + 0.035 * self.e

        def inside(a: float, b: Number, up: float = 0.0) -> Tensor:
            return self.inside(_ellipse(x, y - up, a, b, self.x_u))

        eye = _over(torch.full_like(x, 0.97), 0.35, inside(0.085, 0.095))  # white, iris
        eye = _over(eye, 0.03, inside(0.055, 0.060))  # pupil
        eye = _over(eye, 1.00, inside(0.024, 0.024, up=0.045))  # a glint
        skin = _over(skin, 0.45, 0.45 * _spot(x, y - 0.02, 0.25, 0.20))
        skin = _over(skin, 0.25, inside(0.165, height + 0.015, up=0.02))  # lashes
        return _over(skin, eye, inside(0.15, height))

    def brows(self, skin: Tensor) -> Tensor:
        """Brows: low and drawn together in a frown, raised and arched in a smile."""
        t = (self.x - 0.27) / 0.19
        middle = 0.300 + 0.075 * self.e - 0.100 * self.e * t - (0.0375 + 0.0175 * self.e) * t * t
        thickness = 0.056 * (1.0 - 0.35 * t)
        ends = 0.19 * (t.abs() - 1.0) * self.x_u
        brow = torch.maximum((self.v - middle).abs() - thickness, ends)
        return _over(skin, HAIR, self.inside(brow))

    def mouth(self, skin: Tensor) -> Tensor:
        """A mouth between two parabolas through its corners; a smile opens it and shows teeth."""
        smile = (1.0 + self.e) / 2.0
        half = 0.29 + 0.07 * self.e
        bend = 0.15 * self.e
        gape = 0.04 + 0.27 * smile**1.5
        t = self.x / half
        lens = 1.0 - t * t
        middle = -0.40 + bend * (0.70 - lens)
        upper = middle + 0.25 * gape * lens
        lower = middle - 0.75 * gape * lens
        tilt = (1.0 + (2.0 * (bend + 0.25 * gape) * t / half * self.x_u) ** 2).sqrt()
        corners = (t - 1.0) * half * self.x_u
        top = torch.maximum((self.v - upper) / tilt, corners)
        mouth = torch.maximum(top, (lower - self.v) / tilt)
        teeth = torch.maximum(top, upper - 0.50 * gape * lens - self.v)
        skin = _over(skin, 0.42, self.inside(mouth - 0.035))  # lips
        skin = _over(skin, 0.10, self.inside(mouth))
        return _over(skin, 0.97, smile * self.inside(teeth + 0.01))

    def nose(self, skin: Tensor) -> Tensor:
        """A nose stands out of the head, so it moves further than what lies on the head."""
        u, v, sin = self.u, self.v, self.sin
        skin = _over(skin, 0.48, 0.8 * _spot(u - 0.68 * sin, v + 0.165, 0.17, 0.085))  # shadow
        skin = _over(skin, 0.92, 0.9 * _spot(u - 0.74 * sin, v + 0.07, 0.13, 0.16))  # tip
        return _over(skin, 0.88, 0.5 * _spot(u - 0.66 * sin, v - 0.10, 0.07, 0.22))  # ridge

    def ears(self, picture: Tensor, in_front: bool) -> Tensor:
        """Ears edge-on; turning the head opens one in front of it and hides the other."""
        width = 0.085 + 0.10 * self.sin.abs()
        y = self.v + 0.02
        for side in (-1.0, 1.0):
            x = self.u - side * 0.645 * self.cos + 0.04 * self.sin
            ear = self.inside(_ellipse(x, y, width, 0.17))
            if in_front:
                near = _step(-side * self.sin / 0.30)
                picture = _over(picture, 0.90 * SKIN, near * ear)
                picture = _over(picture, 0.45, 0.8 * near * _spot(x, y, 0.75 * width, 0.12))
            else:
                picture = _over(picture, 0.86 * SKIN, ear)
        return picture


def _factor(name: str, value: object) -> Tensor:
    """A factor as a tensor of float64, refused unless it is numbers in [-1, 1]."""
    if isinstance(value, Tensor) and value.is_floating_point():
        value = value.detach().double().cpu()  # NumPy has no bfloat16
    array = np.asarray(value)
    if array.dtype.kind != "f" and not (type(value) in (int, float) or array.size == 0):
        raise TypeError(f"{name} has dtype {array.dtype}; expected a number or an array of floats")
    factor = torch.tensor(array, dtype=torch.float64, device="cpu")
    validation.unit_interval(name, factor, low=-1)
    return factor


@torch.inference_mode(False)  # in it, tensors are made that no gradient can go through later
def render(
    expression: Factor, pose: Factor, size: int = 32
) -> Float32[Tensor, "... {size} {size}"]:
    """Draw a face for each pair of factors: numbers, arrays or tensors that broadcast.

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
    shape = np.broadcast_shapes(e.shape, p.shape)  # or its ValueError, which names both
    n = max(1, CHUNK // size**2)
    expressions = e.expand(shape).reshape(-1, 1, 1).float().split(n)
    yaws = (p.expand(shape).reshape(-1, 1, 1) * MAX_YAW).float().split(n)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the chunks are so small that a second thread only gets in the way
    try:
        faces = [_Heads(*some, size).draw() for some in zip(expressions, yaws, strict=True)]
    finally:
        torch.set_num_threads(before)
    return torch.cat(faces).reshape(*shape, size, size)
