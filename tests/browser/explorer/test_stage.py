"""The stage: q and ε can be grabbed, the formulas say their numbers, the story takes 700 ms."""

import re

import numpy as np
import pytest
import torch
from explorer_page import MODELS, save, show, z_of
from pages import eventually
from playwright.sync_api import expect

from vaelib import models
from vaelib.divergences import kl_to_standard_normal

pytestmark = pytest.mark.browser
MOVING = """() => document.getAnimations()
  .map(({ effect }) => effect.getComputedTiming().endTime)"""


@pytest.fixture
def shown(shown):
    shown.page.set_viewport_size({"width": 1280, "height": 1200})
    shown.page.get_by_role("button", name="Next test face").click()
    shown.frame()
    return shown


def numbers(shown):
    """z, μ, σ and ε as the lines under the plane say them."""
    lines = shown.root.locator(".vaelib-line").all_inner_texts()
    found = [re.findall(r"-?\d+\.\d+", line.replace("−", "-")) for line in lines]
    return np.array(found, float).T


def bound(shown):
    """ELBO, reconstruction and KL as they are said."""
    found = shown.text(".vaelib-bound .vaelib-formula")
    return [float(number) for number in re.findall(r"-?\d+\.\d", found)]


def drag(shown, handle, dx, dy):
    box = shown.page.locator(f".vaelib-handle-{handle}").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    shown.page.mouse.move(x, y)
    shown.page.mouse.down()
    shown.page.mouse.move(x + dx, y + dy, steps=5)
    shown.page.mouse.up()
    shown.frame()


def test_resampling_draws_z_from_q(shown, face_vae, faces):
    q = face_vae.posterior(faces.test[:1])
    mu, sigma = q.mu[0].detach().numpy(), q.sigma[0].detach().numpy()
    drawn = []
    for _ in range(30):
        shown.page.get_by_role("button", name="Resample ε").click()
        drawn.append(z_of(shown))
    eps = (np.array(drawn) - mu) / sigma
    assert len(np.unique(eps)) == eps.size
    assert abs(eps.mean()) < 4 / np.sqrt(eps.size) and 0.75 < eps.std() < 1.25
    z, m, s, e = numbers(shown)
    axes = shown.explorer.axes
    np.testing.assert_allclose(z, np.array(drawn[-1])[axes], atol=0.006)
    np.testing.assert_allclose(m, mu[axes], atol=0.006)
    np.testing.assert_allclose(s, sigma[axes], atol=0.0006)
    np.testing.assert_allclose(e, eps[-1][axes], atol=0.006)


def test_the_centre_of_q_takes_z_with_it(shown):
    shown.page.get_by_role("button", name="Resample ε").click()
    shown.frame()
    before = numbers(shown)
    drag(shown, "enc", -30, 20)
    after = numbers(shown)
    assert after[1, 0] < before[1, 0] and after[1, 1] < before[1, 1]
    np.testing.assert_allclose(after[3], before[3], atol=0.011)  # ε is what it was
    np.testing.assert_allclose(after[0] - before[0], after[1] - before[1], atol=0.011)
    kl = bound(shown)[2]
    drag(shown, "sig", 40, 40)
    wider = numbers(shown)
    assert (wider[2] > 1.5 * after[2]).all() and bound(shown)[2] < kl
    np.testing.assert_allclose(wider[3], after[3], atol=0.011)
    shown.page.get_by_role("button", name="Encode").click()
    shown.frame()
    np.testing.assert_allclose(numbers(shown)[1], before[1])


def test_keys_move_q_as_well(shown):
    before = numbers(shown)
    shown.page.get_by_role("slider", name="Mean μ").press("ArrowRight")
    shown.page.get_by_role("slider", name="Standard deviation").press("Shift+ArrowUp")
    shown.frame()
    after = numbers(shown)
    assert after[1, 0] == pytest.approx(before[1, 0] + 0.05, abs=0.011)
    assert after[2, 1] == pytest.approx(before[2, 1] * 1.1**10, rel=0.05)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_the_bar_is_the_elbo_that_pytorch_computes(page, tmp_path, likelihood):
    vae = models.dense((8, 8), 2, hidden=(30,), likelihood=likelihood, sigma_x=0.3)
    x = torch.rand(6, 8, 8, generator=torch.Generator().manual_seed(1)).round()
    shown = show(page, *save(tmp_path, vae, x, precision="float32"))
    page.get_by_role("button", name="Next image").click()
    page.get_by_role("button", name="Resample ε").click()
    z = torch.tensor([z_of(shown)])
    with torch.no_grad():
        log_px_z = vae.likelihood(z).log_prob(x[:1]).item()
        q = vae.posterior(x[:1])
        kl = kl_to_standard_normal(q.mu, q.log_sigma).item()
    elbo, found, rate = bound(shown)
    assert found == pytest.approx(log_px_z, abs=0.06) and rate == pytest.approx(kl, abs=0.06)
    assert elbo == pytest.approx(log_px_z - kl, abs=0.06)
    parts = {
        name: page.locator(f".vaelib-{name}").bounding_box() for name in ("elbo", "kl", "tick")
    }
    end = parts["elbo"]["x"] + parts["elbo"]["width"]
    assert end == pytest.approx(parts["kl"]["x"], abs=1)
    assert end + parts["kl"]["width"] == pytest.approx(parts["tick"]["x"] + 2, abs=1.5)


def test_the_story_of_an_x_takes_700_ms_at_most(shown):
    page = shown.page
    page.wait_for_timeout(800)
    assert page.evaluate(MOVING) == []
    for name in ("Next test face", "Resample ε"):
        times = page.evaluate(
            f"""(name) => {{
              [...document.querySelectorAll("button")].find((b) =>
                (b.ariaLabel || b.textContent) === name).click();
              return ({MOVING})();
            }}""",
            name,
        )
        assert len(times) >= 4 and max(times) <= 700, name
        page.wait_for_timeout(750)
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Next test face").click()
    assert page.evaluate(MOVING) == []


