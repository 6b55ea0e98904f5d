"""The explorer's view on a model of the test's own, as in a notebook but without a kernel."""

import json

import pytest
import torch
from explorer_page import mount
from playwright.sync_api import expect

from vaelib import models
from vaelib.widgets import LatentExplorer

pytestmark = pytest.mark.browser


@pytest.fixture
def views(page):
    """Two views of one model: `window.model`, `window.elements`, `window.cleanups`."""
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), torch.rand(4, 8, 8))
    return mount(page, explorer, views=2)


def test_moves_reach_python_ten_times_a_second_and_the_last_one_always(views):
    saved, seconds = views.evaluate("""async () => {
      const start = performance.now();
      for (let i = 1; i <= 60; i += 1) {
        move(i / 20);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
      return [model.saved.map((state) => state.z), (performance.now() - start) / 1000];
    }""")
    assert 2 <= len(saved) <= 10 * seconds + 1
    assert 3.0 in saved[-1]


def test_each_tap_reaches_python_at_once(views):
    """Sooner after a tap than a throttle that only counts from the last one would send it."""
    sent = views.evaluate("""async () => {
      const known = [];
      for (let i = 1; i <= 8; i += 1) {
        move(i / 10);
        await new Promise((resolve) => setTimeout(resolve, 40));
        known.push(model.saved.length);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return known;
    }""")
    assert sent == [*range(1, 9)]


def test_views_of_one_model_move_together(views):
    views.evaluate("move(1.5)")
    views.wait_for_function(
        "[...elements].every((el) => el.querySelector('.vaelib-number').value === '1.50')"
    )


def test_python_moves_the_page(views):
    views.evaluate("model.set('z', [0.25, -1.5])")
    views.wait_for_function(
        "[...elements[1].querySelectorAll('.vaelib-number')].some((n) => n.value === '-1.50')"
    )
    assert views.evaluate("model.saved.length") == 0  # what came from Python is not sent back


def test_an_echo_does_not_pull_the_slider_back(views):
    views.evaluate("move(1)")
    views.wait_for_function("model.saved.length === 1")
    views.evaluate("""() => {
      const sent = model.state.z;
      move(2);  // not sent yet
      model.state.z = null;
      model.set("z", sent);  // the kernel's echo of the first move
    }""")
    views.wait_for_function("model.saved.length === 2")
    assert 2 in json.loads(views.evaluate("JSON.stringify(model.saved[1].z)"))


def test_reset_is_sent_at_once_and_as_one_change(views):
    views.evaluate("model.set('image_index', 2); model.set('z', [1, 1])")
    views.get_by_role("button", name="Reset (z = 0)").first.click()
    assert views.evaluate("model.saved") == [{"z": [0, 0], "image_index": None}]


def test_waiting_for_a_busy_kernel_is_said(views):
    views.get_by_role("button", name="Encode").first.click()
    status = views.locator(".vaelib-tell").first
    expect(status).to_have_text("Waiting for Python to encode image 0")
    assert views.evaluate("model.saved") == [{"z": [0, 0], "image_index": 0}]
    views.get_by_role("button", name="Encode").first.click()  # asked twice, sent once
    assert views.evaluate("model.saved.length") == 1
    views.evaluate("""() => {
      const source = new DataView(new Uint8Array(64).buffer);
      model.set("encoding", { index: 0, mu: [0.5, 1.25], sigma: [0.1, 0.2], source });
      model.set("z", [0.5, 1.25]);
    }""")
    expect(status).to_contain_text("Start from image 0: z")


def test_an_error_is_said(views):
    alert = views.get_by_role("alert").first
    assert not alert.is_visible()
    views.evaluate("model.set('error', 'TraitError: z is 2 numbers')")
    expect(alert).to_be_visible()
    expect(alert).to_have_text("TraitError: z is 2 numbers")
    views.evaluate("model.set('error', '')")
    expect(alert).not_to_be_visible()


def test_a_closed_view_leaves_nothing(views):
    assert views.evaluate("model.handlers.length") > 0
    views.evaluate("move(1); cleanups.forEach((cleanup) => cleanup())")
    assert views.evaluate("model.handlers.length") == 0
    assert views.evaluate("model.saved.length") == 1  # what was not sent yet still is
    assert views.evaluate("elements.map((el) => el.childElementCount)") == [0, 0]


def test_fifty_views_opened_and_closed_leave_nothing(views):
    left = views.evaluate("""() => {
      const before = model.handlers.length;
      const Observer = window.IntersectionObserver;
      const open = new Set();
      window.IntersectionObserver = class extends Observer {
        constructor(...all) { super(...all); open.add(this); }
        disconnect() { super.disconnect(); open.delete(this); }
      };
      let most = 0;
      for (let i = 0; i < 50; i += 1) {
        const close = render({ model, el: elements[0] });
        most = Math.max(most, open.size);
        close();
      }
      window.IntersectionObserver = Observer;
      return [model.handlers.length - before, open.size, most];
    }""")
    assert left == [0, 0, 1]
