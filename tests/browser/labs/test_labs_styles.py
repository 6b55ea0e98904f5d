"""A lab and another widget on one page, in either order: neither changes the looks of the other."""

import pytest
import torch
from labs_page import show

from vaelib import models
from vaelib.widgets import ElboLab, LatentExplorer, Predict, TrainingCurves

pytestmark = pytest.mark.browser
# Every property of every element, and of what CSS draws before and after it, kept in the page: the
# first call keeps them, each later one returns where they are no longer the same.
CHANGED = """async (root) => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  await frame();
  await frame();
  const found = [...document.querySelectorAll(`${root}, ${root} *`)].flatMap((element) =>
    [null, "::before", "::after"].flatMap((part) => {
      const style = getComputedStyle(element, part);
      if (part && style.content === "none") return [part];
      return [...style].map((name) => `${element.className.baseVal ?? element.className} ` +
        `${element.localName}${part ?? ""} ${name}: ${style.getPropertyValue(name)}`);
    }));
  window.kept ??= found;
  const changed = found.filter((line, i) => line !== kept[i]);
  return [found.length, ...changed.slice(0, 5)];
}"""
ADD = """([css, first]) => {
  const sheet = document.createElement("style");
  sheet.textContent = css;
  document.head[first ? "prepend" : "append"](sheet);
}"""


@pytest.mark.parametrize("other", [LatentExplorer, TrainingCurves, Predict])
def test_another_widgets_sheet_does_not_touch_a_lab(page, other):
    show(page, ElboLab)
    (many,) = page.evaluate(CHANGED, ".vaelib-lab")
    assert many > 20_000
    for first in (True, False):
        page.evaluate(ADD, [other._css, first])
        assert page.evaluate(CHANGED, ".vaelib-lab") == [many]


def test_a_labs_sheet_does_not_touch_an_explorer(page, tmp_path):
    file = tmp_path / "explorer.html"
    images = torch.rand(5, 8, 8, generator=torch.Generator().manual_seed(0))
    LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), images).save(file)
    page.emulate_media(reduced_motion="reduce")
    page.goto(file.as_uri())
    page.get_by_role("slider").first.wait_for()
    (many,) = page.evaluate(CHANGED, ".vaelib-explorer")
    assert many > 20_000
    for first in (True, False):
        page.evaluate(ADD, [ElboLab._css, first])
        assert page.evaluate(CHANGED, ".vaelib-explorer") == [many]
