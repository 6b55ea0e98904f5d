"""The explorer's rows, locks, undo and plane, on the saved page."""

import numpy as np
import pytest
import torch
from explorer_page import drag, save, show, z_of
from playwright.sync_api import expect

from vaelib import models
from vaelib.data import Data

pytestmark = pytest.mark.browser


@pytest.fixture
def shown(shown):
    """In a window that shows the whole of it."""
    shown.page.set_viewport_size({"width": 1280, "height": 1700})
    return shown


def test_inactive_dimensions_are_folded_away(shown):
    rows = shown.explorer.spec["rows"]
    active = [row for row in rows if row["active"]]
    assert 0 < len(active) < len(rows)
    ranges = shown.page.locator(".vaelib-row input[type=range]:visible")
    assert shown.page.locator(".vaelib-sliders input[type=range]").count() == len(active)
    expect(ranges).to_have_count(len(rows))  # in a wide window the details are open
    shown.page.locator("summary").focus()
    shown.page.keyboard.press("Enter")
    expect(ranges).to_have_count(len(active))


def test_nothing_is_folded_where_no_dimension_is_active(page, tmp_path):
    vae = models.dense((8, 8), 3, hidden=())
    with torch.no_grad():
        vae.encoder.mu.weight.zero_()
    shown = show(page, *save(tmp_path, vae, torch.rand(9, 8, 8)))
    assert not any(row["active"] for row in shown.explorer.spec["rows"])
    assert page.locator(".vaelib-row input[type=range]:visible").count() == 3


def test_a_number_is_typed(shown):
    number = shown.page.get_by_role("spinbutton", name="as a number").first
    dim = shown.explorer.spec["rows"][0]["dim"]
    number.fill("4.5")
    assert z_of(shown)[dim] == 4.5 and float(shown.slider().get_attribute("max")) == 5
    assert shown.slider().input_value() == "4.5"
    for key, value in {"ArrowDown": 4.45, "Home": -5, "PageUp": -4.5, "End": 5}.items():
        number.press(key)
        assert z_of(shown)[dim] == pytest.approx(value), key
    number.fill("")
    number.press("Enter")
    assert number.input_value() == "5.00" and z_of(shown)[dim] == 5


def test_q_is_marked_on_the_sliders_and_said(shown, face_vae, faces):
    band = shown.page.locator(".vaelib-band").first
    assert not band.is_visible()
    shown.page.get_by_role("button", name="Next test face").click()
    shown.frame()
    q = face_vae.posterior(faces.test[:1])
    dim = shown.explorer.spec["rows"][0]["dim"]
    mu = q.mu[0, dim].item()
    sigma = q.sigma[0, dim].item()
    style = {
        n: float(band.evaluate(f"e => e.style.getPropertyValue('{n}')")) for n in ("--from", "--to")
    }
    assert style["--from"] == pytest.approx((mu - sigma + 3) / 6, abs=1e-4)
    assert style["--to"] == pytest.approx((mu + sigma + 3) / 6, abs=1e-4)
    about = shown.slider().get_attribute("aria-describedby")
    said = shown.page.locator(f"#{about}").text_content().replace("−", "-")
    assert said == f"q: μ {mu:.2f}, σ {sigma:.2f}"


def test_what_is_locked_stays_but_for_its_own_slider(shown, face_vae, faces):
    page = shown.page
    dim = shown.explorer.spec["rows"][0]["dim"]
    other = shown.explorer.spec["rows"][1]["dim"]
    shown.slider().fill("1.5")
    page.get_by_role("checkbox", name=f"Lock z{dim + 1}").check()
    for name in ("Random draw from the prior", "Reset (z = 0)", "Next test face"):
        page.get_by_role("button", name=name).click()
        z = z_of(shown)
        assert z[dim] == 1.5, name
        assert (z[other] == 0) == (name == "Reset (z = 0)"), name
    drag(shown, 0.7, 0.8)
    z = z_of(shown)
    assert z[dim] == 1.5 and z[other] > 1
    shown.slider().fill("-1")
    assert z_of(shown)[dim] == -1
    page.get_by_role("checkbox", name=f"Lock z{dim + 1}").uncheck()
    page.get_by_role("button", name="Reset (z = 0)").click()
    assert z_of(shown) == [0, 0, 0, 0]


def test_undo_goes_back_step_by_step(shown, face_vae, faces):
    page = shown.page
    start = [0.0] * 4
    undo = page.get_by_role("button", name="Undo")
    assert undo.get_attribute("aria-disabled") == "true"
    page.get_by_role("button", name="Next test face").click()
    first = z_of(shown)
    shown.slider().focus()
    for _ in range(5):  # one step: a run of the same moves
        page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Next test face").click()
    page.get_by_role("button", name="Random draw from the prior").click()
    undo.click()
    expect(page.locator(".vaelib-source")).to_have_text("x, test face 1")
    second = z_of(shown)
    np.testing.assert_allclose(
        second, face_vae.posterior(faces.test[1:2]).mu[0].tolist(), atol=1e-4
    )
    page.keyboard.press("Control+z")  # from the button
    moved = z_of(shown)
    dim = shown.explorer.spec["rows"][0]["dim"]
    # A slider stands on a grid of 0.05, z did not.
    assert moved[dim] == pytest.approx(first[dim] + 0.25, abs=0.026)
    expect(page.locator(".vaelib-source")).to_have_text("x, test face 0")
    page.get_by_role("spinbutton").first.press("Control+z")
    assert z_of(shown) == first
    shown.slider().press("Control+z")
    assert z_of(shown) == start and undo.get_attribute("aria-disabled") == "true"
    expect(page.locator(".vaelib-source")).to_have_text("x: none yet")
    undo.click(force=True)
    assert z_of(shown) == start


