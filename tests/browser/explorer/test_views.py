"""What the explorer draws below its sliders, on the saved page."""

import numpy as np
import pytest
import torch
from explorer_page import cells, save, show, z_of
from playwright.sync_api import expect

from vaelib import models
from vaelib.evaluation import factor_alignment
from vaelib.widgets.explorer import compute

pytestmark = pytest.mark.browser


@pytest.fixture
def shown(shown):
    """In a window that shows the whole of it."""
    shown.page.set_viewport_size({"width": 1280, "height": 1700})
    return shown


def test_the_strips_follow_z_and_lead_there(shown):
    page = shown.page
    rows = [r["dim"] for r in shown.explorer.spec["rows"] if r["active"]]
    shown.slider(1).fill("1.25")
    here = torch.tensor(z_of(shown))
    codes = here.repeat(len(rows), 7, 1)
    for i, dim in enumerate(rows):
        codes[i, :, dim] = torch.linspace(-3, 3, 7)
    cells(shown, codes.flatten(0, 1))
    page.get_by_role("button", name=f"z{rows[0] + 1} at −2").click()
    here[rows[0]] = -2
    assert z_of(shown) == here.tolist()
    page.keyboard.press("Shift+Tab")  # one stop for the whole gallery
    page.get_by_role("button", name=f"z{rows[0] + 1} at −2").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    here[rows[1]] = 3
    assert z_of(shown) == here.tolist()


def test_the_manifold_has_the_priors_quantiles(shown):
    page = shown.page
    (a, b) = [row["dim"] for row in shown.explorer.spec["rows"][:2]]
    page.get_by_role("tab", name="Manifold").click()
    axis = torch.special.ndtri((torch.arange(9) + 0.5).double() / 9).float()
    codes = torch.zeros(9, 9, 4)
    codes[..., a] = axis[None]
    codes[..., b] = axis.flip(0)[:, None]
    cells(shown, codes.flatten(0, 1))
    page.locator(".vaelib-cells button").nth(1).click()
    z = z_of(shown)
    assert z[a] == pytest.approx(axis[1].item()) and z[b] == pytest.approx(axis[8].item())
    page.get_by_label("Across", exact=True).select_option(str(b))  # the two change places
    codes[..., [a, b]] = codes[..., [b, a]]
    cells(shown, codes.flatten(0, 1))


def test_the_interpolation_is_straight_in_z(shown, face_vae, faces):
    page = shown.page
    page.get_by_role("tab", name="Traversal").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Interpolation")).to_have_attribute("aria-selected", "true")
    page.get_by_label("To test face").fill("7")
    page.get_by_label("To test face").press("Enter")
    mu = compute.encode(face_vae, faces.test[[0, 7]])
    t = torch.linspace(0, 1, 9)[:, None]
    cells(shown, (1 - t) * mu[0] + t * mu[1])
    for name in ("Image x, test face 0", "Image x, test face 7"):
        assert page.get_by_role("img", name=name).count() == 1
    page.get_by_label("Place between the two").fill("0.3")
    np.testing.assert_allclose(z_of(shown), (0.7 * mu[0] + 0.3 * mu[1]).tolist(), atol=2e-4)
    page.get_by_label("To test face").fill("99")
    page.get_by_label("To test face").press("Enter")
    expect(page.locator(".vaelib-tell")).to_have_text("Choose two test faces from 0 to 31")
    expect(page.get_by_label("To test face")).to_have_value("7")
    page.get_by_role("tab", name="Hide").click()
    assert page.locator(".vaelib-cells").count() == 0


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_a_sample_is_drawn_round_the_mean(page, tmp_path, likelihood):
    vae = models.dense((20, 20), 2, likelihood=likelihood, sigma_x=0.05)
    shown = show(page, *save(tmp_path, vae))
    mean = shown.decode(torch.zeros(1, 2))[0]
    page.get_by_label("Picture", exact=True).select_option("sample")
    first = shown.pixels() / 255
    if likelihood == "bernoulli":
        assert set(first) == {0.0, 1.0}
        assert abs(first.mean() - mean.mean()) < 5 * 0.5 / 20
    else:
        inside = (mean > 0.2) & (mean < 0.8)
        noise = (first - mean)[inside] if inside.sum() > 100 else (first - mean)[first > 0]
        assert 0.02 < noise.std() < 0.08
    shown.slider().press("ArrowRight")
    shown.slider().press("ArrowLeft")
    assert (shown.pixels() / 255 == first).all()  # the noise stays while z moves
    page.get_by_role("button", name="Draw again").click()
    assert (shown.pixels() / 255 != first).any()
    page.get_by_label("Picture", exact=True).select_option("mean")
    assert np.abs(shown.pixels() - np.rint(np.clip(mean, 0, 1) * 255)).max() <= 1


def test_the_table_says_which_dimension_tells_which_factor(shown, face_vae, faces):
    table = factor_alignment(face_vae, faces)
    lines = shown.page.locator(".vaelib-table tbody tr").all_inner_texts()
    rows = shown.explorer.spec["rows"]
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        name, kl, *found, _ = line.split("\t")
        assert float(kl) == pytest.approx(row["kl"], abs=0.006)
        assert name.startswith(f"z{row['dim'] + 1}") and ("inactive" in name) != row["active"]
        for factor, cell in enumerate(found):
            value = table[row["dim"], factor].item()
            assert float(cell.split()[0]) == pytest.approx(value, abs=0.006)
            assert ("most" in cell) == (value == table[:, factor].max().item())
