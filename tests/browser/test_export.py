"""What `export()` gives, in a page of the test's own: the script runs as it is."""

import json

import pytest
from lab_states import LABS

from vaelib.widgets import LatentExplorer, TrainingCurves

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("kind", ["text/javascript", "module"])
def test_exported_widgets_live_together_in_one_page(page, face_vae, faces, kind):
    widgets = [*(lab() for lab in LABS), LatentExplorer(face_vae, faces), TrainingCurves()]
    exports = [widget.export() for widget in widgets]
    page.set_content("<!DOCTYPE html><html lang=en><title>Widgets</title><body></body>")
    for export in exports:
        page.add_script_tag(content=export.script, type=kind)
        # A module runs when the page finds the time for it.
        page.wait_for_function("(name) => window.vaelibWidgets?.[name]", arg=export.name)
        page.evaluate(
            """([name, state]) => {
              const el = document.createElement("div");
              document.body.append(el);
              (window.removers ??= []).push(window.vaelibWidgets[name](JSON.parse(state), el));
            }""",
            [export.name, json.dumps(export.state)],
        )
    assert page.locator(".vaelib-lab").count() == len(LABS)
    assert page.locator(".vaelib-curves svg").count() == 4
    says = page.locator(".vaelib-says").first
    before = says.inner_text()
    page.get_by_role("slider").first.press("End")
    page.wait_for_function(
        "(text) => document.querySelector('.vaelib-says').innerText !== text", arg=before
    )
    slider = page.locator(".vaelib-explorer input[type=range]").first
    slider.press("End")
    page.wait_for_function(
        "document.querySelector('.vaelib-explorer .vaelib-number').value === '3.00'"
    )
    page.evaluate("removers.forEach((remove) => remove())")
    assert page.locator(".vaelib").count() == 0
