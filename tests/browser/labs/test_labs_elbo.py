"""The ELBO lab's own parts: the ascent and its trail, the challenge, a bar that never saturates."""

import pytest
from labs_page import show
from pages import FRAME
from playwright.sync_api import expect

from vaelib.widgets import ElboLab
from vaelib.widgets.labs import elbo

pytestmark = pytest.mark.browser
ENDS = """() => Object.fromEntries(["reconstruction", "kl", "gap", "elbo", "log_px"].map((key) => {
  const { left, right } = document.querySelector(`[data-key=${key}]`).getBoundingClientRect();
  return [key, [left, right]];
}))"""


def trail(page):
    return [page.locator(".lab-trail").nth(i).get_attribute("d").count("M") for i in range(2)]


def saved(page):
    """The state that Python has last heard of, once the page has come to rest."""
    page.wait_for_timeout(250)
    return {name: float(value) for name, value in page.evaluate("model.saved.at(-1)").items()}


def gap(page):
    return elbo.compute(**saved(page)).numbers["gap"]


def test_the_gradient_climbs_to_the_top_and_leaves_a_trail(page):
    show(page, ElboLab)
    start = page.evaluate("document.querySelector('[data-key=q]').getAttribute('d')")
    assert trail(page) == [0, 0]
    button = page.get_by_role("button", name="Let the gradient do it")
    button.click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(button).to_be_visible(timeout=20_000)  # again, at the top
    state = saved(page)
    assert max(map(abs, elbo.gradient(**state))) < 0.05
    assert gap(page) < 0.01
    dots = trail(page)
    assert dots[0] == dots[1] > 10
    assert page.evaluate("document.querySelector('[data-key=q]').getAttribute('d')") != start
    page.get_by_role("button", name="Reset").click()
    page.evaluate(FRAME)
    assert trail(page) == [0, 0]


def test_each_step_is_lesson_4s(page):
    """φ + 0.005 ∂L/∂φ, as the lesson's own `ascend` has it."""
    show(page, ElboLab)
    page.evaluate("""() => {
      window.steps = [];
      const { save_changes: save } = model;
      const own = model.set.bind(model);
      model.set = (name, value) => { window.steps.push([name, value]); own(name, value); };
    }""")
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Let the gradient do it").click()
    page.wait_for_function("window.steps.length >= 2")
    found = dict(page.evaluate("window.steps"))
    mu, log_sigma = ElboLab().mu, ElboLab().log_sigma
    for _ in range(600):
        along = elbo.gradient(0.8, 0.6, mu, log_sigma)
        mu += 0.005 * along[0]
        log_sigma += 0.005 * along[1]
        if sum(g**2 for g in elbo.gradient(0.8, 0.6, mu, log_sigma)) ** 0.5 < 0.02:
            break
    assert found["mu"] == pytest.approx(mu, abs=1e-9)
    assert found["log_sigma"] == pytest.approx(log_sigma, abs=1e-9)


def test_a_hand_stops_the_gradient(page):
    show(page, ElboLab)
    page.get_by_role("slider", name="μ").fill("-4")
    button = page.get_by_role("button", name="Let the gradient do it")
    button.click()
    page.get_by_role("slider", name="log σ").press("ArrowRight")
    expect(button).to_be_visible()
    page.wait_for_timeout(300)
    before = page.evaluate("model.saved.at(-1)")
    page.wait_for_timeout(300)
    assert page.evaluate("model.saved.at(-1)") == before


def test_the_challenge_is_set_followed_and_solved(page):
    show(page, ElboLab)
    line = page.locator(".lab-challenge")
    expect(line).to_have_text("Challenge: can you find the best bell yourself?")
    page.get_by_role("button", name="Challenge").click()
    expect(line).to_contain_text("1 of 4. Bring the gap under 0.05 nats. Now ")
    page.get_by_role("slider", name="x₁").press("ArrowLeft")
    expect(line).to_contain_text("Leave x at (0.80, 0.60)")
    page.get_by_role("slider", name="x₁").press("ArrowRight")
    page.wait_for_timeout(500)
    page.get_by_role("slider", name="μ").fill("0.9")
    page.wait_for_timeout(500)
    page.get_by_role("slider", name="log σ").fill("-1.65")
    expect(line).to_contain_text("✓ Done in 3 moves: gap 0.0")
    assert gap(page) < 0.05
    page.get_by_role("button", name="Challenge").click()
    expect(line).to_contain_text("2 of 4.")
    page.get_by_role("button", name="Let the gradient do it").click()
    expect(line).to_contain_text("✓ Done by the gradient")
    page.get_by_role("button", name="Reset").click()
    expect(line).to_have_text("Challenge: can you find the best bell yourself?")


def test_every_challenge_can_be_solved_and_starts_unsolved(page):
    show(page, ElboLab)
    line = page.locator(".lab-challenge")
    page.emulate_media(reduced_motion="reduce")
    for number in (1, 2, 3, 4):
        page.get_by_role("button", name="Challenge").click()
        expect(line).to_contain_text(f"{number} of 4. Bring the gap under")
        goal = float(line.inner_text().split("under ")[1].split()[0])
        state = saved(page)
        assert gap(page) > goal
        gaps = []
        for mu in (-3, -2, -1, 0, 1, 2, 3):  # the goal is what seven ascents reach, and a bit
            phi = [float(mu), -1.0]
            for _ in range(600):
                along = elbo.gradient(state["x1"], state["x2"], *phi)
                phi = [a + 0.005 * b for a, b in zip(phi, along, strict=True)]
            numbers = elbo.compute(state["x1"], state["x2"], *phi).numbers
            gaps.append(numbers["gap"])
        assert goal == pytest.approx(min(gaps) + 0.05, abs=0.006)


def test_the_bars_parts_hang_together_under_a_log_p_x_that_stays(page):
    show(page, ElboLab)
    line = page.evaluate(ENDS)["log_px"]
    for state in ({}, {"mu": -4}, {"log_sigma": -3}, {"x1": -1.5, "x2": -1.5}, {"log_sigma": 1}):
        page.evaluate("(all) => Object.entries(all).forEach(([k, v]) => model.set(k, v))", state)
        page.evaluate(FRAME)
        ends = page.evaluate(ENDS)
        assert ends["log_px"] == line
        assert ends["kl"][1] == pytest.approx(ends["reconstruction"][1], abs=1)
        assert ends["kl"][0] == pytest.approx(ends["gap"][0], abs=1)
        assert ends["gap"][1] == pytest.approx(line[0], abs=2)
        # Nothing is cut off: the bar begins left of its own end, which is inside the picture.
        frame = page.locator(".lab-banner .lab-frame").bounding_box()
        assert ends["reconstruction"][0] < ends["gap"][0] - 5
        assert ends["reconstruction"][1] < frame["x"] + frame["width"] - 5
