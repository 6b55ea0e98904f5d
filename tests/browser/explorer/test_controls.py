"""The explorer's saved page in a real browser: its controls and what they do."""

import numpy as np
import pytest
import torch
from explorer_page import save, show
from playwright.sync_api import expect

from vaelib import models

pytestmark = pytest.mark.browser


def test_the_page_asks_for_nothing_and_is_small(shown):
    assert len(shown.requests) == 1 and shown.requests[0].startswith("file:")
    assert shown.path.stat().st_size < 1.5e6


def test_the_canvas_shows_what_the_decoder_returns(shown):
    expected = np.rint(np.clip(shown.decode(torch.zeros(1, 4))[0], 0, 1) * 255)
    assert np.abs(shown.pixels() - expected).max() <= 1


def test_keys_move_a_slider_its_text_and_the_picture(shown):
    before = shown.pixels()
    slider = shown.slider()
    slider.focus()
    for _ in range(10):
        shown.page.keyboard.press("ArrowRight")
    assert shown.values()[0] == pytest.approx(0.5)
    assert slider.get_attribute("aria-valuetext") == "0.50"
    moved = shown.pixels()
    assert np.abs(moved - before).max() > 3
    z = torch.zeros(1, 4)
    z[0, shown.explorer.spec["rows"][0]["dim"]] = 0.5
    expected = np.rint(np.clip(shown.decode(z)[0], 0, 1) * 255)
    assert np.abs(moved - expected).max() <= 1
    for key, value in {"Home": -3, "End": 3, "ArrowLeft": 2.95, "PageDown": 2.35}.items():
        shown.page.keyboard.press(key)
        assert shown.values()[0] == pytest.approx(value), key
    assert slider.get_attribute("aria-valuetext") == "2.35"


def test_dragging_moves_the_picture(shown):
    before = shown.pixels()
    box = shown.slider().bounding_box()
    middle = box["y"] + box["height"] / 2
    shown.page.mouse.move(box["x"] + box["width"] / 2, middle)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=5)
    shown.page.mouse.up()
    assert np.abs(shown.pixels() - before).max() > 3
    assert 1.5 < shown.values()[0] < 2.1


def test_many_events_in_a_frame_draw_once(shown):
    drawn = shown.slider().evaluate("""async (input) => {
      let count = 0;
      const prototype = CanvasRenderingContext2D.prototype, put = prototype.putImageData;
      const large = document.querySelector(".vaelib-picture canvas");
      prototype.putImageData = function (...all) {
        count += this.canvas === large;
        return put.apply(this, all);
      };
      for (let i = 0; i < 50; i += 1) {
        input.value = i / 20;
        input.dispatchEvent(new Event("input"));
      }
      await new Promise((r) => requestAnimationFrame(() => setTimeout(r)));
      prototype.putImageData = put;
      return count;
    }""")
    assert drawn == 1


def test_a_move_changes_letters_and_makes_no_new_nodes(shown):
    """New text nodes would be laid out anew many times a second."""
    shown.page.get_by_role("button", name="Next test face").click()
    shown.slider().press("ArrowRight")
    shown.frame()
    made = shown.slider().evaluate("""async (input) => {
      const records = [];
      const watch = new MutationObserver((found) => records.push(...found));
      watch.observe(document.querySelector(".vaelib-stage"), { childList: true, subtree: true });
      watch.observe(document.querySelector(".vaelib-told"), { childList: true, subtree: true });
      for (let i = 0; i < 8; i += 1) {
        input.value = 0.1 * i;
        input.dispatchEvent(new Event("input"));
        await new Promise((r) => requestAnimationFrame(() => setTimeout(r, 60)));
      }
      return records.map(({ target }) => target.className);
    }""")
    assert made == []


def test_buttons(shown, face_vae, faces):
    page = shown.page
    order = [row["dim"] for row in shown.explorer.spec["rows"]]
    start = shown.pixels()
    page.get_by_role("button", name="Random draw from the prior").click()
    drawn = shown.values()
    assert len(set(drawn)) == 4 and all(abs(value) < 6 for value in drawn)
    assert np.abs(shown.pixels() - start).max() > 3
    page.get_by_role("button", name="Reset (z = 0)").click()
    assert (shown.pixels() == start).all() and shown.values() == [0, 0, 0, 0]

    page.get_by_label("Start from test face").fill("5")
    page.get_by_role("button", name="Encode").click()
    shown.frame()
    mu = face_vae.posterior(faces.test[:8]).mu.detach()
    np.testing.assert_allclose(shown.values(), mu[5][order], atol=0.006)
    source = np.rint(faces.test[5].numpy().ravel() * 255)
    assert (shown.pixels(".vaelib-source canvas") == source).all()
    expect(page.locator(".vaelib-source")).to_have_text("x, test face 5")

    page.get_by_role("button", name="Next test face").click()
    np.testing.assert_allclose(shown.values(), mu[6][order], atol=0.006)
    shown.slider().focus()
    page.keyboard.press("End")
    page.get_by_role("button", name="Encode").click()  # back to where that image is
    np.testing.assert_allclose(shown.values(), mu[6][order], atol=0.006)
    expect(page.locator(".vaelib-tell")).to_contain_text("Start from test face 6: z")
    expect(page.locator(".vaelib-status")).to_contain_text("Start from test face 6: z")
    page.get_by_label("Start from test face").fill("99")
    page.get_by_role("button", name="Encode").click()
    expect(page.locator(".vaelib-tell")).to_have_text("Choose a test face from 0 to 31")
    expect(page.get_by_label("Start from test face")).to_have_value("6")


def test_an_encoding_far_out_widens_its_slider(page, tmp_path):
    vae = models.dense((8, 8), 2, hidden=())
    with torch.no_grad():
        vae.encoder.mu.bias.copy_(torch.tensor([-4.2, 1.0]))
        vae.encoder.mu.weight.zero_()
        for parameter in vae.encoder.log_sigma.parameters():
            parameter.zero_()
    shown = show(page, *save(tmp_path, vae, torch.rand(4, 8, 8)))
    page.get_by_role("button", name="Encode").click()
    assert shown.values() == [-4.2, 1.0]
    assert [shown.slider(i).get_attribute("min") for i in (0, 1)] == ["-6", "-3"]  # as far as μ − σ


def test_everything_has_a_name(shown):
    rows = shown.explorer.spec["rows"]
    for place, row in enumerate(rows):
        name = f"Slider {place + 1} of 2" if row["active"] else "Inactive"
        name += f" · z{row['dim'] + 1}"
        assert shown.page.get_by_role("slider", name=name, exact=True).count() == 1, name
        assert shown.slider(place).get_attribute("data-lm-suppress-shortcuts") == "true"
    problems = shown.page.evaluate("""() => {
      const problems = [];
      for (const input of document.querySelectorAll("input, select")) {
        if (!input.labels.length && !input.ariaLabel) problems.push(`no label: ${input.outerHTML}`);
      }
      for (const button of document.querySelectorAll("button")) {
        if (!(button.textContent || button.ariaLabel)) problems.push(button.outerHTML);
      }
      for (const canvas of document.querySelectorAll("canvas")) {
        const named = canvas.role === "img" && canvas.ariaLabel;
        if (canvas.ariaHidden !== "true" && !named) problems.push("canvas");
      }
      const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
      if (new Set(ids).size !== ids.length) problems.push("an id twice");
      if (!document.documentElement.lang || !document.title) problems.push("language or title");
      return problems;
    }""")
    assert problems == []