def test_the_plane_is_dragged_touched_and_keyed(shown):
    a, b = (row["dim"] for row in shown.explorer.spec["rows"][:2])
    drag(shown, 0.75, 0.25)
    z = z_of(shown)
    pad = shown.page.locator(".vaelib-pad")
    reach = float(pad.get_attribute("aria-valuemax"))
    assert z[a] == pytest.approx(reach / 2, abs=0.06) and z[b] == pytest.approx(-z[a], abs=0.06)
    text = pad.get_attribute("aria-valuetext").replace("−", "-")
    assert text == f"z{a + 1} {z[a]:.2f} across, z{b + 1} {z[b]:.2f} up"
    shown.page.get_by_role("button", name="Reset (z = 0)").click()
    pad.focus()
    for key, place, value in (
        ("ArrowRight", a, 0.05),
        ("ArrowUp", b, 0.05),
        ("Shift+ArrowLeft", a, -0.45),
        ("PageDown", b, -0.45),
        ("End", a, 3),
        ("Home", a, -3),
    ):
        shown.page.keyboard.press(key)
        assert z_of(shown)[place] == pytest.approx(value), key
        pad.focus()


def test_the_dots_are_posterior_means_in_groups(shown, face_vae, faces):
    page = shown.page
    rows = shown.explorer.spec["rows"]
    page.get_by_label("Across", exact=True).select_option("3")
    axes = [3, rows[1]["dim"]]
    assert page.get_by_label("Up", exact=True).input_value() == str(axes[1])
    pad = page.locator(".vaelib-pad")
    reach = float(pad.get_attribute("aria-valuemax"))
    for factor, name in enumerate(faces.factor_names):
        page.get_by_label("Dots by", exact=True).select_option(label=name)
        shown.frame()
        groups = page.locator(".vaelib-dots path").evaluate_all(
            "all => all.map(p => [...p.getAttribute('d').matchAll(/M([-\\d.]+),([-\\d.]+)/g)]"
            ".map(m => [Number(m[1]), Number(m[2])]))"
        )
        assert len(groups) == 5 == page.locator(".vaelib-legend li").count()
        mu = face_vae.posterior(faces.test).mu[:, axes].detach().numpy()
        place = np.stack([mu[:, 0], -mu[:, 1]], 1) / reach * 150 + 150
        value = faces.test_factors[:, factor].double().numpy()
        level = np.digitize(value, np.linspace(value.min(), value.max(), 6)[1:-1])
        for k, group in enumerate(groups):
            np.testing.assert_allclose(group, place[level == k], atol=0.2)  # the reach is rounded
    page.get_by_label("Dots by", exact=True).select_option(label="nothing")
    expect(page.locator(".vaelib-dots path")).to_have_count(1)
    expect(page.locator(".vaelib-legend")).not_to_be_visible()


def test_classes_differ_in_shape_or_colour_each(page, tmp_path):
    x = torch.rand(40, 8, 8)
    labels = torch.arange(40) % 10
    known = Data("digits", x, x, test_labels=labels)
    shown = show(page, *save(tmp_path, models.dense((8, 8), 2), known))
    marks = shown.page.locator(".vaelib-legend li path").evaluate_all(
        "all => all.map(p => p.getAttribute('d') + p.getAttribute('class'))"
    )
    assert len(set(marks)) == 10
    assert page.locator(".vaelib-legend").inner_text().split() == [str(n) for n in range(10)]


def test_q_is_an_ellipse_on_the_plane(shown, face_vae, faces):
    page = shown.page
    (a, b) = [row["dim"] for row in shown.explorer.spec["rows"][:2]]
    assert page.locator(".vaelib-q ellipse").count() == 0
    page.get_by_role("button", name="Next test face").click()
    shown.frame()
    reach = float(page.locator(".vaelib-pad").get_attribute("aria-valuemax"))
    q = face_vae.posterior(faces.test[:1])
    shown.frame()
    ellipse = page.locator(".vaelib-q ellipse").nth(1)
    found = [float(ellipse.get_attribute(name)) for name in ("cx", "cy", "rx", "ry")]
    mu, sigma = (t[0, [a, b]].detach().numpy() * 150 / reach for t in (q.mu, q.sigma))
    expected = [150 + mu[0], 150 - mu[1], *np.maximum(1, 2 * sigma)]
    np.testing.assert_allclose(found, expected, atol=0.1)
