"""The face renderer: what its pictures are, how they depend on the two factors, what it refuses."""

import numpy as np
import pytest
import torch

from vaelib import faces
from vaelib.faces import render

LINE = torch.linspace(-1.0, 1.0, 41)


def total_variance(faces):
    return faces.flatten(1).var(0).sum().item()


@pytest.mark.parametrize("size", [8, 9, 32, 128])
def test_grey_values_in_the_unit_interval(size):
    e, p = torch.meshgrid(LINE[::8], LINE[::8], indexing="ij")
    faces = render(e, p, size)
    assert faces.shape == (6, 6, size, size)
    assert faces.dtype == torch.float32 and faces.device.type == "cpu"
    assert torch.isfinite(faces).all()
    assert 0.0 <= faces.min() < 0.3 and 0.8 < faces.max() <= 1.0


@pytest.mark.parametrize(
    ("expression", "pose", "shape"),
    [
        (0.5, -0.5, ()),
        (1, 0, ()),
        (torch.tensor(0.5), np.float32(-0.5), ()),
        ([0.1, 0.2], 0.0, (2,)),
        (torch.zeros(3), np.zeros(3), (3,)),
        (torch.zeros(3, 1), torch.zeros(4), (3, 4)),
        (torch.zeros(2, dtype=torch.float64), np.zeros(2, np.float32), (2,)),
        (torch.zeros(0), torch.zeros(0), (0,)),
    ],
)
def test_factors_broadcast(expression, pose, shape):
    assert render(expression, pose).shape == (*shape, 32, 32)


def test_a_face_does_not_depend_on_its_neighbours():
    generator = torch.Generator().manual_seed(0)
    e, p = torch.rand(2, 100, generator=generator) * 2 - 1
    together = render(e, p)
    assert torch.equal(together, render(e, p))
    for i in (0, 31, 32, 99):
        assert torch.equal(together[i], render(float(e[i]), float(p[i])))


def test_turning_the_other_way_is_the_mirror_image():
    e, p = torch.meshgrid(LINE[::5], LINE[::5], indexing="ij")
    for size in (32, 33):
        torch.testing.assert_close(render(e, -p, size), render(e, p, size).flip(-1))


@pytest.mark.parametrize("other", [-1.0, -0.4, 0.0, 0.7, 1.0])
@pytest.mark.parametrize("factor", ["expression", "pose"])
def test_pictures_change_smoothly_and_steadily(factor, other):
    line = torch.linspace(-1.0, 1.0, 201)
    faces = render(**{factor: line, "pose" if factor == "expression" else "expression": other})
    faces = faces.double().flatten(1)
    steps = faces.diff(dim=0)
    length = steps.norm(dim=1)
    assert length.max() < 0.01 * faces.norm(dim=1).mean()  # no jump anywhere,
    assert length.min() > 0.4 * length.max()  # and nowhere a factor that does nothing;
    turns = torch.nn.functional.cosine_similarity(steps[1:], steps[:-1])
    assert turns.min() > 0.6  # each step goes on in the direction of the last,
    for start in range(0, 201, 20):  # and leads further from any start, for a third of the range
        away = (faces - faces[start]).norm(dim=1)
        assert (away[start : start + 61].diff() > 0).all()
        assert (away[max(start - 60, 0) : start + 1].diff() < 0).all()


def test_a_smile_goes_up_and_a_head_turned_right_goes_right():
    columns = torch.linspace(-1, 1, 32)
    dark = (0.3 - render(0.0, LINE)).clamp(min=0)[:, 13:26]  # eyes and mouth, below the hair
    x = (dark * columns).sum((1, 2)) / dark.sum((1, 2))
    assert x[0] < -0.1 and abs(x[20]) < 1e-6 and x[-1] > 0.1
    frown, smile = render([-1.0, 1.0], 0.0)
    mouth = slice(20, 29)
    assert smile[mouth].max() > 0.85 and smile[mouth].min() < 0.2  # teeth, and dark below them
    # Rows run downwards: the corners of a smile are above its middle, those of a frown below.
    assert darkest_row(smile[mouth], 11) < darkest_row(smile[mouth], 15)
    assert darkest_row(frown[mouth], 12) > darkest_row(frown[mouth], 15)


def darkest_row(picture, column):
    return int(picture[:, column].argmin())


def test_both_factors_carry_a_share_of_the_variance_a_vae_can_find():
    pose = total_variance(render(0.0, LINE))
    expression = total_variance(render(LINE, 0.0))
    assert 3.0 < expression < pose < 8.0  # 3.9 and 6.3


def test_drawing_takes_one_thread_and_leaves_the_number_of_threads_alone(monkeypatch):
    def spy(*arguments):
        seen.append(torch.get_num_threads())
        return draw(*arguments)

    seen, draw = [], faces._Heads.draw
    monkeypatch.setattr(faces._Heads, "draw", spy)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        render(0.0, 0.0)
        assert seen == [1] and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_detail_grows_with_size():
    small, large = render(0.6, 0.4, 32), render(0.6, 0.4, 128)
    shrunk = large.reshape(32, 4, 32, 4).mean((1, 3))
    assert (small - shrunk).abs().mean() < 0.02


@pytest.mark.refuses
@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((1.5, 0.0), ValueError, r"expression has values in \[1.5, 1.5\]; expected in \[-1, 1\]"),
        ((0.0, [-1.2, 0.3]), ValueError, r"pose has values in \[-1.2, 0.3\]"),
        ((float("nan"), 0.0), ValueError, "expression holds 1 values that are NaN"),
        ((0.0, float("inf")), ValueError, "pose holds 1 values that are NaN or infinite"),
        ((torch.zeros(3, dtype=torch.int64), 0.0), TypeError, "expression has dtype int64"),
        ((0.0, np.zeros(3, np.uint8)), TypeError, "pose has dtype uint8"),
        ((0.0, torch.zeros(3, dtype=torch.bool)), TypeError, "pose has dtype bool"),
        ((True, 0.0), TypeError, "expression has dtype bool"),
        (("smile", 0.0), TypeError, "expression has dtype <U5; expected a number"),
        ((None, 0.0), TypeError, "expression has dtype object"),
        ((torch.zeros(3), torch.zeros(4)), ValueError, r"cannot be broadcast.*\(3,\).*\(4,\)"),
        ((0.0, 0.0, 7), ValueError, "size is 7; expected at least 8"),
        ((0.0, 0.0, 32.0), TypeError, "size must be a whole number, not 32.0"),
    ],
)
def test_refuses(arguments, error, says):
    with pytest.raises(error, match=says):
        render(*arguments)
