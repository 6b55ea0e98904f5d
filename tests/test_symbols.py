"""The colours of the symbols: legible on every ground, told apart by all, one table."""

import itertools
import re

import numpy as np
import pytest
from inputs import HOME

from vaelib.plots import SYMBOLS

TEXT = {name: text for name, (_, text, _) in SYMBOLS.items()}
DARK = {name: dark for name, (_, _, dark) in SYMBOLS.items()}
# The site's page and its raised boxes, and JupyterLab's dark ground.
GROUNDS = {"white": "#ffffff", "raised": "#f3f5f7", "lab dark": "#111111"}
DARK_GROUNDS = {"dark page": "#16191d", "dark raised": "#20252b"}
# Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(colour):
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    """WCAG's ratio of two colours."""
    light, dark = sorted((XYZ[1] @ linear(a), XYZ[1] @ linear(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def difference(a, b, vision):
    """CIE 1976 ΔE of two colours as someone with this vision sees them."""

    def lab(colour):
        seen = np.clip(VISIONS[vision] @ linear(colour), 0, 1)
        x, y, z = XYZ @ seen / [0.95047, 1, 1.08883]
        f = [np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    return np.linalg.norm(lab(a) - lab(b))


@pytest.mark.parametrize("name", SYMBOLS)
def test_text_is_legible_on_white_and_in_the_dark(name):
    assert contrast(TEXT[name], GROUNDS["white"]) >= 4.5
    assert contrast(TEXT[name], GROUNDS["raised"]) >= 4.5
    # A notebook has one colour for both themes: no colour has 4.5 on white and on this ground.
    assert contrast(TEXT[name], GROUNDS["lab dark"]) >= 3
    assert min(contrast(DARK[name], ground) for ground in DARK_GROUNDS.values()) >= 4.5


@pytest.mark.parametrize("colours", [TEXT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_no_two_symbols_look_the_same(vision, colours):
    least = 20 if vision == "normal" else 6
    for a, b in itertools.combinations(colours, 2):
        assert difference(colours[a], colours[b], vision) >= least, (a, b)


@pytest.mark.parametrize(
    "file", ["vaelib/widgets/static/predict.css", "course/site/static/colours.css"]
)
def test_the_style_sheets_have_the_same_colours(file):
    css = (HOME / file).read_text(encoding="utf-8")
    names = "|".join(SYMBOLS)
    found = re.findall(rf"--({names}): light-dark\((#[0-9a-f]{{6}}), (#[0-9a-f]{{6}})\);", css)
    assert found == [(name, TEXT[name].lower(), DARK[name].lower()) for name in SYMBOLS]


def test_no_other_style_sheet_of_the_site_repeats_them():
    for path in (HOME / "course/site/static").glob("*.css"):
        if path.name != "colours.css":
            css = path.read_text(encoding="utf-8").lower()
            assert not [c for c in [*TEXT.values(), *DARK.values()] if c.lower() in css], path.name
