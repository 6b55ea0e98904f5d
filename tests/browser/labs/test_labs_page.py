"""The labs in a browser: the page computes what Python computes, a slider moves picture and text,
everything has a name."""

import json
import re

import numpy as np
import pytest
from lab_states import LABS, each_lab, states
from labs_page import show

from vaelib.widgets import KLLab
from vaelib.widgets.labs.lab import say

pytestmark = pytest.mark.browser


def close(name, ours, theirs):
    np.testing.assert_allclose(ours, theirs, atol=1e-6, rtol=0, err_msg=name)


# As text, which takes a tenth of the time: JSON has no word for NaN, which Python's float() reads.
COMPUTED = """(states) => JSON.stringify(states.map((state) => {
  const { series, numbers, limits } = document.querySelector(".vaelib-lab").vaelibCompute(state);
  const plain = Object.entries(series).map(([key, parts]) =>
    [key, parts.map((part) => Array.from(part, String))]);
  return { series: Object.fromEntries(plain), numbers, limits };
}))"""


@each_lab
def test_the_page_computes_what_python_computes(page, kind):
    show(page, kind)
    chosen = states(kind, 60)
    for state, found in zip(chosen, json.loads(page.evaluate(COMPUTED, chosen)), strict=True):
        scene = kind.compute(**state)
        assert set(found["series"]) == set(scene.series)
        assert set(found["numbers"]) == set(scene.numbers)
        for key, parts in scene.series.items():
            assert len(parts) == len(found["series"][key])
            for ours, theirs in zip(parts, found["series"][key], strict=True):
                close(f"{key} at {state}", ours, np.array(theirs, float))
        for key, number in scene.numbers.items():
            if isinstance(number, str):
                assert found["numbers"][key] == number
            else:
                close(f"{key} at {state}", number, found["numbers"][key])
        assert set(found["limits"]) == set(scene.limits)
        for key, limits in scene.limits.items():
            close(f"limits of {key} at {state}", limits, found["limits"][key])


def drawn(page, key):
    """Where a line's or an area's path goes, in the drawing's units, (n, 2)."""
    d = page.locator(f"path[data-key={key}]").get_attribute("d")
    return np.array([[float(v) for v in pair] for pair in re.findall(r"[ML](\S+?),([-\d.]+)", d)])


def box(page, panel):
    """Where the panel's axes stand, in the drawing's units: left, right, top, bottom."""
    axis = page.locator(f"figure:has([data-key={panel.marks[0].key}]) .lab-axis")
    left, top, bottom, right = map(float, re.findall(r"[-\d.]+", axis.get_attribute("d")))
    return left, right, top, bottom


def limits_of(panel, scene, place):
    """The values at the ends of the axes; with equal scales, of those that fill their place."""
    left, right, bottom, top = panel.limits or scene.limits[panel.key]
    if not panel.equal:
        return left, right, bottom, top
    wide = place[1] - place[0]
    tall = place[3] - place[2]
    unit = min(wide / (right - left), tall / (top - bottom))
    x = (left + right) / 2
    y = (bottom + top) / 2
    return x - wide / unit / 2, x + wide / unit / 2, y - tall / unit / 2, y + tall / unit / 2


def expected(place, panel, scene, key):
    """The same from Python's numbers, as far as it is inside the panel, and where that is."""
    left, right, bottom, top = limits_of(panel, scene, place)
    x, y = scene.series[key][:2]
    if "x" in panel.log:
        x = np.log10(x)
        left = np.log10(left)
        right = np.log10(right)
    if "y" in panel.log:
        y = np.log10(y)
        bottom = np.log10(bottom)
        top = np.log10(top)
    start, end, ceiling, floor = place
    across = start + (x - left) / (right - left) * (end - start)
    up = floor - (y - bottom) / (top - bottom) * (floor - ceiling)
    there = ~np.isnan(across + up)
    return np.stack([across, up], 1)[there]


def text_of(page):
    """The lab's sentences as one reads them, sub- and superscripts marked as in the templates."""
    return page.evaluate("""() => [...document.querySelectorAll(".vaelib-says p > span")]
      .map((line) => [...line.childNodes].map((node) =>
        ({ SUB: "_", SUP: "^" }[node.nodeName] ?? "") + node.textContent).join(""))""")