def test_a_dot_shows_its_picture(shown):
    page = shown.page
    pad = page.locator(".vaelib-pad").bounding_box()
    place = page.locator(".vaelib-dots path").first.evaluate(
        "(path) => path.getAttribute('d').match(/M([-\\d.]+),([-\\d.]+)/).slice(1).map(Number)"
    )
    x, y = (value / 300 for value in place)
    page.mouse.move(pad["x"] + x * pad["width"], pad["y"] + y * pad["height"])
    peek = page.locator(".vaelib-peek")
    expect(peek).to_be_visible()
    expect(peek).to_contain_text(re.compile(r"test face \d+, decoded; expression .* to .*; pose"))
    assert shown.pixels(".vaelib-peek canvas").std() > 20
    page.mouse.move(pad["x"] - 20, pad["y"])
    expect(peek).not_to_be_visible()


def test_far_from_what_the_model_has_seen_it_says_so(shown, face_vae, faces):
    seen = shown.page.locator(".vaelib-seen")
    expect(seen).to_have_text("")  # at the code of a face
    shown.slider().fill("0")
    shown.slider(1).fill("-2.8")  # below all dots, within 3 σ
    expect(seen).to_contain_text("None of the 1000 test faces shown has a code near this z")
    shown.root.locator(".vaelib-number").first.fill("4")
    expect(seen).to_contain_text("Beyond 3σ: z3 = 4.0")
    shown.page.get_by_role("button", name="Reset").click()
    expect(seen).to_have_text("")


def test_after_both_sliders_it_asks_which_one_smiles(shown):
    ask = shown.page.locator(".vaelib-ask")
    expect(ask).not_to_be_visible()
    shown.slider().press("ArrowLeft")
    expect(ask).not_to_be_visible()
    shown.slider(1).press("ArrowLeft")
    expect(ask).to_contain_text("Which one smiles?")
    table = shown.explorer.spec["factors"]
    at = table["names"].index("expression")
    of = [table["values"][row["dim"]][at] for row in shown.explorer.spec["rows"][:2]]
    for place in (0, 1):
        ask.get_by_role("button", name=f"Slider {place + 1}").click()
        verdict = "Yes" if of[place] == max(of) else "No"
        expect(ask.locator(".vaelib-answer")).to_contain_text(f"{verdict}: z")
        expect(ask.locator(".vaelib-answer")).to_contain_text(f"{of[place]:.2f}")


def test_stories_play_z(shown):
    page = shown.page
    page.clock.install()
    page.get_by_role("button", name="From frown to smile").click()
    expect(page.locator(".vaelib-tell")).to_contain_text("Only one number moves: z2 goes from −")
    page.clock.run_for(4500)
    z = np.array(z_of(shown))
    assert z[1] > 1 and (np.delete(z, 1) == 0).all()
    page.get_by_role("button", name="Pixels against latent space").click()
    page.clock.run_for(2100)
    expect(page.locator(".vaelib-source figcaption")).to_contain_text("% of the way in pixels")
    page.get_by_role("button", name="Reset").click()
    page.clock.run_for(3000)
    assert z_of(shown) == [0, 0, 0, 0]  # a touch of anything else ends it
    page.get_by_role("button", name="Play z3").click()
    page.clock.run_for(1100)
    assert z_of(shown)[2] != 0  # somewhere between −3 and 3: the clock goes on by itself too
    page.clock.run_for(3000)
    assert z_of(shown)[2] == pytest.approx(0, abs=1e-6)


def test_the_manifold_lies_behind_the_plane(shown):
    page = shown.page
    canvas = page.locator(".vaelib-backdrop")
    expect(canvas).not_to_be_visible()
    page.get_by_label("Manifold behind").check()
    reach = float(page.locator(".vaelib-pad").get_attribute("aria-valuemax"))
    code = torch.tensor([z_of(shown)])
    code[0, shown.explorer.axes[0]] = -reach * 10 / 11
    code[0, shown.explorer.axes[1]] = reach * 10 / 11
    expected = np.rint(np.clip(shown.decode(code)[0], 0, 1) * 255).reshape(32, 32)

    def there():
        found = shown.pixels(".vaelib-backdrop").reshape(11 * 33, 11 * 33)[:32, :32]
        return np.abs(found - expected).max() <= 2  # the reach is rounded

    eventually(page, there, "the picture of the upper left corner")


@pytest.mark.parametrize("dims", [1, 3, 20])
def test_models_of_any_dimension_have_a_stage(page, tmp_path, dims):
    vae = models.dense((3, 8, 6), dims, hidden=(9,))
    shown = show(page, *save(tmp_path, vae, torch.rand(30, 3, 8, 6)))
    page.get_by_role("button", name="Next image").click()
    page.get_by_role("button", name="Resample ε").click()
    before = shown.pixels()
    plane = page.get_by_role("slider", name="Plane")
    plane.press("ArrowRight")
    plane.press("Shift+ArrowLeft")
    assert (shown.pixels() != before).any()
    assert len(z_of(shown)) == dims and len(numbers(shown)[0]) == min(2, dims)


@pytest.mark.parametrize("name", MODELS)
def test_without_data_there_is_a_stage_too(page, tmp_path, name):
    show(page, *save(tmp_path, MODELS[name]()))
    page.get_by_role("button", name="Resample ε").click()
    expect(page.locator(".vaelib-tell")).to_contain_text("Choose an x first")
    page.get_by_role("button", name="Random draw").click()
    expect(page.locator(".vaelib-axis").first).to_contain_text("The ELBO is that of an x")
