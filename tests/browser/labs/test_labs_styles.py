"""A lab and another widget on one page, in either order: neither changes the looks of the other."""

import json

import pytest
import torch
from labs_page import show
from pages import FRAME

from vaelib import models
from vaelib.widgets import ElboLab, LatentExplorer, Predict, TrainingCurves

pytestmark = pytest.mark.browser
# Every property of every element of the lab, and of what CSS draws before and after it.
LOOKS = """(root) => JSON.stringify([...document.querySelectorAll(`${root}, ${root} *`)]
  .flatMap((element) => [null, "::before", "::after"].map((part) => {
    const style = getComputedStyle(element, part);
    return [...style].map((name) => `${element.className.baseVal ?? element.className} ` +
      `${element.localName}${part ?? ""} ${name}: ${style.getPropertyValue(name)}`);
  })))"""
ADD = """([css, first]) => {
  const sheet = document.createElement("style");
  sheet.textContent = css;
  document.head[first ? "prepend" : "append"](sheet);
}"""


def looks(page, root=".vaelib-lab"):
    page.evaluate(FRAME)
    page.evaluate(FRAME)
    return [line for part in json.loads(page.evaluate(LOOKS, root)) for line in part]


def differing(before, after):
    return [(a, b) for a, b in zip(before, after, strict=True) if a != b][:5]


@pytest.mark.parametrize("other", [LatentExplorer, TrainingCurves, Predict])
def test_another_widgets_sheet_does_not_touch_a_lab(page, other):
    show(page, ElboLab)
    before = looks(page)
    for first in (True, False):
        page.evaluate(ADD, [other._css, first])
        assert differing(before, looks(page)) == []


def test_a_labs_sheet_does_not_touch_an_explorer(page, tmp_path):
    file = tmp_path / "explorer.html"
    images = torch.rand(5, 8, 8, generator=torch.Generator().manual_seed(0))
    LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), images).save(file)
    page.emulate_media(reduced_motion="reduce")
    page.goto(file.as_uri())
    page.get_by_role("slider").first.wait_for()
    before = looks(page, ".vaelib-explorer")
    for first in (True, False):
        page.evaluate(ADD, [ElboLab._css, first])
        assert differing(before, looks(page, ".vaelib-explorer")) == []