@each_lab
def test_a_slider_moves_the_picture_and_its_text(page, kind):
    lab = show(page, kind)
    control = next(iter(kind.controls().values()))
    paths = "[...document.querySelectorAll('path[data-key]')].map((path) => path.getAttribute('d'))"
    before = page.evaluate(paths)
    page.get_by_role("slider", name=control.label, exact=True).focus()
    for key in ("ArrowRight", "ArrowRight", "PageDown", "End"):
        page.keyboard.press(key)
        page.evaluate("frame()")
        value = float(page.get_by_role("slider", name=control.label, exact=True).input_value())
        setattr(lab, control.name, value)
        scene = lab.scene
        assert text_of(page) == [say(template, scene.numbers) for template in lab.says]
        for panel in lab.panels:
            place = box(page, panel)
            for mark in panel.marks:
                if mark.kind == "points":
                    continue
                wanted = expected(place, panel, scene, mark.key)
                found = drawn(page, mark.key)[: len(wanted)]
                inside = np.abs(wanted) < 9000  # far outside the page draws less far
                np.testing.assert_allclose(found[inside], wanted[inside], atol=0.011)
            label = page.get_by_role("img").nth(lab.panels.index(panel)).get_attribute("aria-label")
            note = say(panel.note, scene.numbers)
            said = f"{say(panel.title, scene.numbers)}. {say(panel.alt, scene.numbers)} {note}"
            assert label == said.strip()
    assert value == control.high
    assert page.evaluate(paths) != before


@each_lab
def test_every_control_moves_and_reset_returns(page, kind):
    lab = show(page, kind)
    start = page.locator(".vaelib-says").inner_text()
    for name, control in kind.controls().items():
        target = control.positions()[-1]
        if hasattr(control, "options"):
            page.get_by_label(control.label).select_option(target)
        else:
            page.get_by_role("slider", name=control.label, exact=True).focus()
            page.keyboard.press("End")
        page.wait_for_function("([name, value]) => model.state[name] === value", arg=[name, target])
        setattr(lab, name, target)
    page.evaluate("frame()")
    assert text_of(page) == [say(template, lab.numbers) for template in lab.says]
    page.get_by_role("button", name="Reset").click()
    page.evaluate("frame()")
    assert page.locator(".vaelib-says").inner_text() == start
    page.wait_for_function(
        "(state) => Object.entries(state).every(([name, value]) => model.state[name] === value)",
        arg=kind().state,
    )


@each_lab
def test_everything_has_a_name(page, kind):
    show(page, kind)
    problems = page.evaluate("""() => {
      const problems = [];
      for (const input of document.querySelectorAll("input, select")) {
        if (!input.labels.length) problems.push(`no label: ${input.outerHTML}`);
      }
      for (const element of document.querySelectorAll("input, select, button")) {
        if (element.dataset.lmSuppressShortcuts !== "true") problems.push(element.outerHTML);
      }
      for (const drawing of document.querySelectorAll("svg")) {
        const hidden = drawing.closest("[aria-hidden=true]");
        if (!hidden && !(drawing.getAttribute("role") === "img" && drawing.ariaLabel.length > 40)) {
          problems.push("a drawing without words");
        }
      }
      const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
      if (new Set(ids).size !== ids.length) problems.push("an id twice");
      return problems;
    }""")
    assert problems == []
    for control in kind.controls().values():
        role = "combobox" if hasattr(control, "options") else "slider"
        assert page.get_by_role(role, name=control.label, exact=True).count() == 1
    assert page.get_by_role("group", name=kind.title).count() == 1


def test_marks_of_one_panel_differ_in_more_than_colour():
    for kind in LABS:
        for panel in kind.panels:
            looks = [(m.kind, m.look, m.hatch, m.width) for m in panel.marks if m.name]
            assert len(set(looks)) == len(looks)


def test_a_screen_reader_is_told_when_the_slider_rests(page):
    show(page, KLLab)
    status = page.get_by_role("status")
    assert status.inner_text() == ""
    page.get_by_role("slider", name="μ, mean of q").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('[role=status]').textContent.length > 40")
    assert page.get_by_role("slider").first.get_attribute("aria-valuetext") == "1.05"
